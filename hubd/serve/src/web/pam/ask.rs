//! The hub's end of the socket of `hubd-pam`.

use std::io;
use std::path::Path;
use std::time::Duration;

use hub_core::pam::{Reply, Request, Verdict};
use hub_core::wire;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// A little more than the other end takes at most, so that its answer, which knows more, comes first.
const PATIENCE: Duration = Duration::from_secs(22);

/// What PAM says. A process that ended without an answer (a module crashed, or there are too many) is as good as none.
pub(super) async fn ask(socket: &Path, request: &Request) -> Reply {
    match timeout(PATIENCE, talk(socket, request)).await {
        Ok(Ok(Some(reply))) => reply,
        Ok(Ok(None)) => {
            tracing::error!("hubd-pam ended without an answer; journalctl -t hubd-pam, or a module of PAM crashed");
            Verdict::Unavailable.into()
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "hubd-pam can't be asked at `{}`: {error}; systemctl status hubd-pam.socket", socket.display());
            Verdict::Unavailable.into()
        }
        Err(_) => {
            tracing::error!("hubd-pam did not answer in {} s", PATIENCE.as_secs());
            Verdict::Unavailable.into()
        }
    }
}

async fn talk(socket: &Path, request: &Request) -> io::Result<Option<Reply>> {
    let mut stream = UnixStream::connect(socket).await?;
    wire::send_async(&mut stream, request).await?;
    wire::receive_async(&mut stream).await
}
