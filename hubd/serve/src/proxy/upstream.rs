//! One connection to one user server: opened to the right process, and driven by the task that uses it, so that a
//! request costs no hop to another thread.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use hub_core::launcher::protocol::Endpoint;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::ProxyError;
use super::upload::RequestBody;

/// First pause before a server whose queue of connections is full is tried again; doubles each time.
const QUEUE_PAUSE: Duration = Duration::from_millis(5);

/// Most bytes read or buffered at once on the way from a server.
const BUFFER: usize = 128 * 1024;

/// Connects to a user server and makes sure, before the first byte, that its owner is the one listening: the owner of
/// a server's directory can put a link to a neighbour's socket in its place.
pub async fn connect(endpoint: &Endpoint, deadline: Duration) -> Result<UnixStream, ProxyError> {
    let attempt = async {
        let mut pause = QUEUE_PAUSE;
        loop {
            match UnixStream::connect(&endpoint.socket).await {
                // A Unix socket answers a full queue at once instead of waiting.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                other => return other,
            }
        }
    };
    let stream = tokio::time::timeout(deadline, attempt)
        .await
        .map_err(|_| ProxyError::Busy { socket: endpoint.socket.clone(), waited: deadline })?
        .map_err(|source| ProxyError::Connect { socket: endpoint.socket.clone(), source })?;
    let uid = stream.peer_cred().map_err(|source| ProxyError::Connect { socket: endpoint.socket.clone(), source })?.uid();
    if uid != endpoint.uid {
        return Err(ProxyError::Impostor { socket: endpoint.socket.clone(), expected: endpoint.uid, found: uid });
    }
    Ok(stream)
}

/// A connection that carries one request at a time.
pub(super) struct Link {
    endpoint: Endpoint,
    sender: http1::SendRequest<RequestBody>,
    connection: http1::Connection<TokioIo<UnixStream>, RequestBody>,
    /// The connection has come to its end; its future must not be polled again.
    finished: bool,
    /// Since when it waits for its next request; `None` before the first.
    idle_since: Option<Instant>,
}

/// Why a request got no answer.
pub(super) struct Unanswered {
    /// The request, if not a byte of it was sent.
    pub unsent: Option<Request<RequestBody>>,
    /// What happened.
    pub error: hyper::Error,
}

impl Link {
    /// Opens a new connection.
    pub(super) async fn open(endpoint: &Endpoint, deadline: Duration) -> Result<Self, ProxyError> {
        let stream = connect(endpoint, deadline).await?;
        let (sender, connection) =
            http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(stream)).await.map_err(ProxyError::Broken)?;
        Ok(Self { endpoint: endpoint.clone(), sender, connection, finished: false, idle_since: None })
    }

    /// Sends a request and waits for the head of the answer. The body, and the rest of the request's body, move only
    /// while [`Link::drive`] is called.
    pub(super) async fn exchange(&mut self, request: Request<RequestBody>) -> Result<Response<Incoming>, Unanswered> {
        let mut answer = std::pin::pin!(self.sender.try_send_request(request));
        let (connection, finished) = (&mut self.connection, &mut self.finished);
        std::future::poll_fn(|cx| {
            drive(connection, finished, cx);
            answer.as_mut().poll(cx)
        })
        .await
        .map_err(|mut error: TrySendError<Request<RequestBody>>| {
            let unsent = error.take_message();
            Unanswered { unsent, error: error.into_error() }
        })
    }

    /// Lets the connection read and write as far as it can now. What it finds out reaches whoever waits for the answer
    /// or its body.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        drive(&mut self.connection, &mut self.finished, cx);
    }

    /// Whether the connection is alive and has nothing left to do.
    pub(super) fn is_ready(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        !self.finished && self.sender.is_ready()
    }

    /// Whether it leads to `endpoint`.
    pub(super) fn leads_to(&self, endpoint: &Endpoint) -> bool {
        self.endpoint == *endpoint
    }

    /// Notes that it waits for its next request from now on.
    pub(super) fn rest(&mut self) {
        self.idle_since = Some(Instant::now());
    }

    /// How long it has been waiting; `None`: it has carried no request yet.
    pub(super) fn idle(&self) -> Option<Duration> {
        self.idle_since.map(|since| since.elapsed())
    }

    /// Waits, after an answer of 101, until HTTP lets go of the socket.
    pub(super) async fn settle(&mut self) {
        std::future::poll_fn(|cx| {
            self.drive(cx);
            if self.finished { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Takes the socket out, after an answer of 101, with what the server has sent on it since.
    pub(super) fn into_stream(self) -> (UnixStream, bytes::Bytes) {
        let parts = self.connection.into_parts();
        (parts.io.into_inner(), parts.read_buf)
    }
}

fn drive(connection: &mut http1::Connection<TokioIo<UnixStream>, RequestBody>, finished: &mut bool, cx: &mut Context<'_>) {
    if !*finished && let Poll::Ready(result) = Pin::new(connection).poll(cx) {
        *finished = true;
        if let Err(error) = result {
            tracing::debug!(%error, "a connection to a user server ended");
        }
    }
}
