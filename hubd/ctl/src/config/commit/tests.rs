use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use hub_core::config::history::Entry;
use hub_core::control::{HubStatus, Reply, Request};
use hub_core::launcher::protocol;
use hub_core::paths::Paths;
use hub_core::wire;
use hub_system::config_store::ConfigStore;
use jiff::tz::TimeZone;

use super::*;
use crate::{Caller, Printer, Terminal};

/// A machine with a hub that is well as long as the configuration it loaded last does not say `sick`.
struct Machine {
    root: tempfile::TempDir,
    address: SocketAddr,
}

struct Nobody;

impl Terminal for Nobody {
    fn present(&self) -> bool {
        false
    }

    fn ask(&mut self, _: &str) -> Result<Option<String>> {
        Ok(None)
    }

    fn ask_secret(&mut self, _: &str) -> Result<Option<String>> {
        Ok(None)
    }
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        for file in
            [paths.config_file(), paths.control_socket(), paths.systemctl(), paths.config_history(), paths.listen_drop_in()]
        {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let machine = Self { root, address: listener.local_addr().unwrap() };
        machine.unit_is("active");
        serve_pages(listener, machine.loaded());
        let status = Reply::Status(HubStatus {
            version: String::new(),
            url: None,
            uptime_seconds: 1,
            launcher_version: None,
            launcher_problem: None,
            shortages: Vec::new(),
            https_problem: None,
            backup_problem: None,
            backup: None,
            accounts_problem: None,
            listen_problem: None,
            environment: None,
            users: 0,
            sessions: 0,
            memory: None,
            servers: Vec::new(),
        });
        let (file, loaded, ailing) = (paths.config_file(), machine.loaded(), machine.https_problem());
        answer(&paths.control_socket(), move |request| match request {
            Request::Reload => {
                std::fs::copy(&file, &loaded).unwrap();
                Reply::Reloaded(hub_core::control::Reloaded::default())
            }
            _ => match (status.clone(), std::fs::read_to_string(&ailing)) {
                (Reply::Status(status), Ok(problem)) => Reply::Status(HubStatus { https_problem: Some(problem), ..status }),
                (status, _) => status,
            },
        });
        answer(&paths.launcher_socket(), |request| match request {
            protocol::Request::Apply => protocol::Reply::Applied(protocol::Applied::default()),
            _ => protocol::Reply::States { states: Vec::new() },
        });
        machine
    }

    fn paths(&self) -> Paths {
        Paths::under(self.root.path())
    }

    /// What systemd says of the hub's service.
    fn unit_is(&self, state: &str) {
        let (calls, loaded, file) = (self.root.path().join("calls"), self.loaded(), self.paths().config_file());
        let lines = format!(
            "echo \"$*\" >>{}\necho ActiveState={state}\ncase \"$*\" in *start*) cp {} {};; esac",
            calls.display(),
            file.display(),
            loaded.display()
        );
        script(&self.paths().systemctl(), &lines);
    }

