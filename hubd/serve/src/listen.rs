//! The hub's listening sockets: accepts connections, encrypted or not, bounds how many there are and how long each may
//! keep us waiting, and hands whole requests to a [`Handler`].

mod admission;
mod connection;
mod framing;
mod listener;
mod liveness;
mod redirect;
mod request_filter;
mod reverse_proxy;
mod stream;
mod strict;
mod tls;

use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Incoming};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

pub use admission::Limits;
pub use listener::Listener;
pub use liveness::Deadlines;
pub use stream::Stream;
pub use tls::{Source, Tls, TlsError, TlsStatus};

use admission::{Admission, Full, Permit};
use connection::Bounds;
use listener::{Accepting, Arrival};
use redirect::Redirect;
use reverse_proxy::ReverseProxy;
use strict::Strict;

/// Pause after a connection could not be accepted because something has run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// A full house is logged at most this often.
const LOG_PAUSE: Duration = Duration::from_secs(10);

/// Unusually large heads that may be read at a time: they are half a megabyte each at most.
const LARGE_HEADS: usize = 64;

/// What a client gets when there is no place for it.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 5\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 57\r\n\r\n\
    The hub has too many connections. Try again in a moment.\n";

/// Who is on the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The address it came from; an IPv4 address is never written as IPv6.
    pub address: IpAddr,
    /// Whether the connection is encrypted.
    pub https: bool,
}

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Where an answer's bytes come from.
    type Body: HttpBody<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static;

    /// Answers one request. Dropped when the client goes away.
    fn handle(&self, request: Request<Incoming>, client: Client) -> impl Future<Output = Answer<Self::Body>> + Send;
}

