//! The hub's end of the socket of `hubd-outside`.

use std::io;
use std::path::Path;
use std::time::Duration;

use hub_core::config::{Claims, Provider};
use hub_core::outside::{Reply, Request, Trouble, TroubleKind};
use hub_core::wire;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::Hub;

/// A little more than the other end takes at most, so that its answer, which knows more, comes first.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where somebody goes to log in.
pub(super) async fn address(hub: &Hub, request: &Request) -> Result<String, Trouble> {
    match ask(hub, request).await? {
        Reply::Begun { address } => Ok(address),
        _ => Err(unexpected()),
    }
}

/// Who came back. `hubd-outside` may still ask the provider of a configuration that is not in force, or not any more: whom that
/// one knows is nobody here.
pub(super) async fn person(hub: &Hub, provider: &Provider, request: &Request) -> Result<Claims, Trouble> {
    match ask(hub, request).await? {
        Reply::Person(claims) if claims.issuer == provider.issuer => Ok(claims),
        Reply::Person(claims) => {
            Err(Trouble::new(TroubleKind::Settings, format!("{:?} speaks, expected {:?}", claims.issuer, provider.issuer)))
        }
        _ => Err(unexpected()),
    }
}

async fn ask(hub: &Hub, request: &Request) -> Result<Reply, Trouble> {
    let socket = hub.control.paths.outside_socket();
    let talk = async {
        match talk(&socket, request).await {
            // It ended for want of questions while this one came: systemd closes what waits, and starts it for the next one.
            Ok(None) | Err(_) => talk(&socket, request).await,
            answered => answered,
        }
    };
    match timeout(PATIENCE, talk).await {
        Ok(Ok(Some(Reply::Refused(trouble)))) => Err(trouble),
        Ok(Ok(Some(reply))) => Ok(reply),
        Ok(Ok(None)) => Err(unexpected()),
        Ok(Err(error)) => {
            tracing::error!(%error, "hubd-outside can't be asked at `{}`: {error}; systemctl status hubd-outside.socket", socket.display());
            Err(Trouble::new(TroubleKind::Away, error.to_string()))
        }
        Err(_) => Err(Trouble::new(TroubleKind::Away, format!("hubd-outside did not answer in {} s", PATIENCE.as_secs()))),
    }
}

async fn talk(socket: &Path, request: &Request) -> io::Result<Option<Reply>> {
    let mut stream = UnixStream::connect(socket).await?;
    wire::send_async(&mut stream, request).await?;
    wire::receive_async(&mut stream).await
}

fn unexpected() -> Trouble {
    Trouble::new(TroubleKind::Away, "hubd-outside gave no answer to this")
}
