//! `hubctl upgrade`: asks, shows the plan, asks the person, and follows. `hub-installer` does the work, in a service of its
//! own: on the host it is asked for by this process, inside the hub by the launcher.

mod automatic;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, ValueHint};
use hub_core::control::environment::Asker;
use hub_core::control::{Reply, Request};
use hub_core::upgrade::{self, Record, Source, State, UpgradeReply, UpgradeRequest};
use hub_system::upgrade::JobStore;
use nix::unistd::{Uid, User};

use super::World;
use super::connect::{self, Place, only_on_the_host};
use super::failure::{Cause, Exit, Failure};
use super::text::printable;

const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long the hub may be away: it restarts in an upgrade, and once more when it goes back.
const ABSENCE_PATIENCE: Duration = Duration::from_secs(180);
/// How long there may be no news: longer than the longest step, an install that downloads packages, may take.
const SILENCE_PATIENCE: Duration = Duration::from_secs(40 * 60);

/// What is asked for.
#[derive(Debug, Args)]
pub(super) struct UpgradeArguments {
    /// A version such as 0.3.1, or 0.3 for the newest 0.3.x, or the tarball of a release with SHA256SUMS and SHA256SUMS.minisig
    /// beside it [default: the newest that can be reached in one step]
    #[arg(value_name = "VERSION|FILE", value_hint = ValueHint::FilePath)]
    which: Option<String>,
    /// Verify the release and show what it would change; change nothing
    #[arg(long)]
    check: bool,
    /// Do it without asking
    #[arg(short, long, conflicts_with = "check")]
    yes: bool,
    /// Show how the latest upgrade went
    #[arg(long, conflicts_with_all = ["which", "check", "yes"])]
    status: bool,
    /// Upgrade without asking if the configuration says so now (upgrade.automatic, upgrade.window, upgrade.max_online),
    /// and say why if not; a timer does this every few minutes
    #[arg(long, conflicts_with_all = ["which", "check", "yes", "status"])]
    automatic: bool,
}

/// Runs the verb.
pub(super) fn run(arguments: &UpgradeArguments, world: &mut World) -> Result<Exit> {
    if arguments.automatic {
        return automatic::run(world);
    }
    let asker = Asker::Host { account: account(world)? };
    if arguments.status {
        return show_status(world, &asker);
    }
    let record = ask_and_follow(world, &asker, &UpgradeRequest::Prepare { source: source(world, arguments.which.as_deref())? })?;
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
    world.printer.say("It continues if you close this terminal; hubctl upgrade --status shows how it went.")?;
    let record = ask_and_follow(world, &asker, &UpgradeRequest::Perform { version })?;
    conclude(world, &record)
}

/// The latest one, and the one before that matters more.
fn show_status(world: &mut World, asker: &Asker) -> Result<Exit> {
    let latest = progress(world, asker, 0)?;
    let Some(record) = latest.record else {
        world.printer.line("There was no upgrade yet.")?;
        return Ok(Exit::Done);
    };
    if let Some(outcome) = latest.outcome.filter(|outcome| outcome.number != record.number && !world.printer.json) {
        world.printer.line(&outcome.describe())?;
    }
    conclude(world, &record)
}

/// What has a slash in it or is called like a tarball is a file.
fn is_file(which: &str) -> bool {
    which.contains('/') || which.ends_with(".tar.gz")
}

/// What is meant. Of files it is what the caller may read that counts, so they are opened and copied here.
fn source(world: &World, which: Option<&str>) -> Result<Source> {
    let Some(which) = which else { return Ok(Source::Newest) };
    if !is_file(which) {
        return Ok(Source::Version(which.to_owned()));
    }
    only_on_the_host(world, "a release in a file", "upgrade FILE")?;
    let [sums, signature] = upgrade::BESIDE;
    let refused = |error: anyhow::Error| {
        let hint = format!("a release is a tarball with `{sums}` and `{signature}` beside it, all three from one place");
        anyhow::Error::from(Failure::new(Cause::Refused, format!("{error:#}"), hint))
    };
    let (caller, path) = (world.caller, world.caller.resolve(Path::new(which)).map_err(refused)?);
    let open = |path: &Path| caller.open(path).map_err(refused);
    let name = path.file_name().and_then(|name| name.to_str()).context("this file is not named like a release")?;
    let beside = [(sums, open(&path.with_file_name(sums))?), (signature, open(&path.with_file_name(signature))?)];
    JobStore::new(&world.paths).take_in(name, &open(&path)?, &beside).map_err(refused)
}