    /// What systemd was asked to do.
    fn jobs(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.root.path().join("calls")).unwrap();
        calls.lines().filter_map(|call| call.strip_prefix("--no-ask-password ")).map(str::to_owned).collect()
    }

    fn text(&self, name: &str) -> String {
        format!("[hub]\nname = \"{name}\"\n[http]\nlisten = [\"{}\"]\n", self.address)
    }

    fn loaded(&self) -> std::path::PathBuf {
        self.root.path().join("loaded")
    }

    /// What the hub says is wrong with https, if it is there.
    fn https_problem(&self) -> std::path::PathBuf {
        self.root.path().join("https problem")
    }

    /// The hub runs with this.
    fn runs_with(&self, text: &str) {
        for path in [self.paths().config_file(), self.loaded()] {
            std::fs::write(path, text).unwrap();
        }
        if let Ok(config) = config::parse(text, "") {
            std::fs::write(self.paths().listen_drop_in(), hub_core::listener::drop_in(&config)).unwrap();
        }
    }

    fn live(&self) -> String {
        std::fs::read_to_string(self.paths().config_file()).unwrap()
    }

    fn commit(&self, text: &str) -> Result<Outcome> {
        self.run(|world| {
            let turn = ConfigStore::new(&world.paths).try_turn(None)?.unwrap();
            commit(world, &turn, text, How::Edit)
        })
    }

    fn run<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let (mut output, mut messages) = (Vec::new(), Vec::new());
        let mut world = World {
            paths: self.paths(),
            caller: Caller { uid: 0, behind_sudo: None },
            input: &mut std::io::empty(),
            printer: Printer {
                output: &mut output,
                messages: &mut messages,
                color: false,
                json: false,
                quiet: false,
                with_sudo: true,
            },
            terminal: &mut Nobody,
            on_behalf_of: None,
            variables: std::collections::BTreeMap::new(),
            interruptions: crate::Interruptions::none(),
            obstacles: |_, _| Vec::new(),
            now: "2026-09-07T10:00:00Z".parse().unwrap(),
            zone: TimeZone::UTC,
        };
        act(&mut world)
    }

    fn history(&self) -> Vec<Entry> {
        History::open(&self.paths()).entries().unwrap()
    }
}

fn script(path: &Path, lines: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{lines}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn serve_pages(listener: TcpListener, config: std::path::PathBuf) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _read = stream.read(&mut [0; 1024]).unwrap();
            let text = std::fs::read_to_string(&config).unwrap();
            let status = match text.as_str() {
                text if text.contains("sick") => "500 Internal Server Error",
                text if text.contains("[https]") => "503 Service Unavailable",
                _ => "200 OK",
            };
            write!(stream, "HTTP/1.0 {status}\r\n\r\n").unwrap();
        }
    });
}

fn answer<Q: serde::de::DeserializeOwned, A: Serialize>(socket: &Path, reply: impl Fn(Q) -> A + Send + 'static) {
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = wire::receive(&mut stream).unwrap();
            wire::send(&mut stream, &reply(request)).unwrap();
        }
    });
}

#[test]
fn a_configuration_with_which_the_hub_is_well_stays() {
    let machine = Machine::new();
    machine.runs_with(&machine.text("first"));
    let Outcome::Applied(report) = machine.commit(&machine.text("second")).unwrap() else { panic!() };
    assert_eq!(report.number, 2, "the one before is a version, too");
    assert_eq!(machine.live(), machine.text("second"));
    let entries = machine.history();
    assert_eq!((entries[0].who.as_str(), entries[0].how, entries[0].state), ("unknown", How::Apply, State::Healthy));
    assert_eq!((entries[1].who.as_str(), entries[1].how, entries[1].state), ("root", How::Edit, State::Healthy));
    assert!(!machine.paths().config_pending().exists());
}

#[test]
fn one_with_which_it_is_not_gives_way_to_the_one_before_by_itself() {
    let machine = Machine::new();
    machine.runs_with(&machine.text("first"));
    let Outcome::RolledBack { number: 2, reason } = machine.commit(&machine.text("sick")).unwrap() else { panic!() };
    let expected =
        format!("asking for the login page at http://{}/hub/login: it answered with status 500, expected 200", machine.address);
    assert!(reason.ends_with(&expected), "{reason}");
    assert_eq!(machine.live(), machine.text("first"));
    let entry = &machine.history()[1];
    assert_eq!((entry.state, entry.reason.as_deref()), (State::RolledBack, Some(reason.as_str())));
    assert!(!machine.paths().config_pending().exists());
}

