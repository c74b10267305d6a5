//! HTTP/1.1 and everything it can be upgraded to, to user servers behind Unix sockets. Who may go where is decided
//! before a request comes here.

mod body;
mod cookies;
mod cut;
pub mod headers;
mod pool;
mod tunnel;
mod upload;
mod upstream;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response, StatusCode};
use hub_core::accounts::Username;
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

pub use body::{Body, BodyError};
pub use headers::BadAnswer;
pub use pool::Places;
pub use tunnel::Tunnel;
pub use upstream::connect;

use hub_core::launcher::protocol::Endpoint;

use crate::listen::Client;
use cut::Cut;
use pool::{Pool, Pools};
use upload::{RequestBody, Upload};
use upstream::{Link, Unanswered};

/// A request that must not be sent twice goes over a waiting connection only if that waited no longer than this:
/// many servers close idle ones after a few seconds, and then nobody can tell whether the request was seen.
const SURELY_OPEN: Duration = Duration::from_secs(1);

/// Where a request goes.
#[derive(Debug, Clone)]
pub struct Target {
    /// Whose server.
    pub user: Username,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// The part of the address that it is not asked for, without a slash at its end.
    pub prefix: Option<String>,
}

/// How long the proxy waits for what.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// For a user server to take a connection.
    pub connect: Duration,
    /// For an answer to begin, counted from the last byte of the request. Student code may take minutes.
    pub answer: Duration,
    /// A waiting connection to a user server is closed after this.
    pub idle: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), answer: Duration::from_secs(600), idle: Duration::from_secs(60) }
    }
}

/// Told when somebody uses a server through an open tunnel.
pub type Activity = dyn Fn(&Username) + Send + Sync;