/// Has something done and follows it to its end.
fn ask_and_follow(world: &mut World, asker: &Asker, request: &UpgradeRequest) -> Result<Record> {
    let number = match ask(world, asker, request)? {
        UpgradeReply::Begun { number } => number,
        other => return Err(unexpected(&other).into()),
    };
    let (mut known, mut answered, mut heard) = (0, Instant::now(), Instant::now());
    loop {
        match progress(world, asker, known) {
            Ok(Progress { record, log, known: now_known, .. }) => {
                let record = record.filter(|record| record.number == number).context("another upgrade was begun meanwhile")?;
                (known, answered) = (now_known, Instant::now());
                for line in log.lines() {
                    world.printer.say(&printable(line))?;
                }
                if record.is_over() && log.is_empty() {
                    return Ok(*record);
                }
                if !log.is_empty() {
                    heard = Instant::now();
                } else if heard.elapsed() > SILENCE_PATIENCE {
                    let hint = "systemctl status hubd-upgrade says whether it still runs, hubctl upgrade --status how it ended";
                    let message = "nothing was heard of the upgrade for 40 minutes";
                    return Err(Failure::new(Cause::Failed, message, hint.to_owned()).into());
                }
            }
            Err(error) if answered.elapsed() > ABSENCE_PATIENCE => {
                return Err(error.context("it continues, but this hubctl has lost contact with it"));
            }
            Err(error) => tracing::debug!("asking how it goes: {error:#}"),
        }
        thread::sleep(LOOK_INTERVAL);
    }
}

/// How it goes.
struct Progress {
    record: Option<Box<Record>>,
    outcome: Option<Box<Record>>,
    log: String,
    known: u64,
}

fn progress(world: &World, asker: &Asker, after: u64) -> Result<Progress> {
    match ask(world, asker, &UpgradeRequest::Progress { after })? {
        UpgradeReply::Progress { record, outcome, log, known } => Ok(Progress { record, outcome, log, known }),
        other => Err(unexpected(&other).into()),
    }
}

/// Asks; inside the hub it is the launcher that says who. A refusal is an error.
fn ask(world: &World, asker: &Asker, request: &UpgradeRequest) -> Result<UpgradeReply> {
    let answer = match Place::find(world)? {
        Place::Host(_) => hub_system::upgrade::answer(&world.paths, asker, request),
        Place::Inside(_) | Place::Operator(_) => match connect::ask(world, &Request::Upgrade { ask: request.clone() })? {
            Reply::Upgrade { answer } => answer,
            other => return Err(connect::unexpected(&other).into()),
        },
    };
    match answer {
        UpgradeReply::Refused(refusal) => Err(Failure::from(refusal).into()),
        answer => Ok(answer),
    }
}

/// The account behind sudo.
fn account(world: &World) -> Result<Option<String>> {
    let Some(uid) = world.caller.behind_sudo else { return Ok(None) };
    let user = User::from_uid(Uid::from_raw(uid)).with_context(|| format!("looking up account {uid}"))?;
    Ok(user.map(|user| user.name))
}

fn unexpected(answer: &UpgradeReply) -> Failure {
    Failure::plain(format!("unexpected answer of the hub ({answer:?})"))
}

/// Tells how it ended.
fn conclude(world: &mut World, record: &Record) -> Result<Exit> {
    if world.printer.json {
        world.printer.json(record)?;
    }
    let version = |version: &Option<_>| version.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
    let (from, to) = (version(&record.from), version(&record.to));
    let reason = record.reason.as_deref().unwrap_or("the reason is unknown");
    let (exit, text) = match record.state {
        State::Waiting | State::Running => (Exit::Busy, "It is under way.".to_owned()),
        State::Prepared => (Exit::Done, format!("hubd {to} is verified and can be installed.")),
        State::Unchanged => (Exit::Done, format!("Nothing to change: hubd {to} is installed.")),
        State::Upgraded => (Exit::Done, format!("The hub runs hubd {to}.")),
        State::Refused => (Exit::Refused, format!("{reason}\nNothing was touched.")),
        State::RolledBack => (Exit::RolledBack, format!("{reason}\nThe hub runs hubd {from} again, with the data from before.")),
        State::Failed => (Exit::Failed, reason.to_owned()),
    };
    match exit {
        Exit::Done | Exit::Busy if !world.printer.json => world.printer.line(&text)?,
        Exit::Done | Exit::Busy => {}
        _ => world.printer.error(&text, record.hint.as_deref())?,
    }
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_told_from_a_file() {
        for (which, expected) in [("0.3", false), ("0.3.1-rc.1", false), ("hubd-0.3.0-x86_64.tar.gz", true), ("./0.3", true)] {
            assert_eq!(is_file(which), expected, "{which}");
        }
    }
}
