//! A hub with a front, a proxy and listeners, and without pages, logins or systemd.

pub mod backend;
pub mod client;

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use http::{HeaderMap, Response, header};
use hub_core::accounts::Username;
use hub_core::control::ServerPhase;
use hub_core::launcher::protocol::Endpoint;
use hubd::auth::{Clock, Consents};
use hubd::front::{Front, Gate, Pages, Visitor};
use hubd::listen::{self, Client, Limits, Service, Settings, Socket};
use hubd::proxy::{self, Places, Proxy};
use hubd::servers::{MemoryKills, Servers, View};
use hubd::web::Problem;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Far more than anything here takes; only a test that would hang gets there.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running hub. Users log in by the cookie `hubd-session=<name>`.
pub struct World {
    pub address: SocketAddr,
    pub proxy: Proxy,
    pub people: Arc<People>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<std::io::Result<()>>,
    directory: TempDir,
}

/// Who is logged in, and whose server is where.
pub struct People {
    sessions: Mutex<HashMap<String, watch::Sender<bool>>>,
    servers: Mutex<HashMap<Username, View>>,
    pub touched: Mutex<Vec<Username>>,
    pub suspected: Mutex<Vec<Username>>,
    pub consents: Consents,
}

impl Default for People {
    fn default() -> Self {
        Self {
            sessions: Mutex::default(),
            servers: Mutex::default(),
            touched: Mutex::default(),
            suspected: Mutex::default(),
            consents: Consents::new(Clock::system()),
        }
    }
}

/// How a world differs from the real hub.
pub struct Differences {
    pub settings: Settings,
    pub proxy: proxy::Deadlines,
    pub service: Service,
    /// Whether pages of the servers know the key of their session.
    pub knows_key: bool,
}

impl Default for Differences {
    fn default() -> Self {
        let settings = Settings {
            limits: Limits { connections: 4096, per_source: 4096 },
            deadlines: listen::Deadlines::default(),
            farewell: Duration::from_secs(3),
        };
        Self { settings, proxy: proxy::Deadlines::default(), service: Service::Plain, knows_key: false }
    }
}

impl World {
    pub async fn start() -> Self {
        Self::with(Differences::default()).await
    }

    pub async fn with(Differences { settings, proxy, service, knows_key }: Differences) -> Self {
        let people = Arc::<People>::default();
        let touched = Arc::clone(&people);
        let proxy = Proxy::new(proxy, Places::default(), move |user| touched.touch(user));
        let router = Router::new().fallback(async |request: Request| {
            let client = request.extensions().get::<Client>().copied();
            format!("hub {} {client:?}", request.uri())
        });
        let front = Front::new(people.clone(), people.clone(), people.clone(), proxy.clone(), router)
            .with_keys(Box::new(move |_| knows_key));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let sockets = vec![Socket { listener: listener.into(), service }];
        let serving = tokio::spawn(listen::serve(sockets, Arc::new(front), settings, stopped));
        Self { address, proxy, people, stop, serving, directory: tempfile::tempdir().unwrap() }
    }

    /// Where `name`'s server is to listen.
    pub fn socket(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.sock"))
    }

    /// Enrols `name`, logged in, with a running server behind [`World::socket`].
    pub fn enrol(&self, name: &str) -> PathBuf {
        self.people.log_in(name);
        let socket = self.socket(name);
        self.people.set(name, ServerPhase::Running, Some(Endpoint { socket: socket.clone(), uid: own_uid() }));
        socket
    }

    /// Asks the listeners to stop, and waits until they have.
    pub async fn stop(self) {
        self.stop.send(true).unwrap();
        tokio::time::timeout(PATIENCE, self.serving).await.expect("the listeners do not stop").unwrap().unwrap();
    }
}

impl People {
    pub fn log_in(&self, name: &str) {
        self.sessions.lock().unwrap().insert(name.to_owned(), watch::Sender::new(false));
    }

    pub fn log_out(&self, name: &str) {
        let session = self.sessions.lock().unwrap().remove(name).unwrap();
        session.send_replace(true);
    }

    pub fn set(&self, name: &str, phase: ServerPhase, endpoint: Option<Endpoint>) {
        let view = View {
            phase,
            position: None,
            message: String::new(),
            failure: None,
            endpoint,
            unit: String::new(),
            memory_bytes: None,
            memory_limit_bytes: None,
            memory_kills: MemoryKills::default(),
            uptime: None,
            without_own: false,
            environment: None,
            newest: None,
            stops_at: None,
        };
        self.servers.lock().unwrap().insert(name.parse().unwrap(), view);
    }
}

impl Gate for People {
    fn session(&self, headers: &HeaderMap, _: Client) -> Option<Visitor> {
        let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
        let name = cookies.split("; ").find_map(|pair| pair.strip_prefix("hubd-session="))?;
        let sessions = self.sessions.lock().unwrap();
        Some(Visitor {
            user: name.parse().ok()?,
            ended: sessions.get(name)?.subscribe(),
            key: format!("key-of-{name}"),
            form_token: format!("token-of-{name}"),
        })
    }

    fn consents(&self) -> &Consents {
        &self.consents
    }
}

impl Pages for People {
    fn answer(&self, problem: &Problem, _: Option<&Visitor>, wants_page: bool) -> Response<Body> {
        let kind = if wants_page { "page" } else { "json" };
        Response::new(Body::from(format!("{kind}: {problem:?}")))
    }

    fn news(&self, _: &View) -> u64 {
        7
    }
}

impl Servers for People {
    fn ensure(&self, _: &Username) -> watch::Receiver<View> {
        panic!("the front starts nothing")
    }

    fn restart(&self, _: &Username, _: bool) -> watch::Receiver<View> {
        panic!("the front restarts nothing")
    }

    fn stop(&self, _: &Username) -> watch::Receiver<View> {
        panic!("the front stops nothing")
    }

    fn watch(&self, name: &Username) -> watch::Receiver<View> {
        watch::channel(self.servers.lock().unwrap().get(name).cloned().expect("a server that was enrolled")).1
    }

    fn list(&self) -> Vec<(Username, View)> {
        Vec::new()
    }

    fn touch(&self, name: &Username) {
        self.touched.lock().unwrap().push(name.clone());
    }

    fn suspect(&self, name: &Username) {
        self.suspected.lock().unwrap().push(name.clone());
    }
}

pub fn own_uid() -> u32 {
    nix::unistd::getuid().as_raw()
}

/// Waits for `future`, which must not take long.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited {PATIENCE:?} for {what}"))
}

/// Waits until `condition` holds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    soon(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// How many connections of this world's hub are open, on both of its sides. Other tests run in the same process, so
/// this counts by address and not by file descriptor.
pub fn descriptors(world: &World) -> usize {
    let port = format!(":{:04X} ", world.address.port());
    let tcp = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let established = "01";
    let tcp = tcp.lines().filter(|line| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1).unwrap_or_default();
        let state = fields.nth(1).unwrap_or_default();
        format!("{local} ").ends_with(&port) && (state == established || state == "08")
    });
    let unix = std::fs::read_to_string("/proc/net/unix").unwrap();
    let directory = world.directory.path().to_str().unwrap().to_owned();
    // The served end of a connection carries the path, the connecting end has none.
    tcp.count() + unix.lines().filter(|line| line.contains(&directory)).count()
}