#[test]
fn an_expired_certificate_is_not_the_fault_of_another_change() {
    let machine = Machine::new();
    let with = |name: &str, certificate: &str| {
        let https = format!("[https]\nlisten = [\"127.0.0.1:1\"]\ncertificate = \"{certificate}\"\nkey = \"/k\"\n");
        format!("{}{https}", machine.text(name))
    };
    machine.runs_with(&with("first", "/a"));
    std::fs::write(machine.https_problem(), "it is good until yesterday").unwrap();
    let Outcome::Applied(report) = machine.commit(&with("renamed", "/a")).unwrap() else { panic!() };
    let finding = "https is not well, which this change neither caused nor cured: it is good until yesterday";
    assert_eq!(report.warnings, [finding]);
    // Other files are this change's own, and what was there is no worse.
    let Outcome::RolledBack { reason, .. } = machine.commit(&with("renamed", "/b")).unwrap() else { panic!() };
    assert!(reason.ends_with("https has no certificate: it is good until yesterday"), "{reason}");
    assert_eq!(machine.live(), with("renamed", "/a"));
}

#[test]
fn an_invalid_text_changes_nothing() {
    let machine = Machine::new();
    machine.runs_with(&machine.text("first"));
    let error = machine.commit("[limits]\nmemory = 1\ntasks = 1\n").unwrap_err().to_string();
    assert!(error.contains("config.toml:2:"), "{error}");
    assert_eq!((machine.live(), machine.history()), (machine.text("first"), Vec::new()));
}

#[test]
fn a_hub_that_does_not_run_is_not_asked_and_not_started() {
    let machine = Machine::new();
    machine.unit_is("inactive");
    let outcome = machine.commit(&machine.text("second")).unwrap();
    assert!(matches!(outcome, Outcome::SavedNotApplied { number: 1, .. }), "{outcome:?}");
    assert_eq!(machine.live(), machine.text("second"));
    assert!(!machine.paths().config_pending().exists(), "the next boot would take it back");
    assert!(!machine.jobs().iter().any(|job| job.contains("start")), "{:?}", machine.jobs());
}

#[test]
fn what_was_no_better_before_is_not_gone_back_to() {
    let machine = Machine::new();
    for before in ["not = [toml".to_owned(), machine.text("sick")] {
        machine.runs_with(&before);
        let text = machine.text("still sick");
        let Outcome::SavedNotApplied { reason, .. } = machine.commit(&text).unwrap() else { panic!("{before}") };
        assert!(reason.contains("status 500"), "{reason}");
        assert_eq!(machine.live(), text);
    }
}

#[test]
fn a_sick_file_written_by_hand_gives_way_to_the_last_healthy_version() {
    let machine = Machine::new();
    machine.runs_with(&machine.text("first"));
    machine.commit(&machine.text("second")).unwrap();
    std::fs::write(machine.paths().config_file(), machine.text("sick")).unwrap();
    let outcome = machine.commit(&machine.text("sick")).unwrap();
    assert!(matches!(outcome, Outcome::RolledBack { number: 3, .. }), "{outcome:?}");
    assert_eq!(machine.live(), machine.text("second"));
}

#[test]
fn what_an_ended_program_left_pending_is_noted() {
    let machine = Machine::new();
    machine.runs_with(&machine.text("first"));
    let history = History::open(&machine.paths());
    history.begin(&machine.text("first"), "debian", How::Set, "2026-09-07T09:00:00Z".parse().unwrap()).unwrap();
    assert!(matches!(machine.commit(&machine.text("second")).unwrap(), Outcome::Applied(Report { number: 3, .. })));
    let states: Vec<State> = machine.history().iter().map(|entry| entry.state).collect();
    assert_eq!(states, [State::Pending, State::Healthy, State::Healthy]);
    let entries = machine.history();
    assert!(entries[0].reason.is_some());
}

