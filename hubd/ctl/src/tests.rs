//! hubctl as it is called, against a hub that is only a socket and a list of answers.

mod env;
mod files;
mod help;
mod https;
mod limits;
mod operators;
mod people;
mod pipes;
mod place;
mod roster;
pub(super) mod servers;
mod tokens;

use std::collections::VecDeque;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hub_core::config::HttpsMethod;
use hub_core::control::{MemoryKills, Reply, Request, ServerInfo, ServerPhase};
use hub_core::wire;

use super::*;

/// An account of the machine.
const OPERATOR: u32 = 1000;

/// What a run left behind.
pub(super) struct Ran {
    pub(super) code: u8,
    pub(super) output: String,
    pub(super) messages: String,
}

/// A machine of its own for one test: a root directory, a person at the terminal, standard input.
pub(super) struct Machine {
    pub(super) root: tempfile::TempDir,
    uid: u32,
    pub(super) behind_sudo: Option<u32>,
    answers: VecDeque<Option<String>>,
    terminal: bool,
    input: Vec<u8>,
    color: bool,
    pub(super) variables: BTreeMap<OsString, OsString>,
}

impl Machine {
    /// The host, as root.
    pub(super) fn host() -> Self {
        let machine = Self::of(0);
        std::fs::create_dir_all(machine.paths().control_socket().parent().unwrap()).unwrap();
        machine
    }

    /// A machine without a hub, as root.
    pub(super) fn bare() -> Self {
        Self::of(0)
    }

    /// An administrator's server.
    pub(super) fn inside() -> Self {
        let machine = Self::of(2000);
        std::fs::create_dir_all(machine.paths().admin_directory()).unwrap();
        machine
    }

    /// The host, as an account of it that is not root.
    pub(super) fn operator() -> Self {
        let machine = Self { uid: OPERATOR, ..Self::host() };
        std::fs::create_dir_all(machine.paths().operator_socket().parent().unwrap()).unwrap();
        machine
    }

    fn of(uid: u32) -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            uid,
            behind_sudo: None,
            answers: VecDeque::new(),
            terminal: false,
            input: Vec::new(),
            color: false,
            variables: BTreeMap::new(),
        }
    }

    pub(super) fn answering(mut self, answers: &[Option<&str>]) -> Self {
        self.terminal = true;
        self.answers = answers.iter().map(|answer| answer.map(str::to_owned)).collect();
        self
    }

    pub(super) fn typing(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    pub(super) fn paths(&self) -> Paths {
        Paths::under(self.root.path())
    }

    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Runs a command line without a hub.
    pub(super) fn run(&self, line: &str) -> Ran {
        self.run_arguments(line.split(' '))
    }

    pub(super) fn run_arguments<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Ran {
        self.run_by(|world| run(["hubctl"].into_iter().chain(arguments).map(OsString::from), world).unwrap())
    }

    /// Lets `act` do something here; it returns the exit code.
    pub(super) fn run_by(&self, act: impl FnOnce(&mut World) -> u8) -> Ran {
        let mut output = Vec::new();
        let (code, messages) = self.run_to(&mut output, act);
        Ran { code, output: String::from_utf8(output).unwrap(), messages }
    }

    /// The same with another standard output; also returns what was said beside it.
    fn run_to<T>(&self, output: &mut dyn Write, act: impl FnOnce(&mut World) -> T) -> (T, String) {
        let mut messages = Vec::new();
        let mut terminal = Script { present: self.terminal, answers: self.answers.clone(), asked: String::new() };
        let mut input = self.input.as_slice();
        let mut world = World {
            paths: self.paths(),
            caller: Caller { uid: self.uid, behind_sudo: self.behind_sudo },
            input: &mut input,
            printer: Printer { output, messages: &mut messages, color: self.color, json: false, quiet: false, with_sudo: true },
            terminal: &mut terminal,
            on_behalf_of: None,
            variables: self.variables.clone(),
            interruptions: Interruptions::none(),
            obstacles: |_, config| {
                let domains = config.https.iter().flat_map(|https| match &https.method {
                    HttpsMethod::Acme { domains, .. } => domains.as_slice(),
                    _ => &[],
                });
                domains.map(|domain| format!("{domain} does not resolve")).collect()
            },
            now: "2026-09-07T10:00:00Z".parse().unwrap(),
            zone: TimeZone::UTC,
        };
        let result = act(&mut world);
        let mut messages = String::from_utf8(messages).unwrap();
        messages.push_str(&terminal.asked);
        (result, messages)
    }

    /// Runs a command line against a hub that gives `replies` in turn; also returns what it was asked.
    pub(super) fn run_with(&self, line: &str, replies: Vec<Reply>) -> (Ran, Vec<Request>) {
        let socket = match self.uid {
            0 => self.paths().control_socket(),
            OPERATOR => self.paths().operator_socket(),
            _ => self.paths().admin_socket(),
        };
        let (is_over, hub) = hub(&socket, replies);
        let ran = self.run(line);
        is_over.store(true, Ordering::SeqCst);
        (ran, hub.join().unwrap())
    }
}

/// Answers as many requests as there are replies; fails when hubctl is over, which the caller says, and has asked less.
fn hub(socket: &Path, replies: Vec<Reply>) -> (Arc<AtomicBool>, JoinHandle<Vec<Request>>) {
    let listener = UnixListener::bind(socket).unwrap();
    listener.set_nonblocking(true).unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&is_over);
    let hub = std::thread::spawn(move || {
        let serve = |reply: &Reply| {
            let mut stream = accept(&listener, &ended).expect("hubctl asked for less than there are answers");
            let request = wire::receive(&mut stream).unwrap();
            wire::send(&mut stream, reply).unwrap();
            request
        };
        replies.iter().map(serve).collect()
    });
    (is_over, hub)
}

/// The next who asks; `None`: nobody will any more.
fn accept(listener: &UnixListener, is_over: &AtomicBool) -> Option<UnixStream> {
    loop {
        // Looked at first: whoever asked before the end is still there to be heard.
        let is_last = is_over.load(Ordering::SeqCst);
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                return Some(stream);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && is_last => return None,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => panic!("waiting for hubctl: {error}"),
        }
    }
}

/// A person who answers in a fixed order.
struct Script {
    present: bool,
    answers: VecDeque<Option<String>>,
    asked: String,
}

impl Terminal for Script {
    fn present(&self) -> bool {
        self.present
    }

    fn ask(&mut self, prompt: &str) -> Result<Option<String>> {
        self.asked.push_str(prompt);
        Ok(self.answers.pop_front().flatten())
    }

    fn ask_secret(&mut self, prompt: &str) -> Result<Option<String>> {
        self.ask(prompt)
    }
}

fn server(name: &str, phase: ServerPhase) -> ServerInfo {
    ServerInfo {
        name: name.parse().unwrap(),
        phase,
        unit: format!("hubd-user-{name}.service"),
        memory_bytes: Some(200 << 20),
        memory_limit_bytes: Some(1 << 30),
        cpu_cores: Some(0.76),
        cpu_limit_cores: Some(2.0),
        uptime_seconds: Some(7300),
        memory_kills: MemoryKills::default(),
        without_own: false,
        own_may_be_why: phase == ServerPhase::Failed,
        problem: (phase == ServerPhase::Failed).then(|| "it used more memory than it may".to_owned()),
    }
}
