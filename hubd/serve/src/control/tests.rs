//! The hub's end with real people in a database, a launcher that is a socket, and servers that are watch channels.

mod configuration;
mod matrix;
mod reload;
mod roster;
mod tokens;
mod verbs;

use std::collections::BTreeMap;
use std::sync::Mutex;

use hub_core::accounts::Username;
use hub_core::control::ServerPhase;
use hub_core::control::change::Ended;
use hub_core::launcher::protocol;
use tokio::sync::watch;

use super::*;
use crate::auth::Maker;
use crate::live::Live;
use crate::servers::{Failure, MemoryKills, View};
use crate::usage::Usage;

/// ada and cyd are administrators, cyd is blocked, dora is one who is not enrolled; tess is a teacher, hugo a helper, and so
/// is olga, whom the configuration blocks; bob is a student; eve is nobody. The account `nobody`, which every machine has, is an
/// operator.
const CONFIG: &str = r#"[hub]
url = "https://hub.example.org"
[roles]
admins = ["ada", "cyd", "dora"]
teachers = ["tess", "theo"]
helpers = ["hugo", "olga"]
blocked = ["olga"]
host_operators = ["nobody", "no-such-account-here"]
"#;
const ADA: u32 = 2001;
const BOB: u32 = 2002;
const CYD: u32 = 2003;
const DORA: u32 = 2004;
const TESS: u32 = 2005;
const HUGO: u32 = 2006;
const OLGA: u32 = 2007;
const EVE: u32 = 1000;
const OPERATOR: u32 = 65534;

struct Hub {
    context: ControlContext,
    servers: Arc<FakeServers>,
    _root: tempfile::TempDir,
}

impl Hub {
    async fn new() -> Self {
        Self::with(CONFIG).await
    }

    async fn with(config: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        std::fs::create_dir_all(paths.state()).unwrap();
        std::fs::create_dir_all(paths.launcher_socket().parent().unwrap()).unwrap();
        let config = Live::new(hub_core::config::parse(config, "config.toml").unwrap());
        let people = People::open(&paths.database(), (&*config.get()).into()).await.unwrap();
        for known in ["ada", "bob", "cyd"] {
            people.add(&name(known), None, &Maker::Host).await.unwrap();
        }
        people.set_blocked(&name("cyd"), true).await.unwrap();
        launcher(&paths);
        let servers = Arc::new(FakeServers::default());
        let context = ControlContext {
            initial: config.get(),
            config,
            reloading: Arc::default(),
            listen_problem: None,
            people,
            usage: Usage::new(&paths, Arc::<FakeServers>::clone(&servers), Client::new(paths.launcher_socket())),
            servers: Arc::<FakeServers>::clone(&servers),
            apps: Apps::default(),
            launcher: Client::new(paths.launcher_socket()),
            paths,
            started: Instant::now(),
            tls: None,
            check: "a word".to_owned(),
        };
        Self { context, servers, _root: root }
    }

    /// With the teacher and the helpers.
    async fn staffed() -> Self {
        let hub = Self::new().await;
        for one in ["tess", "hugo", "olga"] {
            hub.context.people.add(&name(one), None, &Maker::Host).await.unwrap();
        }
        hub
    }

    /// What the peer that is `uid` gets for `request`.
    async fn ask(&self, access: Access, uid: u32, request: &Request) -> Reply {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        wire::send_async(&mut far, request).await.unwrap();
        attend(&mut near, access, uid, &self.context, &Intake::default()).await.unwrap()
    }

    async fn root(&self, request: &Request) -> Reply {
        self.ask(Access::Host, 0, request).await
    }
}

fn name(text: &str) -> Username {
    text.parse().unwrap()
}

