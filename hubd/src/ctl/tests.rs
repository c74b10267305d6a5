//! hubctl as it is called, against a hub that is only a socket and a list of answers.

mod help;
mod people;
mod place;
mod servers;

use std::collections::VecDeque;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread::JoinHandle;

use hub_core::control::{Reply, Request, ServerInfo, ServerPhase};
use hub_core::wire;

use super::*;

/// What a run left behind.
struct Ran {
    code: u8,
    output: String,
    messages: String,
}

/// A machine of its own for one test: a root directory, a person at the terminal, standard input.
struct Machine {
    root: tempfile::TempDir,
    uid: u32,
    answers: VecDeque<Option<String>>,
    terminal: bool,
    input: Vec<u8>,
    color: bool,
}

impl Machine {
    /// The host, as root.
    fn host() -> Self {
        let root = tempfile::tempdir().unwrap();
        let machine = Self { root, uid: 0, answers: VecDeque::new(), terminal: false, input: Vec::new(), color: false };
        std::fs::create_dir_all(machine.paths().control_socket().parent().unwrap()).unwrap();
        machine
    }

    /// An administrator's server.
    fn inside() -> Self {
        let root = tempfile::tempdir().unwrap();
        let machine = Self { root, uid: 2000, answers: VecDeque::new(), terminal: false, input: Vec::new(), color: false };
        std::fs::create_dir_all(machine.paths().admin_directory()).unwrap();
        machine
    }

    fn answering(mut self, answers: &[Option<&str>]) -> Self {
        self.terminal = true;
        self.answers = answers.iter().map(|answer| answer.map(str::to_owned)).collect();
        self
    }

    fn typing(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    fn paths(&self) -> Paths {
        Paths::under(self.root.path())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Runs a command line without a hub.
    fn run(&self, line: &str) -> Ran {
        self.run_arguments(line.split(' '))
    }

    fn run_arguments<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Ran {
        let (mut output, mut messages) = (Vec::new(), Vec::new());
        let mut terminal = Script { present: self.terminal, answers: self.answers.clone(), asked: String::new() };
        let mut input = self.input.as_slice();
        let mut world = World {
            paths: self.paths(),
            caller: Caller { uid: self.uid, behind_sudo: None },
            input: &mut input,
            printer: Printer { output: &mut output, messages: &mut messages, color: self.color, json: false, quiet: false },
            terminal: &mut terminal,
            now: "2026-09-07T10:00:00Z".parse().unwrap(),
            zone: TimeZone::UTC,
        };
        let code = run(["hubctl"].into_iter().chain(arguments).map(OsString::from), &mut world).unwrap();
        let mut messages = String::from_utf8(messages).unwrap();
        messages.push_str(&terminal.asked);
        Ran { code, output: String::from_utf8(output).unwrap(), messages }
    }

    /// Runs a command line against a hub that gives `replies` in turn; also returns what it was asked.
    fn run_with(&self, line: &str, replies: Vec<Reply>) -> (Ran, Vec<Request>) {
        let socket = if self.uid == 0 { self.paths().control_socket() } else { self.paths().admin_socket() };
        let hub = hub(&socket, replies);
        let ran = self.run(line);
        (ran, hub.join().unwrap())
    }
}

/// Answers as many requests as there are replies.
fn hub(socket: &Path, replies: Vec<Reply>) -> JoinHandle<Vec<Request>> {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        let serve = |reply: &Reply| {
            let (mut stream, _) = listener.accept().unwrap();
            let request = wire::receive(&mut stream).unwrap();
            wire::send(&mut stream, reply).unwrap();
            request
        };
        replies.iter().map(serve).collect()
    })
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
        uptime_seconds: Some(7300),
        problem: (phase == ServerPhase::Failed).then(|| "it used more memory than it may".to_owned()),
    }
}
