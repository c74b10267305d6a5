//! `try`: the hub, really installed, in a throw-away Debian on this machine; with an admin and a student ready to log in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hub_core::control::{self, NewUser, Reply, Request};
use hub_core::packages::Requirement;
use hub_core::paths::Paths;
use hub_core::programs;
use hub_core::sys::atomic::{self, Access};
use hub_system::lock::{self, LockGuard};
use hub_system::tree;
use serde::{Deserialize, Serialize};

use crate::files;
use crate::progress::Talk;
use hub_machine::{Base, BaseSpec, BootOptions, CACHE_DIRECTORY, Machine, Release, carried_environment};

/// The machine's name unless somebody wants another one beside it.
pub const MACHINE: &str = "hubd-try";
const ADMIN: &str = "ada";
const STUDENT: &str = "sam";
const USUAL_PORT: u16 = 8000;
/// How many ports after the usual one are tried when nobody asked for a certain one.
const OTHER_PORTS: u16 = 20;
/// Where the programs lie in the machine until they are installed.
const RELEASE: &str = "/root/release/bin";
/// Downloading packages and JupyterLab over a slow line.
const INSTALL_DEADLINE: Duration = Duration::from_secs(20 * 60);
/// The same, with a base system to make first.
const TURN_DEADLINE: Duration = Duration::from_secs(40 * 60);
const NOTE_VERSION: u32 = 1;

/// A running trial: what `--json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Where to point a browser.
    pub url: String,
    /// Who can log in.
    pub users: Vec<TrialUser>,
    /// A command that opens a root shell in the machine.
    pub enter: String,
    /// A command that ends the trial and removes the machine.
    pub stop: String,
}

/// Somebody who can log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialUser {
    /// The name to log in with.
    pub name: String,
    /// The password.
    pub password: String,
    /// Whether this one manages the hub.
    pub admin: bool,
}

/// What is remembered of a trial, for the next call of this program.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    version: u32,
    url: String,
    users: Vec<TrialUser>,
    /// A copy of this program that outlives a download.
    program: PathBuf,
}

/// Starts a trial in the machine of this name, or finds the one that runs. `programs` is the directory with the release's
/// programs; `packages` are those of the installer.
///
/// # Errors
/// When the machine does not come up or the install in it fails; the machine is removed again then.
pub fn start(name: &str, programs: &Path, port: Option<u16>, packages: Option<&[Requirement]>, talk: &Talk) -> Result<Trial> {
    if !nix::unistd::geteuid().is_root() {
        bail!("this needs root: it boots a machine\nhint: run it again with sudo in front");
    }
    let _turn = turn(talk)?;
    if let Some(trial) = resume(name, talk)? {
        if port.is_some_and(|port| !trial.url.ends_with(&format!(":{port}"))) {
            bail!("a trial is running already, at {}\nhint: end it first: {}", trial.url, trial.stop);
        }
        talk.say("A trial is running already.");
        return Ok(trial);
    }
    // A trial that was cut short left a machine without a note.
    Machine::destroy_named(name)?;
    let port = choose_port(port)?;
    let mut tell = |text: &str| talk.say(text);
    tell("This boots a throw-away Debian 12 on this machine; everything of the hub stays inside it.");
    let spec = BaseSpec::new(Release::Bookworm).with("git");
    let base = Base::ensure(&spec, Path::new(CACHE_DIRECTORY), &mut tell)?;
    tell("booting the machine");
    let environment = carried_environment(std::env::vars());
    let machine = Machine::boot(&base, name, BootOptions { environment, ..BootOptions::default() })?;
    let set_up = set_up(&machine, programs, port, packages, talk);
    match set_up {
        Ok(note) => Ok(note.trial(&machine)),
        Err(error) => {
            let error = error.context("setting up the hub in the throw-away machine");
            forget(name).and_then(|()| machine.destroy()).with_context(|| format!("removing the machine after: {error:#}"))?;
            Err(error)
        }
    }
}

/// Ends the trial. False: there was none.
///
/// # Errors
/// When something of the machine can't be removed.
pub fn stop(name: &str, talk: &Talk) -> Result<bool> {
    if !nix::unistd::geteuid().is_root() {
        bail!("this needs root: it removes a machine\nhint: run it again with sudo in front");
    }
    let _turn = turn(talk)?;
    let there = Machine::list()?.iter().any(|machine| machine.name() == name) || note_file(name).exists();
    Machine::destroy_named(name)?;
    forget(name)?;
    Ok(there)
}