fn refusal(reply: Reply) -> (RefusalKind, String) {
    match reply {
        Reply::Refused(refusal) => (refusal.kind, refusal.message),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// Answers like a launcher that knows some accounts.
fn launcher(paths: &Paths) {
    let listener = UnixListener::bind(paths.launcher_socket()).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let reply = match wire::receive_async::<protocol::Request>(&mut stream).await.unwrap().unwrap() {
                protocol::Request::Ping => protocol::Reply::Pong {
                    version: "9.9.9".to_owned(),
                    environment: Some(4),
                    accounts_problem: None,
                    homes: None,
                },
                protocol::Request::WhoIs { uid } => {
                    let known = [
                        (ADA, "ada"),
                        (BOB, "bob"),
                        (CYD, "cyd"),
                        (DORA, "dora"),
                        (TESS, "tess"),
                        (HUGO, "hugo"),
                        (OLGA, "olga"),
                    ];
                    let found = known.into_iter().find(|(known, _)| *known == uid);
                    protocol::Reply::Name { name: found.map(|(_, text)| name(text)) }
                }
                protocol::Request::Logs { lines, .. } => {
                    protocol::Reply::Logs { lines: (0..lines.min(3)).map(|number| format!("line {number}")).collect() }
                }
                protocol::Request::Configure { requester, change } => {
                    let output = format!("{requester}: {:?} {} {:?}", change.verb, change.path(), change.values);
                    protocol::Reply::Configured { ended: Ended { code: 6, output, messages: "said".to_owned() } }
                }
                protocol::Request::MoveAside { .. } => {
                    protocol::Reply::Moved { places: vec!["/home/jupyter-bob/.local/share/hubd.aside-1".into()] }
                }
                protocol::Request::Expel { .. } => protocol::Reply::Done,
                other => panic!("the hub's control end does not ask the launcher for {other:?}"),
            };
            wire::send_async(&mut stream, &reply).await.unwrap();
        }
    });
}

/// Servers that do at once what they are told, or fail.
#[derive(Default)]
struct FakeServers {
    fails: Mutex<bool>,
    /// Whether servers take for ever to go down.
    lingers: Mutex<bool>,
    /// Whether the latest start left out what is its owner's.
    plain: Mutex<bool>,
    views: Mutex<BTreeMap<Username, watch::Sender<View>>>,
}

impl FakeServers {
    fn set(&self, name: &Username, phase: ServerPhase) -> watch::Receiver<View> {
        let failure = (phase == ServerPhase::Failed).then(|| Failure {
            summary: "The server would not start.".to_owned(),
            hint: None,
            log: Vec::new(),
            is_inside: true,
        });
        let view = View {
            phase,
            position: None,
            message: String::new(),
            failure,
            endpoint: None,
            unit: format!("hubd-user-{name}.service"),
            memory_bytes: None,
            memory_limit_bytes: None,
            memory_kills: MemoryKills::default(),
            uptime: None,
            without_own: *self.plain.lock().unwrap() && phase != ServerPhase::Stopped,
            environment: None,
            newest: None,
            stops_at: None,
        };
        let mut views = self.views.lock().unwrap();
        let sender = views.entry(name.clone()).or_insert_with(|| watch::channel(view.clone()).0);
        sender.send_replace(view);
        sender.subscribe()
    }

    fn phase(&self, name: &Username) -> ServerPhase {
        self.views.lock().unwrap().get(name).map_or(ServerPhase::Stopped, |sender| sender.borrow().phase)
    }
}

impl Servers for FakeServers {
    fn ensure(&self, name: &Username) -> watch::Receiver<View> {
        if self.phase(name) == ServerPhase::Running { self.watch(name) } else { self.restart(name, false) }
    }

    fn ensure_plain(&self, name: &Username) -> watch::Receiver<View> {
        if self.phase(name) == ServerPhase::Running { self.watch(name) } else { self.restart(name, true) }
    }

    fn restart(&self, name: &Username, is_plain: bool) -> watch::Receiver<View> {
        *self.plain.lock().unwrap() = is_plain;
        let fails = *self.fails.lock().unwrap();
        self.set(name, if fails { ServerPhase::Failed } else { ServerPhase::Running })
    }

    fn stop(&self, name: &Username) -> watch::Receiver<View> {
        let (fails, lingers) = (*self.fails.lock().unwrap(), *self.lingers.lock().unwrap());
        self.set(
            name,
            match (fails, lingers) {
                (true, _) => ServerPhase::Failed,
                (false, true) => ServerPhase::Stopping,
                (false, false) => ServerPhase::Stopped,
            },
        )
    }

    fn watch(&self, name: &Username) -> watch::Receiver<View> {
        self.set(name, self.phase(name))
    }

    fn list(&self) -> Vec<(Username, View)> {
        let views = self.views.lock().unwrap();
        let all = views.iter().map(|(name, sender)| (name.clone(), sender.borrow().clone()));
        all.filter(|(_, view)| view.phase != ServerPhase::Stopped).collect()
    }

    fn touch(&self, _name: &Username) {}

    fn suspect(&self, _name: &Username) {}
}