/// Speaks another protocol with a client.
pub type Takeover = Box<dyn FnOnce(Stream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// An answer to a request.
pub struct Answer<B> {
    response: Response<B>,
    takeover: Option<Takeover>,
}

impl<B> Answer<B> {
    /// A plain answer.
    pub fn new(response: Response<B>) -> Self {
        Self { response, takeover: None }
    }

    /// An answer of 101, after which `takeover` has the connection.
    pub fn switch(
        response: Response<B>,
        takeover: impl FnOnce(Stream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + 'static,
    ) -> Self {
        Self { response, takeover: Some(Box::new(takeover)) }
    }
}

/// A listening socket and what it is for.
pub struct Socket {
    /// The socket.
    pub listener: Listener,
    /// What its clients get.
    pub service: Service,
}

/// What the clients of a socket get.
#[derive(Clone)]
pub enum Service {
    /// The hub, in clear.
    Plain,
    /// The hub, for a web server in front of it, which says who its clients are. Whoever can connect is believed.
    ReverseProxy,
    /// The hub, encrypted.
    Tls(Tls),
    /// A redirect to the encrypted socket, and the few pages of the hub that are open to everybody.
    Redirect {
        /// Where the hub listens for https.
        port: u16,
        /// The path below which the hub is; empty: none.
        base: Arc<str>,
        /// While this has no good certificate nobody is sent there.
        tls: Tls,
    },
}

/// What bounds a hub's clients.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How many there may be.
    pub limits: Limits,
    /// How long each may keep us waiting.
    pub deadlines: Deadlines,
    /// How long requests under way may take to finish once the hub stops.
    pub farewell: Duration,
}

impl Settings {
    /// The settings for a process that may have `descriptors` files open.
    pub fn for_descriptors(descriptors: u64) -> Self {
        Self { limits: Limits::for_descriptors(descriptors), deadlines: Deadlines::default(), farewell: Duration::from_secs(3) }
    }
}

/// Serves all sockets until `stop` turns true or loses its owner. Then nothing new is accepted, what is idle or has
/// changed its protocol ends at once, and requests under way get [`Settings::farewell`] to finish. Fails only if a
/// socket cannot be used at all, or through a mistake in here.
pub async fn serve<H: Handler>(
    sockets: Vec<Socket>,
    handler: Arc<H>,
    settings: Settings,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let admission = Admission::new(settings.limits);
    let large_heads = Arc::new(Semaphore::new(LARGE_HEADS));
    let bounds = Bounds { deadlines: settings.deadlines, large_heads, stop };
    let mut loops = JoinSet::new();
    for Socket { listener, service } in sockets {
        let listener = Accepting::new(listener)?;
        let port = Port { service, admission: Arc::clone(&admission), settings, bounds: bounds.clone() };
        loops.spawn(port.run(listener, Arc::clone(&handler)));
    }
    while let Some(result) = loops.join_next().await {
        result.map_err(io::Error::other)?;
    }
    Ok(())
}

/// One socket's accept loop.
struct Port {
    service: Service,
    admission: Arc<Admission>,
    settings: Settings,
    bounds: Bounds,
}

impl Port {
    async fn run<H: Handler>(self, listener: Accepting, handler: Arc<H>) {
        let mut stopped = pin!(stopped(self.bounds.stop.clone()));
        let mut connections = JoinSet::new();
        let mut last_log = None::<Instant>;
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok(Arrival { stream, address }) => match self.admission.admit(address) {
                        Ok(permit) => {
                            connections.spawn(self.connection(stream, address, permit, Arc::clone(&handler)));
                        }
                        Err(full) => {
                            if last_log.is_none_or(|at| at.elapsed() > LOG_PAUSE) {
                                last_log = Some(Instant::now());
                                log_full(full, address, self.settings.limits);
                            }
                            self.turn_away(&stream);
                        }
                    },
                    // Some clients are gone before they are accepted. Otherwise files or memory have run out, and
                    // trying again at once would only burn the processor.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => {
                        tracing::warn!(%error, "accepting a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(ended) = connections.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "serving a connection");
                    }
                }
                () = &mut stopped => break,
            }
        }
        drop(listener);
        let rest = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(self.settings.farewell, rest).await.is_err() {
            tracing::info!(connections = connections.len(), "requests under way were cut off");
        }
    }

    fn connection<H: Handler>(
        &self,
        stream: Stream,
        address: IpAddr,
        permit: Permit,
        handler: Arc<H>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (service, bounds) = (self.service.clone(), self.bounds.clone());
        let mut client = Client { address: address.to_canonical(), https: false };
        async move {
            let _permit = permit;
            match service {
                Service::Plain => connection::serve(stream, client, handler, bounds).await,
                Service::ReverseProxy => {
                    connection::serve(stream, client, Arc::new(ReverseProxy { pages: handler }), bounds).await
                }
                Service::Redirect { port, base, tls } => {
                    let redirect = Arc::new(Redirect { port, base, tls, pages: handler });
                    connection::serve(stream, client, redirect, bounds).await;
                }
                Service::Tls(tls) => {
                    let Stream::Plain(stream) = stream else { return };
                    client.https = true;
                    match tokio::time::timeout(bounds.deadlines.handshake, tls.accept(stream)).await {
                        Ok(Ok(Some(stream))) => {
                            let handler = Arc::new(Strict { hsts: tls.hsts(), pages: handler });
                            connection::serve(Stream::Tls(Box::new(stream)), client, handler, bounds).await;
                        }
                        Ok(Ok(None)) => tracing::info!(client = %client.address, "showed an authority what it asked for"),
                        Ok(Err(error)) => tracing::debug!(client = %client.address, %error, "a handshake failed"),
                        Err(_) => tracing::debug!(client = %client.address, "a handshake took too long"),
                    }
                }
            }
        }
    }

    /// Says to a client in clear why it is not served; an encrypted one would need a handshake first.
    fn turn_away(&self, stream: &Stream) {
        if !matches!(self.service, Service::Tls(_))
            && let Err(error) = stream.try_write(FULL)
        {
            tracing::debug!(%error, "a client was gone before it could be turned away");
        }
    }
}

/// Returns when `stop` turns true or loses its owner.
async fn stopped(mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        tracing::debug!("whoever could stop the listeners is gone");
    }
}

fn log_full(full: Full, address: IpAddr, limits: Limits) {
    match full {
        Full::Everywhere => tracing::warn!(limit = limits.connections, "no place for more connections"),
        Full::Source => {
            tracing::warn!(client = %address, limit = limits.per_source, "no place for more connections from one address");
        }
    }
}