/// One at a time: what looks like left behind by a trial that was cut short may be one that is just being set up, and a port
/// is taken only when the hub in the machine listens.
fn turn(talk: &Talk) -> Result<LockGuard> {
    let path = Paths::default().trial_lock();
    if let Some(guard) = lock::try_lock(&path)? {
        return Ok(guard);
    }
    talk.say("Another trial is being set up on this machine; waiting until it is.");
    lock::wait_for_lock(&path, TURN_DEADLINE)
}

/// The trial that is there; a machine that was shut down is booted again.
fn resume(name: &str, talk: &Talk) -> Result<Option<Trial>> {
    let Some(note) = read_note(name)? else { return Ok(None) };
    let Some(mut machine) = Machine::list()?.into_iter().find(|machine| machine.name() == name) else { return Ok(None) };
    if !machine.is_running() {
        talk.say("booting the machine of the last trial again");
        machine.power_on()?;
    }
    Ok(Some(note.trial(&machine)))
}

fn set_up(machine: &Machine, release: &Path, port: u16, packages: Option<&[Requirement]>, talk: &Talk) -> Result<Note> {
    for name in programs::names() {
        machine.copy_in(&release.join(name), &format!("{RELEASE}/{name}"), 0o755)?;
    }
    let users = [(ADMIN, true), (STUDENT, false)];
    let users = users.map(|(name, admin)| Ok(TrialUser { name: name.to_owned(), password: password()?, admin }));
    let users = users.into_iter().collect::<Result<Vec<_>>>()?;
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let url = format!("http://{listen}");
    talk.say("installing the hub in it");
    let program = format!("{RELEASE}/hub-installer");
    let listen = listen.to_string();
    let words = [&program, "install", "--yes", "--admin", ADMIN, "--listen", &listen, "--url", &url];
    machine
        .command(words.map(str::to_owned).into_iter().chain(packages_option(packages)))
        .env("HUBD_ADMIN_PASSWORD", &users[0].password)
        .timeout(INSTALL_DEADLINE)
        // What takes long is named while one waits for it; the rest is over in a moment.
        .run_with(|line| if line.starts_with("begun ") { talk.say(line) } else { talk.detail(line) })?;
    let student = NewUser { name: STUDENT.parse()?, password: Some(users[1].password.clone()) };
    // The machine's socket, seen from outside; its root is this machine's root.
    let leader = machine.leader_pid().context("looking for the machine")?;
    let socket = PathBuf::from(format!("/proc/{leader}/root")).join(Paths::under("").control_socket());
    match control::call(&socket, &Request::UserAdd { users: vec![student] }).context("enrolling the student")? {
        Reply::Added { .. } => {}
        other => bail!("enrolling the student: unexpected answer {other:?}"),
    }
    let note = Note { version: NOTE_VERSION, url, users, program: keep_program(release)? };
    let text = serde_json::to_vec_pretty(&note).context("writing down the trial")?;
    atomic::replace(&note_file(machine.name()), &text, Access::mode(0o600))?;
    Ok(note)
}

/// As they are said to `install`.
fn packages_option(packages: Option<&[Requirement]>) -> Vec<String> {
    let Some(packages) = packages else { return Vec::new() };
    let names = packages.iter().map(ToString::to_string);
    let none = packages.is_empty().then(|| "none".to_owned());
    ["--packages".to_owned()].into_iter().chain(names).chain(none).collect()
}

impl Note {
    fn trial(&self, machine: &Machine) -> Trial {
        let enter = match machine.leader_pid() {
            Some(pid) => format!("nsenter --target {pid} --all /bin/bash --login"),
            None => String::new(),
        };
        let mut stop = format!("{} try --stop", self.program.display());
        if machine.name() != MACHINE {
            stop.push_str(&format!(" --machine {}", machine.name()));
        }
        Trial { url: self.url.clone(), users: self.users.clone(), enter, stop }
    }
}

/// The directory of what is remembered; not below that of the machine, which is removed with it.
fn directory() -> PathBuf {
    Paths::default().trial()
}

