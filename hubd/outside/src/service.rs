//! The socket: who asks, may they, one request and one reply for each connection, within a time.

use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hub_core::accounts::lookup;
use hub_core::config::{Config, LoginName, Provider};
use hub_core::outside::{Reply, Request, Trouble, TroubleKind};
use hub_core::wire::{self, Intake, Received};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::check::check;
use crate::discovery::Known;
use crate::exchange::Hub;
use crate::secrets;
use crate::web::Web;

/// The account that `hubd serve` runs as.
const HUB_ACCOUNT: &str = "hubd";
/// How long a peer may take to say what it wants, and to take the answer.
const PEER_DEADLINE: Duration = Duration::from_secs(5);
/// How long an answer may take: a page waits for it.
const DEADLINE: Duration = Duration::from_secs(9);
/// The same when somebody at a terminal waits.
const CHECK_DEADLINE: Duration = Duration::from_secs(40);
/// Answers at a time. One more is told so.
const MOST: usize = 64;
/// When nobody has asked for so long, there is no process with a network any more.
const IDLE: Duration = Duration::from_secs(300);
/// After an error of the listening socket itself.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

struct Service {
    credentials: PathBuf,
    config: Config,
    web: Web,
    known: Known,
    hub_uid: u32,
    places: Arc<Semaphore>,
}

/// Answers on the socket that systemd passed, until systemd says to stop or nobody asks any more. `credentials`: where systemd
/// put the configuration and the secrets.
///
/// # Errors
/// When there is no socket, no configuration, or no account `hubd`.
pub fn run(credentials: &Path) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build().context("starting the threads")?;
    runtime.block_on(serve(credentials))
}

async fn serve(credentials: &Path) -> Result<()> {
    let listener = inherited_listener()?;
    let Some(hub) = lookup::account_by_name(HUB_ACCOUNT)? else { bail!("unix account `{HUB_ACCOUNT}` is missing") };
    let service = Arc::new(Service {
        credentials: credentials.to_owned(),
        config: secrets::config(credentials)?,
        web: Web::new()?,
        known: Known::default(),
        hub_uid: hub.uid,
        places: Arc::new(Semaphore::new(MOST)),
    });
    let mut end = signal(SignalKind::terminate()).context("waiting for signals")?;
    loop {
        let accepted = tokio::select! {
            accepted = timeout(IDLE, listener.accept()) => accepted,
            _ = end.recv() => return Ok(()),
        };
        match accepted {
            Err(_) if service.places.available_permits() == MOST => return Ok(()),
            Err(_) => {}
            Ok(Ok((stream, _))) => {
                let service = Arc::clone(&service);
                tokio::spawn(async move { service.converse(stream).await });
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "can't accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn inherited_listener() -> Result<UnixListener> {
    let mut passed = listenfd::ListenFd::from_env();
    let listener: Option<StdListener> = if passed.len() == 0 { None } else { passed.take_unix_listener(0)? };
    let Some(listener) = listener else {
        bail!("systemd passed no socket\nhint: systemctl start hubd-outside.socket");
    };
    listener.set_nonblocking(true).context("taking over the socket")?;
    UnixListener::from_std(listener).context("taking over the socket")
}

impl Service {
    async fn converse(&self, mut stream: UnixStream) {
        let Ok(peer) = stream.peer_cred() else { return };
        if peer.uid() != 0 && peer.uid() != self.hub_uid {
            tracing::warn!(peer_uid = peer.uid(), "hung up on a peer that may ask nothing");
            return;
        }
        let reply = match self.places.try_acquire() {
            Err(_) => refused(TroubleKind::Busy, format!("{MOST} questions are asked at this moment")),
            Ok(_place) => match timeout(PEER_DEADLINE, Intake::default().receive_strictly::<Request>(&mut stream)).await {
                Ok(Ok(Some(Received { message, .. }))) => self.answer(message, peer.uid() == 0).await,
                Ok(Err(error)) => refused(TroubleKind::NotAllowed, format!("this is no request: {error}")),
                Ok(Ok(None)) | Err(_) => return,
            },
        };
        // Who does not wait for the answer has lost it.
        drop(timeout(PEER_DEADLINE, wire::send_async(&mut stream, &reply)).await);
    }

    async fn answer(&self, request: Request, is_root: bool) -> Reply {
        let (login, deadline) = match &request {
            Request::Begin { login, .. } | Request::Finish { login, .. } => (login.clone(), DEADLINE),
            Request::Check { login } if is_root => (login.clone(), CHECK_DEADLINE),
            Request::Check { .. } => return refused(TroubleKind::NotAllowed, "only root may check a login".to_owned()),
        };
        let result = match timeout(deadline, self.act(request)).await {
            Ok(result) => result,
            Err(_) => Err(Trouble::new(TroubleKind::Away, format!("it took more than {} s", deadline.as_secs()))),
        };
        result.unwrap_or_else(|trouble| {
            tracing::warn!(%login, "login {login}: {trouble}");
            Reply::Refused(trouble)
        })
    }

    async fn act(&self, request: Request) -> Result<Reply, Trouble> {
        match request {
            Request::Begin { login, state, nonce, challenge } => {
                let (provider, callback) = self.provider(&login)?;
                let hub = Hub { provider, secret: None, callback: &callback };
                let metadata = self.known.metadata(&self.web, provider).await?;
                Ok(Reply::Begun { address: hub.address(&metadata, &state, &nonce, &challenge).into() })
            }
            Request::Finish { login, code, verifier, nonce } => {
                let (provider, callback) = self.provider(&login)?;
                let secret = secrets::secret(&self.credentials, provider)?;
                let hub = Hub { provider, secret: secret.as_deref(), callback: &callback };
                hub.person(&self.web, &self.known, &code, &verifier, &nonce).await.map(Reply::Person)
            }
            Request::Check { login } => {
                let (provider, callback) = self.provider(&login)?;
                let secret = secrets::secret(&self.credentials, provider);
                let hub = Hub { provider, secret: secret.as_ref().ok().and_then(Option::as_deref), callback: &callback };
                Ok(Reply::Checked(check(&self.web, &hub, secret.as_ref().err()).await))
            }
        }
    }

    /// The login of that name, and where its provider sends people back.
    fn provider(&self, login: &LoginName) -> Result<(&Provider, String), Trouble> {
        let missing = || Trouble::new(TroubleKind::NotAllowed, format!("there is no login `{login}` in the configuration"));
        let provider = self.config.login.providers.get(login).ok_or_else(missing)?;
        Ok((provider, self.config.login_callback(login).ok_or_else(missing)?))
    }
}

fn refused(kind: TroubleKind, message: String) -> Reply {
    Reply::Refused(Trouble::new(kind, message))
}
