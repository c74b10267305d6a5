//! `hubd serve`: puts the parts together, tells systemd that it is ready, and takes leave in good order. People's servers
//! are not touched by any of this.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hub_core::config::{Config, Https, HttpsMethod};
use hub_core::control::ServerPhase;
use hub_core::generation;
use hub_core::launcher::client::Client;
use hub_core::paths::Paths;
use hub_daemon::NotifyState;
use hub_daemon::health::{keep_alive, tell};
use nix::sys::resource::{Resource, getrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;

use super::sockets::Sockets;
use crate::apps::Apps;
use crate::auth::{People, Policy, Token};
use crate::control::{self, Access, ControlContext};
use crate::front::{Front, HubPages, KnowsKey};
use crate::listen::{self, Service, Socket, Source, Tls};
use crate::live::Live;
use crate::proxy::{Deadlines, Proxy};
use crate::servers::Servers;
use crate::servers::registry::{Registry, Settings};
use crate::usage::Usage;
use crate::web::{self, Hub, Open};

/// How long a start waits for the launcher's list of running servers. Without it the hub opens all the same.
const LIST_PATIENCE: Duration = Duration::from_secs(5);
/// How long a hub runs that no browser can reach.
const NOWHERE_PATIENCE: Duration = Duration::from_secs(60);
/// How long taking leave may take in all; open requests get less, see [`listen::Settings::farewell`].
const FAREWELL: Duration = Duration::from_secs(8);

/// Serves until systemd says to stop.
///
/// # Errors
/// When something that the hub can't do without is missing, or a socket fails for good.
pub(super) async fn run(paths: &Paths, config: Config, sockets: Sockets) -> Result<()> {
    let started = Instant::now();
    let config = Live::new(config);
    tell(&[NotifyState::Status("Opening the database")]);
    let people = People::open(&paths.database(), Policy::from(&*config.get())).await.context("opening the database of people")?;
    let tls = config.get().https.as_ref().map(|https| Tls::open(encryption(https, paths)));
    let mut browsers = browser_sockets(sockets.http, sockets.https, tls.as_ref(), &config.get())?;
    browsers.extend(sockets.front.map(|listener| Socket { listener: listener.into(), service: Service::ReverseProxy }));

    tell(&[NotifyState::Status("Asking which servers run")]);
    let launcher = Client::new(paths.launcher_socket());
    let (registry, departed) = Registry::new(launcher.clone(), Settings::new(&config.get(), paths));
    match registry.rebuild(LIST_PATIENCE).await {
        Ok(running) => tracing::info!(running, "{running} servers are running"),
        Err(error) => tracing::error!("opening without knowing which servers run: {error:#}"),
    }
    let servers: Arc<dyn Servers> = Arc::new(registry.clone());
    let apps = Apps::default();
    follow(&config, &people, (&registry, &apps, &launcher), tls.as_ref(), paths);
    let users = Arc::clone(&servers);
    let proxy = Proxy::new(Deadlines::default(), apps.places(), move |name| users.touch(name));
    tokio::spawn(proxy.clone().see_off(departed));
    tokio::spawn(people.clone().upkeep());
    let usage = Usage::new(paths, Arc::clone(&servers), launcher.clone());
    tokio::spawn(usage.clone().follow());
    if let Some(tls) = tls.clone() {
        tokio::spawn(tls.watch());
    }

    let check = Token::random().context("making up a word")?.as_str().to_owned();
    let context = ControlContext {
        initial: config.get(),
        config: config.clone(),
        reloading: Arc::default(),
        listen_problem: sockets.problem,
        paths: paths.clone(),
        people: people.clone(),
        servers: Arc::clone(&servers),
        apps: apps.clone(),
        usage: usage.clone(),
        launcher: launcher.clone(),
        started,
        tls,
        check: check.clone(),
    };
    let hubctl = [(sockets.control, Access::Host), (sockets.admin, Access::Admin), (sockets.operator, Access::Operator)];
    for (listener, access) in hubctl {
        match listener {
            Some(listener) => drop(tokio::spawn(answer_hubctl(listener, access, context.clone()))),
            None => tracing::warn!("systemd passed no {access:?} socket: hubctl can't be answered there"),
        }
    }

    let open = Open { config: config.clone(), paths: paths.clone(), check };
    let hub = Hub {
        config: config.clone(),
        people: people.clone(),
        servers: Arc::clone(&servers),
        apps: apps.clone(),
        control: context,
        started,
    };
    let front = Front::new(
        Arc::new(people.clone()),
        Arc::new(HubPages { config: config.clone() }),
        Arc::clone(&servers),
        proxy,
        web::router(Arc::new(hub)).merge(web::open_router(open)).merge(web::shared_router(paths.clone())),
    )
    .below(config.get().hub.base())
    .with_keys(knows_key(paths))
    .with_apps(apps.clone());

    let (stop, stopping) = watch::channel(false);
    let descriptors = getrlimit(Resource::RLIMIT_NOFILE).context("asking how many files may be open")?.0;
    let settings = listen::Settings::for_descriptors(descriptors);
    let mut serving = if browsers.is_empty() {
        // hubctl is told why. systemd opens no socket whose service runs, so it gets its chance now and then.
        let mut stopping = stopping;
        tokio::spawn(async move {
            // Whichever it is, it is over.
            drop(timeout(NOWHERE_PATIENCE, stopping.changed()).await);
            Ok(())
        })
    } else {
        tokio::spawn(listen::serve(browsers, Arc::new(front), settings, stopping))
    };
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
    apps.close();
    match timeout(FAREWELL, serving).await {
        Ok(result) => result.context("listening for browsers")?.context("listening for browsers")?,
        Err(_) => tracing::warn!("requests under way did not end within {} s", FAREWELL.as_secs()),
    }
    usage.save();
    people.save().await.context("storing which sessions were used")?;
    tracing::info!("the hub is closed; people's servers keep running");
    Ok(())
}

/// Lets the parts that keep something made of the configuration follow its changes. The rest looks at it each time.
fn follow(
    config: &Live<Config>,
    people: &People,
    (registry, apps, launcher): (&Registry, &Apps, &Client),
    tls: Option<&Tls>,
    paths: &Paths,
) {
    let (people, registry, tls, paths) = (people.clone(), registry.clone(), tls.cloned(), paths.clone());
    let (apps, launcher) = (apps.clone(), launcher.clone());
    config.follow(move |config| {
        people.set_policy(config.into());
        registry.set_settings(Settings::new(config, &paths));
        apps.set(config, &launcher, &paths);
        if let (Some(https), Some(tls)) = (&config.https, &tls) {
            tls.point_at(encryption(https, &paths));
        }
    });
}

/// Which servers give their pages the key of the session: not those that an earlier version of the hub started, whose
/// pages go on as they were. An environment never changes, so it is looked at once.
fn knows_key(paths: &Paths) -> Box<KnowsKey> {
    let (paths, known) = (paths.clone(), Mutex::new(BTreeMap::new()));
    Box::new(move |environment| {
        let Some(number) = environment else { return true };
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(number).or_insert_with(|| generation::pages_know_key(&paths, number))
    })
}

/// What encrypts, wherever the certificate comes from.
fn encryption(https: &Https, paths: &Paths) -> Source {
    let keeper = Some(paths.certificates());
    let one_file = |path: PathBuf, answers| Source { key: path.clone(), certificate: path, keeper, answers, hsts: https.hsts };
    match &https.method {
        HttpsMethod::Files { certificate, key } => {
            Source { certificate: certificate.clone(), key: key.clone(), keeper: None, answers: None, hsts: https.hsts }
        }
        HttpsMethod::Acme { .. } => one_file(paths.acme_certificate(), Some(paths.tls_answers())),
        HttpsMethod::Lan { .. } => one_file(paths.lan_certificate(), None),
    }
}

/// What to serve at which socket. With https, the sockets of `[http]` send everybody to the encrypted one, if only that has
/// a certificate: what comes in clear while it has none is told so.
fn browser_sockets(http: Vec<TcpListener>, https: Vec<TcpListener>, tls: Option<&Tls>, config: &Config) -> Result<Vec<Socket>> {
    let Some(tls) = tls else {
        return Ok(http.into_iter().map(|listener| Socket { listener: listener.into(), service: Service::Plain }).collect());
    };
    // Where that is missing, it is a finding; nothing is ever asked for in clear instead.
    let port = match (https.first(), config.https.as_ref().and_then(|https| https.listen.first())) {
        (Some(encrypted), _) => encrypted.local_addr().context("asking a socket for its port")?.port(),
        (None, Some(address)) => address.port(),
        (None, None) => bail!("the configuration has https, but no address for it"),
    };
    let plain = Service::Redirect { port, base: config.hub.base().into(), tls: tls.clone() };
    let mut sockets: Vec<Socket> =
        http.into_iter().map(|listener| Socket { listener: listener.into(), service: plain.clone() }).collect();
    sockets.extend(https.into_iter().map(|listener| Socket { listener: listener.into(), service: Service::Tls(tls.clone()) }));
    Ok(sockets)
}

/// Answers `hubctl` until the hub ends.
async fn answer_hubctl(listener: UnixListener, access: Access, context: ControlContext) {
    if let Err(error) = control::serve(listener, access, context).await {
        tracing::error!("hubctl gets no more answers on the {access:?} socket: {error:#}");
    }
}

/// Proves that database and registry answer, and says in one line how the hub is.
async fn status(people: &People, servers: &dyn Servers) -> Result<String> {
    people.probe().await.context("asking the database")?;
    let count = |wanted: &[ServerPhase]| servers.list().iter().filter(|(_, view)| wanted.contains(&view.phase)).count();
    let (running, coming) = (count(&[ServerPhase::Running]), count(&[ServerPhase::Queued, ServerPhase::Starting]));
    Ok(format!("{} people logged in, {running} servers running, {coming} starting", people.session_count()))
}