fn note_file(name: &str) -> PathBuf {
    directory().join(format!("{name}.json"))
}

fn read_note(name: &str) -> Result<Option<Note>> {
    let path = note_file(name);
    if !path.exists() {
        return Ok(None);
    }
    let note: Note = serde_json::from_slice(&fs_err::read(&path)?).with_context(|| format!("reading `{}`", path.display()))?;
    if note.version != NOTE_VERSION {
        bail!(
            "`{}` has format {}, expected {NOTE_VERSION}\nhint: end that trial with the program that began it",
            path.display(),
            note.version
        );
    }
    Ok(Some(note))
}

fn keep_program(programs: &Path) -> Result<PathBuf> {
    files::ensure_private_directory(&directory())?;
    let copy = directory().join("hub-installer");
    atomic::replace(&copy, &fs_err::read(programs.join("hub-installer"))?, Access::mode(0o755))?;
    Ok(copy)
}

/// The last one closes the door.
fn forget(name: &str) -> Result<()> {
    if note_file(name).exists() {
        fs_err::remove_file(note_file(name))?;
    }
    let is_note = |path: &Path| path.extension().is_some_and(|extension| extension == "json");
    if directory().exists() && !fs_err::read_dir(directory())?.flatten().any(|entry| is_note(&entry.path())) {
        tree::remove(&directory())?;
    }
    Ok(())
}

fn choose_port(wanted: Option<u16>) -> Result<u16> {
    let address = |port| SocketAddr::new(IpAddr::from(Ipv4Addr::LOCALHOST), port);
    if let Some(port) = wanted {
        TcpListener::bind(address(port)).with_context(|| format!("trying port {port}\nhint: choose another one with --port"))?;
        return Ok(port);
    }
    let mut ports = USUAL_PORT..USUAL_PORT + OTHER_PORTS;
    ports.find(|port| TcpListener::bind(address(*port)).is_ok()).with_context(|| {
        format!("ports {USUAL_PORT} to {} are all taken\nhint: choose a free one with --port", USUAL_PORT + OTHER_PORTS - 1)
    })
}

/// Twelve letters and digits that can't be mistaken for each other: 60 bits.
fn password() -> Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz234567892";
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("asking for random bytes: {error}"))?;
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
}

/// A trial, for people.
pub fn describe(trial: &Trial) -> String {
    let mut text = format!("\nThe hub is at  {}\n\n", trial.url);
    for user in &trial.users {
        let role = if user.admin { "admin" } else { "student" };
        text.push_str(&format!("  {:<8} name {}   password {}\n", role, user.name, user.password));
    }
    text.push_str(&format!("\nLook inside:  {}\nEnd it:       {}\n", trial.enter, trial.stop));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_enough_and_differ() {
        let (one, other) = (password().unwrap(), password().unwrap());
        assert_eq!(one.len(), 12);
        assert!(one.len() >= crate::options::SHORTEST_PASSWORD);
        assert_ne!(one, other);
        assert!(!one.contains(['l', '1', 'o', '0', 'i']));
    }

    #[test]
    fn a_port_that_is_taken_is_not_chosen() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = format!("{:#}", choose_port(Some(port)).unwrap_err());
        assert!(error.contains(&format!("trying port {port}")), "{error}");
        assert!(choose_port(None).unwrap() >= USUAL_PORT);
    }

    #[test]
    fn packages_are_passed_on_as_they_were_named() {
        let packages = ["pandas>=2".parse().unwrap()];
        assert_eq!(packages_option(Some(&packages)), ["--packages", "pandas>=2"]);
        assert_eq!(packages_option(Some(&[])), ["--packages", "none"]);
        assert!(packages_option(None).is_empty());
    }

    #[test]
    fn everything_needed_to_log_in_is_told() {
        let user = TrialUser { name: "ada".into(), password: "secret".into(), admin: true };
        let trial = Trial {
            url: "http://127.0.0.1:8000".into(),
            users: vec![user],
            enter: "nsenter".into(),
            stop: "hub-installer try --stop".into(),
        };
        let text = describe(&trial);
        for part in ["http://127.0.0.1:8000", "admin", "ada", "secret", "nsenter", "try --stop"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
