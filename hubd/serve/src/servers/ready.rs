//! Asks one server one question over its socket, after making sure that the right account listens there, and knows from
//! the answer whether it is ready.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hub_core::accounts::Username;
use hub_core::config::apps::{App, AppName, Prefix};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::timeout;

use hub_core::launcher::protocol::Endpoint;

/// The longest wait for one answer; a program that is still loading takes the connection and then its time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// More than any answer to our questions has, in bytes.
const LARGEST_ANSWER: usize = 1 << 20;
/// The header that tells the server who asks; clients can't set it.
const IDENTITY_HEADER: &str = "x-hubd-user";

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// Nobody listens yet, or any more.
    #[error("nobody listens on its socket: {0}")]
    Connect(std::io::Error),
    /// Somebody else listens. Not a byte was sent.
    #[error("uid {found} listens on its socket, expected {expected}")]
    Impostor {
        /// The server's account.
        expected: u32,
        /// Whose it is.
        found: u32,
    },
    /// It took the question and gave no whole answer.
    #[error("it accepted the connection but did not reply: {0}")]
    Broken(Box<dyn std::error::Error + Send + Sync>),
    /// It took too long.
    #[error("it accepted the connection but did not reply within {} s", ANSWER_TIMEOUT.as_secs())]
    Silent,
}

/// Asks `name`'s server for `path` below its base URL, as its owner. `base` is where the hub itself is on its host.
pub(super) async fn ask(name: &Username, endpoint: &Endpoint, base: &str, path: &str) -> Result<(StatusCode, Bytes), AskError> {
    timeout(ANSWER_TIMEOUT, talk(name, endpoint, &format!("{base}/user/{name}/{path}"))).await.unwrap_or(Err(AskError::Silent))
}

/// Asks `name`'s `app` whether it is ready, at the address that it knows.
pub(super) async fn ask_app(
    name: &Username,
    endpoint: &Endpoint,
    base: &str,
    called: &AppName,
    app: &App,
) -> Result<(StatusCode, Bytes), AskError> {
    let path = match app.prefix {
        Prefix::Kept => format!("{base}/user/{name}/apps/{called}{}", app.ready),
        Prefix::Stripped => app.ready.clone(),
    };
    timeout(ANSWER_TIMEOUT, talk(name, endpoint, &path)).await.unwrap_or(Err(AskError::Silent))
}

async fn talk(name: &Username, endpoint: &Endpoint, path: &str) -> Result<(StatusCode, Bytes), AskError> {
    let stream = UnixStream::connect(&endpoint.socket).await.map_err(AskError::Connect)?;
    let found = stream.peer_cred().map_err(AskError::Connect)?.uid();
    if found != endpoint.uid {
        return Err(AskError::Impostor { expected: endpoint.uid, found });
    }
    let broken = |error: hyper::Error| AskError::Broken(error.into());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let request = Request::get(path)
        .header(header::HOST, "localhost")
        .header(IDENTITY_HEADER, name.as_str())
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| AskError::Broken(error.into()))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await.map_err(AskError::Broken)?;
        Ok((status, body.to_bytes()))
    };
    // Driven here and not in a task of its own: when the wait is given up, the connection goes with it.
    tokio::pin!(exchange, connection);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = &mut connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(broken(error)),
        },
    }
}

/// How long to wait before the next question, when `elapsed` has passed since the start: a twentieth of it, so that
/// asking neither costs much nor delays a fast start.
pub(super) fn pause_after(elapsed: Duration) -> Duration {
    (elapsed / 20).clamp(Duration::from_millis(5), Duration::from_millis(100))
}

/// How much of a pause counts towards the start's deadline: a fifth while the machine is strained, so that a busy
/// machine fails nobody and a program that hangs is still given up after five deadlines.
pub(super) fn counted(span: Duration, strained: bool) -> Duration {
    if strained { span / 5 } else { span }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    fn ada() -> Username {
        "ada".parse().unwrap()
    }

    /// Listens in a directory of its own, answers one connection with `answer` and returns what it was asked.
    fn server(answer: &'static str) -> (tempfile::TempDir, Endpoint, tokio::task::JoinHandle<String>) {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("server.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                if stream.read_buf(&mut asked).await.unwrap() == 0 {
                    return String::from_utf8(asked).unwrap();
                }
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(asked).unwrap()
        });
        let uid = nix::unistd::getuid().as_raw();
        (directory, Endpoint { socket, uid }, asked)
    }

    #[tokio::test]
    async fn asks_as_the_owner_below_the_base_url() {
        let (_directory, endpoint, asked) = server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
        let (status, body) = ask(&ada(), &endpoint, "/hubs", "api/status?a=1").await.unwrap();
        assert_eq!((status, body.as_ref()), (StatusCode::OK, b"{}".as_slice()));
        let asked = asked.await.unwrap();
        assert!(asked.starts_with("GET /hubs/user/ada/api/status?a=1 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("x-hubd-user: ada\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn sends_nothing_to_an_impostor() {
        let (_directory, endpoint, asked) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        let expected = endpoint.uid + 1;
        let error = ask(&ada(), &Endpoint { uid: expected, ..endpoint.clone() }, "", "api").await.unwrap_err();
        assert!(matches!(error, AskError::Impostor { found, .. } if found == endpoint.uid), "{error}");
        assert_eq!(asked.await.unwrap(), "");
    }

    #[tokio::test]
    async fn tells_a_missing_socket_from_a_broken_answer() {
        let directory = tempfile::tempdir().unwrap();
        let endpoint = Endpoint { socket: directory.path().join("nothing"), uid: 0 };
        assert!(matches!(ask(&ada(), &endpoint, "", "api").await, Err(AskError::Connect(_))));
        let (_directory, endpoint, _asked) = server("what?\r\n\r\n");
        assert!(matches!(ask(&ada(), &endpoint, "", "api").await, Err(AskError::Broken(_))));
    }

    #[tokio::test]
    async fn an_endless_answer_is_cut() {
        let (_directory, endpoint, _asked) = server(Box::leak(
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", LARGEST_ANSWER + 1, "x".repeat(LARGEST_ANSWER + 1))
                .into_boxed_str(),
        ));
        assert!(matches!(ask(&ada(), &endpoint, "", "api").await, Err(AskError::Broken(_))));
    }

    #[test]
    fn asks_often_at_first_and_less_often_later() {
        for (elapsed, pause) in [(0, 5), (400, 20), (1000, 50), (60_000, 100)] {
            assert_eq!(pause_after(Duration::from_millis(elapsed)), Duration::from_millis(pause));
        }
    }

    #[test]
    fn time_passes_slowly_on_a_strained_machine() {
        assert_eq!(counted(Duration::from_secs(10), true), Duration::from_secs(2));
        assert_eq!(counted(Duration::from_secs(10), false), Duration::from_secs(10));
    }
}