/// What came back.
pub enum Forwarded {
    /// An answer.
    Answer(Response<Body>),
    /// The server changes to another protocol: send the head, then join the ends.
    Switch(Response<()>, Tunnel),
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Nobody listens.
    #[error("connecting to `{}`", socket.display())]
    Connect {
        /// Where.
        socket: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Somebody listens but takes no connection.
    #[error("`{}` took no connection within {waited:?}", socket.display())]
    Busy {
        /// Where.
        socket: PathBuf,
        /// For so long.
        waited: Duration,
    },
    /// Somebody else listens.
    #[error("`{}` is served by uid {found}, expected uid {expected}", socket.display())]
    Impostor {
        /// Where.
        socket: PathBuf,
        /// Who should.
        expected: u32,
        /// Who does.
        found: u32,
    },
    /// It took the request and did not begin to answer.
    #[error("the server began no answer within {waited:?}")]
    Silent {
        /// For so long.
        waited: Duration,
    },
    /// It closed the connection instead of answering, or answered with something else than HTTP.
    #[error("the server gave no answer that can be passed on")]
    Broken(#[source] hyper::Error),
    /// Its answer can be read in two ways.
    #[error("the server gave no answer that can be passed on")]
    BadAnswer(#[source] BadAnswer),
    /// It changed to a protocol that nobody asked for.
    #[error("the server changed to a protocol that was not asked for")]
    UnwantedSwitch,
    /// This person has too much open to the server already.
    #[error("{limit} requests and connections to this server are open already")]
    TooMany {
        /// So much.
        limit: usize,
    },
    /// The client broke off its own request, or sent a body that is not HTTP.
    #[error("reading the request's body")]
    Client(#[source] hyper::Error),
    /// The session ended or the server was stopped meanwhile.
    #[error("access ended")]
    Ended,
}

/// Forwards requests. Clones share their connections.
#[derive(Clone)]
pub struct Proxy {
    pools: Arc<Pools>,
    deadlines: Deadlines,
    activity: Arc<Activity>,
}

impl Proxy {
    /// A proxy without connections, whose people have their `places` in common with others of the same. Must be called inside a
    /// tokio runtime.
    pub fn new(deadlines: Deadlines, places: Places, activity: impl Fn(&Username) + Send + Sync + 'static) -> Self {
        let pools = Arc::new(Pools::new(places));
        let weak = Arc::downgrade(&pools);
        tokio::spawn(async move {
            let mut pause = tokio::time::interval(deadlines.idle / 2);
            loop {
                pause.tick().await;
                let Some(pools) = weak.upgrade() else { return };
                pools.sweep(deadlines.idle);
            }
        });
        Self { pools, deadlines, activity: Arc::new(activity) }
    }

    /// Sends `request` to `target` and returns as soon as the head of the answer is there. Both bodies stream. A page is told
    /// the `key` of its session. When `ended` turns true or loses its owner, whatever is still open ends.
    pub async fn forward(
        &self,
        target: &Target,
        request: Request<Incoming>,
        client: Client,
        key: Option<String>,
        ended: watch::Receiver<bool>,
    ) -> Result<Forwarded, ProxyError> {
        let pool = self.pools.of(&target.user);
        let place = pool.enter().ok_or(ProxyError::TooMany { limit: pool::MOST_OPEN })?;
        let cut = Cut::new(ended, pool.gone());
        tokio::select! {
            biased;
            forwarded = self.exchange(target, request, (client, key), &pool, place, &cut) => forwarded,
            () = cut.clone().fired() => Err(ProxyError::Ended),
        }
    }

    /// Ends everything that is open to `user`'s server: it has stopped, or the person may no longer use it.
    pub fn forget(&self, user: &Username) {
        self.pools.forget(user);
    }

    /// Ends connections to servers that are gone, as `departed` tells.
    pub async fn see_off(self, mut departed: mpsc::UnboundedReceiver<Username>) {
        while let Some(name) = departed.recv().await {
            self.forget(&name);
        }
    }

    async fn exchange(
        &self,
        target: &Target,
        request: Request<Incoming>,
        (client, key): (Client, Option<String>),
        pool: &Arc<Pool>,
        place: OwnedSemaphorePermit,
        cut: &Cut,
    ) -> Result<Forwarded, ProxyError> {
        let (mut head, incoming) = request.into_parts();
        let upgrade = headers::requested_upgrade(&head);
        headers::prepare_request(&mut head, &target.user, client, upgrade.clone());
        headers::tell_key(&mut head.headers, key.as_deref());
        headers::tell_prefix(&mut head.headers, target.prefix.as_deref());
        let upload = Arc::<Upload>::default();
        let body = match hyper::body::Body::is_end_stream(&incoming) {
            true => RequestBody::empty(),
            false => RequestBody::new(incoming, Arc::clone(&upload)),
        };
        let (mut link, answer) = tokio::select! {
            biased;
            answer = self.ask(target, pool, head, body, &upload) => answer?,
            () = self.overdue(&upload) => return Err(ProxyError::Silent { waited: self.deadlines.answer }),
        };
        let (mut head, incoming) = answer.into_parts();
        head.extensions.remove::<hyper::upgrade::OnUpgrade>();
        if head.status != StatusCode::SWITCHING_PROTOCOLS {
            headers::prepare_response(&mut head, None).map_err(ProxyError::BadAnswer)?;
            let body = Body::new(incoming, link, Arc::clone(pool), place, cut.clone());
            return Ok(Forwarded::Answer(Response::from_parts(head, body)));
        }
        let Some(protocol) = upgrade.and_then(|offered| headers::chosen_upgrade(&offered, &head.headers)) else {
            return Err(ProxyError::UnwantedSwitch);
        };
        headers::prepare_response(&mut head, Some(protocol)).map_err(ProxyError::BadAnswer)?;
        tokio::time::timeout(self.deadlines.connect, link.settle())
            .await
            .map_err(|_| ProxyError::Silent { waited: self.deadlines.connect })?;
        let (server, early) = link.into_stream();
        let tunnel =
            Tunnel { server, early, user: target.user.clone(), activity: Arc::clone(&self.activity), cut: cut.clone(), place };
        Ok(Forwarded::Switch(Response::from_parts(head, ()), tunnel))
    }

    /// Sends a request over a waiting connection or a new one. If a waiting one turns out to have died, and the request
    /// was not sent or may be repeated, it goes out once more over a new one.
    async fn ask(
        &self,
        target: &Target,
        pool: &Pool,
        head: Parts,
        body: RequestBody,
        upload: &Upload,
    ) -> Result<(Box<Link>, Response<Incoming>), ProxyError> {
        let is_repeatable = headers::is_repeatable(&head.method) && hyper::body::Body::is_end_stream(&body);
        let longest = if is_repeatable { self.deadlines.idle } else { SURELY_OPEN };
        let mut request = Request::from_parts(head, body);
        if let Some(mut link) = pool.take(&target.endpoint, longest) {
            let again = is_repeatable.then(|| (request.method().clone(), request.uri().clone(), request.headers().clone()));
            match link.exchange(request).await {
                Ok(answer) => return Ok((link, answer)),
                Err(Unanswered { unsent: Some(unsent), .. }) => request = unsent,
                Err(Unanswered { error, .. }) => {
                    let Some((method, uri, headers)) = again else { return Err(blame(error, upload)) };
                    request = Request::new(RequestBody::empty());
                    *request.method_mut() = method;
                    *request.uri_mut() = uri;
                    *request.headers_mut() = headers;
                }
            }
        }
        let mut link = Box::new(Link::open(&target.endpoint, self.deadlines.connect).await?);
        match link.exchange(request).await {
            Ok(answer) => Ok((link, answer)),
            Err(Unanswered { error, .. }) => Err(blame(error, upload)),
        }
    }

    /// Returns when nothing of the request's body has moved for as long as an answer may take.
    async fn overdue(&self, upload: &Upload) {
        loop {
            tokio::time::sleep(self.deadlines.answer).await;
            if !upload.take_moved() {
                return;
            }
        }
    }
}

/// Which side broke off.
fn blame(error: hyper::Error, upload: &Upload) -> ProxyError {
    if upload.has_failed() { ProxyError::Client(error) } else { ProxyError::Broken(error) }
}