#[test]
fn the_hub_follows_without_a_restart_unless_its_sockets_move() {
    let machine = Machine::new();
    machine.runs_with(&machine.text("first"));
    assert!(matches!(machine.commit(&machine.text("second")).unwrap(), Outcome::Applied(_)));
    assert_eq!(machine.jobs(), Vec::<String>::new());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = Machine { address: listener.local_addr().unwrap(), ..machine };
    serve_pages(listener, elsewhere.loaded());
    assert!(matches!(elsewhere.commit(&elsewhere.text("third")).unwrap(), Outcome::Applied(_)));
    assert_eq!(
        elsewhere.jobs(),
        [
            "daemon-reload",
            "stop hubd-control.socket hubd-admin.socket hubd-operator.socket hubd.socket",
            "stop hubd.service",
            "reset-failed hubd-control.socket hubd-admin.socket hubd-operator.socket hubd.socket hubd.service",
            "start hubd-control.socket",
            "start hubd-admin.socket",
            "start hubd-operator.socket",
            "start hubd.socket",
            "start hubd.service",
        ]
    );
    let drop_in = std::fs::read_to_string(elsewhere.paths().listen_drop_in()).unwrap();
    assert!(drop_in.ends_with(&format!("ListenStream=\nListenStream={}\n", elsewhere.address)), "{drop_in}");
}

#[test]
fn after_a_power_cut_the_last_healthy_version_is_the_configuration() {
    let machine = Machine::new();
    machine.runs_with(&machine.text("first"));
    machine.commit(&machine.text("second")).unwrap();
    let history = History::open(&machine.paths());
    let moved = machine.text("third").replace("127.0.0.1", "127.0.0.2");
    history.begin(&moved, "debian", How::Edit, "2026-09-07T11:00:00Z".parse().unwrap()).unwrap();
    std::fs::write(machine.paths().config_file(), &moved).unwrap();
    std::fs::write(machine.paths().listen_drop_in(), "[Socket]\nListenStream=\nListenStream=1\n").unwrap();
    machine.run(super::super::recover::recover).unwrap();
    assert_eq!(machine.live(), machine.text("second"));
    let entries = machine.history();
    let last = entries.last().unwrap();
    assert_eq!((last.number, last.state, history.text(3).unwrap()), (3, State::RolledBack, moved));
    assert!(!machine.paths().config_pending().exists());
    assert_eq!(machine.jobs(), ["daemon-reload"]);
    assert!(std::fs::read_to_string(machine.paths().listen_drop_in()).unwrap().contains(&machine.address.to_string()));
}

#[test]
fn a_hub_that_runs_follows_what_a_killed_change_is_put_back_to() {
    for (state, follows) in [("active", true), ("inactive", false), ("activating", false)] {
        let machine = Machine::new();
        machine.runs_with(&machine.text("first"));
        machine.commit(&machine.text("second")).unwrap();
        let history = History::open(&machine.paths());
        let third = machine.text("third");
        history.begin(&third, "opal, an operator", How::Set, "2026-09-07T11:00:00Z".parse().unwrap()).unwrap();
        // Killed after the hub had been told.
        machine.runs_with(&third);
        machine.unit_is(state);
        machine.run(super::super::recover::recover).unwrap();
        assert_eq!(machine.live(), machine.text("second"));
        let loaded = std::fs::read_to_string(machine.loaded()).unwrap();
        assert_eq!(loaded == machine.text("second"), follows, "{state}");
        assert!(!machine.jobs().iter().any(|job| job.contains("start")), "{:?}", machine.jobs());
    }
}

#[test]
fn the_guard_leaves_a_change_alone_that_is_under_way() {
    let machine = Machine::new();
    machine.runs_with(&machine.text("first"));
    machine.commit(&machine.text("second")).unwrap();
    let history = History::open(&machine.paths());
    history.begin("third", "debian", How::Edit, "2026-09-07T11:00:00Z".parse().unwrap()).unwrap();
    let _turn = hub_system::lock::try_lock(&machine.paths().config_lock()).unwrap().unwrap();
    machine.run(super::super::recover::recover).unwrap();
    assert!(machine.paths().config_pending().exists());
    assert_eq!(history.pending().unwrap().unwrap().state, State::Pending);
}
