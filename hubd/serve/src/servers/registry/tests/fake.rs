//! A launcher for tests: the real protocol on a real socket; "systemd" is a map and a "server" a few lines of HTTP.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hub_core::accounts::Username;
use hub_core::wire;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

use hub_core::launcher::client::Client;
use hub_core::launcher::protocol::{Active, Endpoint, Refusal, RefusalKind, Reply, Request, UnitState};

/// What becomes of somebody's server.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Fate {
    Works,
    Busy,
    Crashes,
    NeverAnswers,
    NeverStops,
    Refused,
    Impostor,
}

pub(super) struct Fake {
    directory: tempfile::TempDir,
    socket: PathBuf,
    inner: Arc<Inner>,
}

struct Inner {
    servers: PathBuf,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    fates: BTreeMap<Username, Fate>,
    units: BTreeMap<Username, (UnitState, Option<JoinHandle<()>>)>,
    asked: BTreeMap<String, usize>,
    questions: BTreeMap<Username, usize>,
    hang_up: Option<String>,
    gate: Option<Arc<Semaphore>>,
    /// Started and not yet asked successfully.
    unanswered: std::collections::BTreeSet<Username>,
    most_at_once: usize,
}

impl Fake {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("launcher.sock");
        Self::serve(directory, socket)
    }

    pub(super) fn listening_on(socket: &Path) -> Self {
        Self::serve(tempfile::tempdir().unwrap(), socket.to_owned())
    }

    fn serve(directory: tempfile::TempDir, socket: PathBuf) -> Self {
        let listener = UnixListener::bind(&socket).unwrap();
        let inner = Arc::new(Inner { servers: directory.path().to_owned(), state: Mutex::default(), changed: Notify::new() });
        let shared = Arc::clone(&inner);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(Arc::clone(&shared).answer(stream));
            }
        });
        Self { directory, socket, inner }
    }

    pub(super) fn client(&self) -> Client {
        Client::new(self.socket.clone())
    }

    pub(super) fn socket(&self, name: &Username) -> PathBuf {
        self.directory.path().join(name.as_str())
    }

    pub(super) fn fate(&self, name: &str, fate: Fate) {
        self.inner.lock().fates.insert(name.parse().unwrap(), fate);
    }

    /// How often this was asked.
    pub(super) fn asked(&self, verb: &str) -> usize {
        self.inner.lock().asked.get(verb).copied().unwrap_or(0)
    }

    pub(super) async fn until_asked(&self, verb: &str, times: usize) {
        self.inner.until(|state| state.asked.get(verb).copied().unwrap_or(0) >= times).await;
    }

    /// How often somebody's server was asked something.
    pub(super) fn questions(&self, name: &str) -> usize {
        self.inner.lock().questions.get(&name.parse().unwrap()).copied().unwrap_or(0)
    }

    pub(super) async fn until_questions(&self, name: &str, times: usize) {
        let name: Username = name.parse().unwrap();
        self.inner.until(|state| state.questions.get(&name).copied().unwrap_or(0) >= times).await;
    }

    pub(super) fn most_at_once(&self) -> usize {
        self.inner.lock().most_at_once
    }

    /// So many programs of `name`'s server were ended for want of memory.
    pub(super) fn memory_kills(&self, name: &str, count: u64) {
        self.inner.lock().units.get_mut(&name.parse().unwrap()).unwrap().0.memory_kills = count;
    }

    pub(super) fn is_up(&self, name: &str) -> bool {
        self.inner.lock().units.get(&name.parse().unwrap()).is_some_and(|(unit, _)| unit.active == Active::Active)
    }

    /// Starts take a permit each from now on.
    pub(super) fn hold_starts(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.inner.lock().gate = Some(Arc::clone(&gate));
        gate
    }

    pub(super) fn hang_up_on_next(&self, verb: &str) {
        self.inner.lock().hang_up = Some(verb.to_owned());
    }

    /// Ends somebody's server with this result.
    pub(super) fn kill(&self, name: &str, result: &str) {
        self.inner.lock().end(&name.parse().unwrap(), result);
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn until(&self, condition: impl Fn(&State) -> bool) {
        loop {
            let changed = self.changed.notified();
            if condition(&self.lock()) {
                return;
            }
            // The timeout is for a notification that came between the look and the wait.
            tokio::time::timeout(Duration::from_millis(20), changed).await.ok();
        }
    }

    async fn answer(self: Arc<Self>, mut stream: UnixStream) {
        let Ok(Some(request)) = wire::receive_async::<Request>(&mut stream).await else { return };
        let verb = request.verb().to_owned();
        let gate = {
            let mut state = self.lock();
            *state.asked.entry(verb.clone()).or_default() += 1;
            if state.hang_up.take_if(|hang_up| *hang_up == verb).is_some() {
                return;
            }
            state.gate.clone().filter(|_| verb == "start" || verb == "restart")
        };
        self.changed.notify_waiters();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        let reply = self.reply(request);
        // The caller may have given up; that is its business.
        wire::send_async(&mut stream, &reply).await.ok();
    }

    fn reply(self: &Arc<Self>, request: Request) -> Reply {
        let mut state = self.lock();
        match request {
            Request::Start { name, .. } => self.start(&mut state, &name, false),
            Request::StartPlain { name } => self.start(&mut state, &name, true),
            Request::Restart { name, plain, .. } => {
                state.end(&name, "success");
                self.start(&mut state, &name, plain)
            }
            Request::Stop { name, .. } => {
                if state.fates.get(&name) == Some(&Fate::NeverStops) {
                    return refused(RefusalKind::Unit, "the job timed out");
                }
                state.end(&name, "success");
                Reply::Done
            }
            Request::State { name, .. } => {
                Reply::State(state.units.get(&name).map_or_else(|| down(&name), |(unit, _)| unit.clone()))
            }
            Request::List { .. } => Reply::States { states: state.units.values().map(|(unit, _)| unit.clone()).collect() },
            Request::Logs { .. } => Reply::Logs { lines: vec!["ModuleNotFoundError: No module named 'jupyterlab'".to_owned()] },
            other => panic!("{other:?} was not expected"),
        }
    }

    fn start(self: &Arc<Self>, state: &mut State, name: &Username, without_own: bool) -> Reply {
        let fate = state.fates.get(name).copied().unwrap_or(Fate::Works);
        let uid = nix::unistd::getuid().as_raw() + u32::from(fate == Fate::Impostor);
        let endpoint = Endpoint { socket: self.servers.join(name.as_str()), uid };
        let unit = UnitState {
            active: Active::Active,
            result: "success".to_owned(),
            main_pid: Some(1),
            started: Some(std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs()),
            without_own,
            endpoint: Some(endpoint.clone()),
            ..down(name)
        };
        if fate == Fate::Refused {
            return refused(RefusalKind::NoEnvironment, "the environment is not built yet");
        }
        let program = match fate {
            Fate::Crashes | Fate::NeverAnswers => None,
            _ => {
                state.unanswered.insert(name.clone());
                state.most_at_once = state.most_at_once.max(state.unanswered.len());
                let listener = UnixListener::bind(&endpoint.socket).unwrap();
                Some(tokio::spawn(Arc::clone(self).program(listener, name.clone(), fate == Fate::Busy)))
            }
        };
        state.units.insert(name.clone(), (unit.clone(), program));
        if fate == Fate::Crashes {
            state.end(name, "exit-code");
        }
        Reply::State(unit)
    }

    /// What runs as somebody's server.
    async fn program(self: Arc<Self>, listener: UnixListener, name: Username, busy: bool) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            let (path, mut header) = (line.clone(), String::from("-"));
            while header.trim() != "" {
                header.clear();
                stream.read_line(&mut header).await.unwrap();
            }
            let body = if path.contains("/api/kernels") {
                let state = if busy { "busy" } else { "idle" };
                format!(r#"[{{"execution_state":"{state}","last_activity":"2020-01-01T00:00:00.000000Z"}}]"#)
            } else if path.contains("/api/terminals") {
                "[]".to_owned()
            } else {
                r#"{"version":"2.21.1"}"#.to_owned()
            };
            {
                let mut state = self.lock();
                *state.questions.entry(name.clone()).or_default() += 1;
                state.unanswered.remove(&name);
            }
            self.changed.notify_waiters();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            // Who asked may have been stopped meanwhile.
            stream.write_all(answer.as_bytes()).await.ok();
        }
    }
}

impl State {
    fn end(&mut self, name: &Username, result: &str) {
        let Some((unit, program)) = self.units.get_mut(name) else { return };
        if let Some(program) = program.take() {
            program.abort();
        }
        if let Some(endpoint) = unit.endpoint.take() {
            std::fs::remove_file(endpoint.socket).ok();
        }
        unit.active = if result == "success" { Active::Inactive } else { Active::Failed };
        unit.result = result.to_owned();
        unit.exit_status = Some(1);
        self.unanswered.remove(name);
    }
}

fn down(name: &Username) -> UnitState {
    UnitState {
        name: name.clone(),
        unit: format!("hubd-user-{name}.service"),
        active: Active::Inactive,
        result: "success".to_owned(),
        exit_status: None,
        main_pid: None,
        memory_bytes: None,
        memory_limit_bytes: Some(1 << 30),
        memory_kills: 0,
        started: None,
        environment: Some(1),
        without_own: false,
        endpoint: None,
    }
}

fn refused(kind: RefusalKind, message: &str) -> Reply {
    Reply::Refused(Refusal::new(kind, message))
}
