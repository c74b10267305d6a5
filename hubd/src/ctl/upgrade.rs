//! `hubctl upgrade`: leaves the job, shows the plan, asks, and follows. `hub-installer` does the work, in a service of its own.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use hub_core::upgrade::{Archive, Left, Record, Source, State, Task};
use nix::unistd::{Uid, User};

use super::World;
use super::connect::only_on_the_host;
use super::failure::{Cause, Exit, Failure};
use super::text::printable;

const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// What is asked for.
#[derive(Debug, Args)]
pub(super) struct UpgradeArguments {
    /// The tarball of a release, with SHA256SUMS and SHA256SUMS.minisig beside it
    #[arg(value_name = "FILE", required_unless_present = "status")]
    file: Option<PathBuf>,
    /// Verify the release and show what it would change; change nothing
    #[arg(long)]
    check: bool,
    /// Do it without asking
    #[arg(short, long, conflicts_with = "check")]
    yes: bool,
    /// Show how the latest upgrade went
    #[arg(long, conflicts_with_all = ["file", "check", "yes"])]
    status: bool,
}

/// Obeys.
pub(super) fn obey(arguments: UpgradeArguments, world: &mut World) -> Result<Exit> {
    only_on_the_host(world, "an upgrade", "upgrade FILE")?;
    let archive = Archive::new(&world.paths);
    let Some(file) = arguments.file else {
        let Some(record) = archive.record()? else {
            world.printer.line("There was no upgrade yet.")?;
            return Ok(Exit::Done);
        };
        return conclude(world, &record);
    };
    let file = find(&file)?;
    let record = run(world, &archive, Task::Prepare(Source::File(file)))?;
    let Some(version) = record.to.clone().filter(|_| record.state == State::Prepared) else {
        return conclude(world, &record);
    };
    if !world.printer.json {
        let from = record.from.as_ref().map_or_else(String::new, |from| format!(" from {from}"));
        world.printer.line(&format!("The upgrade{from} to {version} changes:"))?;
        for step in &record.plan {
            world.printer.line(&format!("  {}", printable(step)))?;
        }
    }
    if arguments.check {
        return if world.printer.json { conclude(world, &record) } else { Ok(Exit::Done) };
    }
    if !arguments.yes {
        world.confirm("People's servers run on, and the hub restarts within a moment. Upgrade?")?;
    }
    world.printer.say("It goes on when this terminal closes; hubctl upgrade --status tells how it went.")?;
    let record = run(world, &archive, Task::Perform(version))?;
    conclude(world, &record)
}

fn find(file: &Path) -> Result<PathBuf, Failure> {
    let found = std::fs::canonicalize(file);
    found.map_err(|error| Failure::plain(format!("release `{}`: {error}", file.display())))
}

/// Has a task done and follows it to its end.
fn run(world: &mut World, archive: &Archive, task: Task) -> Result<Record> {
    let when = world.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let number = match archive.submit(who(world)?, when, task)? {
        Left::Begun(number) => number,
        Left::Busy(record) => {
            let message = format!("an upgrade is under way, asked for by {} at {}", record.who, record.when);
            let hint = "hubctl upgrade --status tells how it went".to_owned();
            return Err(Failure::new(Cause::Busy, message, hint).into());
        }
    };
    let mut known = 0;
    loop {
        let record = archive.record()?.filter(|record| record.number == number).context("another upgrade was begun meanwhile")?;
        let (log, after) = archive.read_log(known)?;
        known = after;
        for line in log.lines() {
            world.printer.say(&printable(line))?;
        }
        if record.is_over() && log.is_empty() {
            return Ok(record);
        }
        thread::sleep(LOOK_INTERVAL);
    }
}

fn who(world: &World) -> Result<String> {
    let uid = world.caller.behind_sudo.unwrap_or(world.caller.uid);
    let user = User::from_uid(Uid::from_raw(uid)).with_context(|| format!("looking up account {uid}"))?;
    Ok(user.map_or_else(|| format!("uid {uid}"), |user| user.name))
}

/// Tells how it ended.
fn conclude(world: &mut World, record: &Record) -> Result<Exit> {
    if world.printer.json {
        world.printer.json(record)?;
    }
    let version = |version: &Option<_>| version.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
    let (from, to) = (version(&record.from), version(&record.to));
    let reason = record.reason.as_deref().unwrap_or("it is not known why");
    let (exit, text) = match record.state {
        State::Waiting | State::Running => (Exit::Busy, "It is under way.".to_owned()),
        State::Prepared => (Exit::Done, format!("hubd {to} is verified and can be installed.")),
        State::Unchanged => (Exit::Done, format!("Nothing to change: hubd {to} is installed.")),
        State::Upgraded => (Exit::Done, format!("The hub runs with hubd {to}.")),
        State::Refused => (Exit::Refused, format!("{reason}\nNothing was touched.")),
        State::RolledBack => (Exit::RolledBack, format!("{reason}\nThe hub runs with hubd {from} again, with its data of before.")),
        State::Failed => (Exit::Failed, reason.to_owned()),
    };
    match exit {
        Exit::Done | Exit::Busy if !world.printer.json => world.printer.line(&text)?,
        Exit::Done | Exit::Busy => {}
        _ => world.printer.error(&text, record.hint.as_deref())?,
    }
    Ok(exit)
}
