//! `hubctl backup`: copies of what can't be made again, and bringing them back. On the host only.

mod init;
mod one;
mod restore;
mod rights;
mod show;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use hub_backup::identity::Identity;
use hub_backup::restore::Progress;
use hub_backup::{Problem, Restic, Snapshot, create, receive, repository, switch};
use hub_core::backup::Record;
use hub_core::config::Repository;
use hub_system::command::Command;
use hub_system::scratch::Scratch;
use jiff::Zoned;

use super::World;
use super::arguments::backup::BackupVerb;
use super::connect::only_on_the_host;
use super::failure::{Cause, Exit, Failure};

/// What makes backups, started by its timer or from here.
const SERVICE: &str = "hubd-backup.service";
/// As long as a first backup may take.
const DEADLINE: Duration = Duration::from_secs(4 * 24 * 3600);
/// More than any password has.
const LONGEST_PASSWORD: u64 = 4096;

pub(super) fn run(verb: BackupVerb, world: &mut World) -> Result<Exit> {
    if let BackupVerb::Receive { home, date, path } = &verb {
        let place = receive::receive(Path::new(home), date, Path::new(path), world.input)?;
        // As it is: who reads it is a program.
        writeln!(world.printer.output, "{}", place.display())?;
        return Ok(Exit::Done);
    }
    only_on_the_host(world, "a backup", "backup")?;
    let outcome = match verb {
        BackupVerb::Init { repository, password_file } => init::init(world, &repository, password_file.as_deref()),
        BackupVerb::Create => create_now(world),
        BackupVerb::Perform => perform(world),
        BackupVerb::Switch => switch::perform(&world.paths).map(|()| Exit::Done),
        BackupVerb::List { from } => show::list(world, &from),
        BackupVerb::Status => show::status(world),
        BackupVerb::Check { read_data, from } => show::check(world, read_data, &from),
        BackupVerb::Restore(what) => match (&what.person, &what.path) {
            (Some(person), Some(path)) => one::bring(world, &what, person, Path::new(path)),
            _ => restore::restore(world, &what),
        },
        BackupVerb::Receive { .. } => Ok(Exit::Done),
    };
    outcome.map_err(explained)
}

/// With what to do about it, where that is known.
fn explained(error: anyhow::Error) -> anyhow::Error {
    let Some(hint) = error.downcast_ref::<Problem>().map(|problem| problem.hint.clone()) else { return error };
    Failure::new(Cause::Failed, format!("{error:#}"), hint).into()
}

/// Which backups are meant: those of the configuration, or others.
struct Place {
    repository: Repository,
    restic: Restic,
    /// Where the password is.
    password: Password,
}

/// A file with a password, for root alone.
enum Password {
    /// Where it stays.
    Kept(PathBuf),
    /// For this call, in a directory of its own; a call that is killed leaves it to the next to remove.
    Given(Scratch),
}

impl Password {
    fn path(&self) -> PathBuf {
        match self {
            Self::Kept(path) => path.clone(),
            Self::Given(directory) => directory.path().join("password"),
        }
    }
}

impl Place {
    fn find(world: &mut World, from: &crate::arguments::backup::From) -> Result<Self> {
        let (repository, password) = match &from.repository {
            Some(repository) => (repository.clone(), None),
            None => {
                let (wanted, repository) = create::wanted(&world.paths)?;
                (repository, Some(wanted.password_file))
            }
        };
        let password = match (&from.password_file, password) {
            (None, Some(path)) if path.exists() => Password::Kept(path),
            (file, _) => given_password(world, file.as_deref(), &repository)?,
        };
        let restic = Restic::new(&world.paths, &repository, &password.path())?;
        Ok(Self { repository, restic, password })
    }

    /// The backup called `snapshot`, or the newest; with `only_known`, none of another hub.
    fn choose(&self, world: &World, snapshot: Option<&str>, only_known: bool) -> Result<Snapshot> {
        let snapshots = self.restic.snapshots()?;
        let place = self.repository.to_string();
        Ok(Identity::of(&world.paths)?.choose(&snapshots, snapshot, only_known, &place)?.clone())
    }
}

/// The password of a file that the caller names, or that is typed; for as long as hubctl works with it where root alone reads it.
fn given_password(world: &mut World, file: Option<&Path>, repository: &Repository) -> Result<Password> {
    let password = match file {
        Some(file) => {
            String::from_utf8(world.caller.read(file, LONGEST_PASSWORD, world.input)?).context("reading the password")?
        }
        None if world.terminal.present() => {
            let typed = world.terminal.ask_secret(&format!("Password of the backups in {repository}: "))?;
            typed.ok_or_else(|| Failure::new(Cause::Refused, "nothing was done", None))?
        }
        None => {
            let hint = "it was printed when backups were set up; give it with --password-file FILE".to_owned();
            return Err(Failure::new(Cause::Failed, "the password of the backups is needed", hint).into());
        }
    };
    fs_err::create_dir_all(world.paths.backup_state())?;
    let given = Password::Given(Scratch::new(&world.paths.backup_state(), "password-")?);
    repository::keep_password(&given.path(), &password)?;
    Ok(given)
}

/// Has the service make one, and waits for it.
fn create_now(world: &mut World) -> Result<Exit> {
    let (_, repository) = create::wanted(&world.paths)?;
    fs_err::write(world.paths.backup_asked(), "")?;
    world
        .printer
        .say(&format!("Making a backup in {repository}; it continues if you close this terminal: hubctl backup status"))?;
    let before = world.now;
    let started = Command::new(world.paths.systemctl(), DEADLINE).args(["--no-ask-password", "start", SERVICE]).output()?;
    let record = Record::load(&world.paths)?;
    let last = record.and_then(|record| record.last).filter(|last| last.ended.is_some_and(|ended| ended >= before));
    match last {
        Some(last) => show::conclude(world, &last),
        None => {
            let hint = format!("systemctl status {SERVICE}; journalctl --unit {SERVICE}");
            let what = format!("{SERVICE} did not make a backup: {}", started.stderr.trim());
            Err(Failure::new(Cause::Failed, what, hint).into())
        }
    }
}

/// What the service does: a backup, if it is time for one or somebody wants one now.
fn perform(world: &mut World) -> Result<Exit> {
    let asked = world.paths.backup_asked();
    let is_asked = asked.exists();
    if !is_asked {
        let Ok((wanted, _)) = create::wanted(&world.paths) else {
            return Ok(Exit::Done);
        };
        // Half of one hub and half of another is nothing to keep, and must not push out what is being brought back.
        if Progress::load(&world.paths)?.is_some() {
            return Ok(Exit::Done);
        }
        let record = Record::load(&world.paths)?;
        let is_due = record.as_ref().is_none_or(|record| record.is_due(&wanted, &Zoned::now()));
        if !wanted.enabled || !is_due {
            return Ok(Exit::Done);
        }
    }
    let outcome = create::perform(&world.paths, Some(SERVICE), env!("CARGO_PKG_VERSION"));
    match fs_err::remove_file(&asked) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let attempt = outcome?;
    show::conclude(world, &attempt)
}
