//! `hubd serve`: puts the parts together, tells systemd that it is ready, and takes leave in good order. People's servers
//! are not touched by any of this.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hub_core::accounts::Username;
use hub_core::config::Config;
use hub_core::control::ServerPhase;
use hub_core::paths::Paths;
use nix::sys::resource::{Resource, getrlimit};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::health::{keep_alive, tell};
use super::sockets::Sockets;
use crate::auth::People;
use crate::control::{self, Access, ControlContext};
use crate::front::{Front, HubPages};
use crate::launcher::client::Client;
use crate::listen::{self, Service, Socket, Tls};
use crate::proxy::{Deadlines, Proxy};
use crate::servers::Servers;
use crate::servers::registry::{Registry, Settings};
use crate::web::{self, Hub};

/// How long a start waits for the launcher's list of running servers. Without it the hub opens all the same.
const LIST_PATIENCE: Duration = Duration::from_secs(5);
/// How long taking leave may take in all; open requests get less, see [`listen::Settings::farewell`].
const FAREWELL: Duration = Duration::from_secs(8);

/// Serves until systemd says to stop.
///
/// # Errors
/// When something that the hub can't do without is missing, or a socket fails for good.
pub(super) async fn run(paths: &Paths, config: Config, sockets: Sockets) -> Result<()> {
    let started = Instant::now();
    let config = Arc::new(config);
    tell(&[NotifyState::Status("Opening the database")]);
    let people = People::open(&paths.database(), config.sessions.lifetime).await.context("opening the database of people")?;
    let browsers = browser_sockets(sockets.http, sockets.https, &config)?;

    tell(&[NotifyState::Status("Asking which servers run")]);
    let launcher = Client::new(paths.launcher_socket());
    let (registry, departed) = Registry::new(launcher.clone(), Settings::new(&config, paths));
    match registry.rebuild(LIST_PATIENCE).await {
        Ok(running) => tracing::info!(running, "{running} servers are running"),
        Err(error) => tracing::error!("opening without knowing which servers run: {error:#}"),
    }
    let servers: Arc<dyn Servers> = Arc::new(registry.clone());
    let users = Arc::clone(&servers);
    let proxy = Proxy::new(Deadlines::default(), move |name| users.touch(name));
    tokio::spawn(see_off(departed, proxy.clone()));
    tokio::spawn(people.clone().upkeep());

    let context = ControlContext {
        config: Arc::clone(&config),
        paths: paths.clone(),
        people: people.clone(),
        servers: Arc::clone(&servers),
        launcher: launcher.clone(),
        started,
    };
    for (listener, access) in [(sockets.control, Access::Host), (sockets.admin, Access::Admin)] {
        match listener {
            Some(listener) => drop(tokio::spawn(answer_hubctl(listener, access, context.clone()))),
            None => tracing::warn!("systemd passed no {access:?} socket: hubctl can't be answered there"),
        }
    }

    let hub = Hub { config: Arc::clone(&config), people: people.clone(), servers: Arc::clone(&servers), started };
    let front = Front::new(
        Arc::new(people.clone()),
        Arc::new(HubPages { name: config.hub.name.clone() }),
        Arc::clone(&servers),
        proxy,
        web::router(Arc::new(hub)),
    );

    let (stop, stopping) = watch::channel(false);
    let descriptors = getrlimit(Resource::RLIMIT_NOFILE).context("asking how many files may be open")?.0;
    let settings = listen::Settings::for_descriptors(descriptors);
    let mut serving = tokio::spawn(listen::serve(browsers, Arc::new(front), settings, stopping));
    tell(&[NotifyState::Ready]);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "the hub is open after {} ms", started.elapsed().as_millis());

    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = keep_alive(async || status(&people, &*servers).await) => {}
        result = &mut serving => {
            result.context("listening for browsers")?.context("listening for browsers")?;
            bail!("nobody listens for browsers any more");
        }
    }

    tell(&[NotifyState::Stopping, NotifyState::Status("Finishing what is under way")]);
    stop.send_replace(true);
    // Pages that follow a server's progress hold an answer open; they ask again when the next hub is there.
    registry.close();
    match timeout(FAREWELL, serving).await {
        Ok(result) => result.context("listening for browsers")?.context("listening for browsers")?,
        Err(_) => tracing::warn!("requests under way did not end within {} s", FAREWELL.as_secs()),
    }
    people.save().await.context("storing which sessions were used")?;
    tracing::info!("the hub is closed; people's servers keep running");
    Ok(())
}

/// What to serve at which socket. With a certificate, the sockets of `[http]` send everybody to the encrypted one.
fn browser_sockets(http: Vec<TcpListener>, https: Vec<TcpListener>, config: &Config) -> Result<Vec<Socket>> {
    let tls = match &config.https {
        Some(files) => Some(Tls::load(&files.certificate, &files.key).context("reading the certificate for https")?),
        None => None,
    };
    let encrypted_port = https.first().map(TcpListener::local_addr).transpose().context("asking a socket for its port")?;
    let plain = encrypted_port.map_or(Service::Plain, |address| Service::Redirect { port: address.port() });
    let mut sockets: Vec<Socket> = http.into_iter().map(|listener| Socket { listener, service: plain.clone() }).collect();
    if let Some(tls) = tls {
        if https.is_empty() {
            bail!(
                "the configuration has a certificate, but systemd passed no socket for https\nhint: give hubd.socket a \
                 `ListenStream=` for each address of [https], then restart hubd.socket and hubd.service"
            );
        }
        sockets.extend(https.into_iter().map(|listener| Socket { listener, service: Service::Tls(tls.clone()) }));
    }
    Ok(sockets)
}

/// Answers `hubctl` until the hub ends.
async fn answer_hubctl(listener: UnixListener, access: Access, context: ControlContext) {
    if let Err(error) = control::serve(listener, access, context).await {
        tracing::error!("hubctl gets no more answers on the {access:?} socket: {error:#}");
    }
}

/// Ends connections to servers that are gone.
async fn see_off(mut departed: mpsc::UnboundedReceiver<Username>, proxy: Proxy) {
    while let Some(name) = departed.recv().await {
        proxy.forget(&name);
    }
}

/// Proves that database and registry answer, and says in one line how the hub is.
async fn status(people: &People, servers: &dyn Servers) -> Result<String> {
    people.probe().await.context("asking the database")?;
    let count = |wanted: &[ServerPhase]| servers.list().iter().filter(|(_, view)| wanted.contains(&view.phase)).count();
    let (running, coming) = (count(&[ServerPhase::Running]), count(&[ServerPhase::Queued, ServerPhase::Starting]));
    Ok(format!("{} people logged in, {running} servers running, {coming} starting", people.session_count()))
}
