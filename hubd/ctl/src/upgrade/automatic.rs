//! Upgrades by themselves: `hubd-auto-upgrade.timer` asks every few minutes, and here it is decided whether this is a time
//! for it. Everything else is as when a person asks.

use anyhow::Result;
use hub_core::config::{self, Upgrade};
use hub_core::control::environment::Asker;
use hub_core::control::{HubStatus, Reply, Request, ServerPhase};
use hub_core::upgrade::{Record, Source, State, UpgradeRequest};
use hub_system::upgrade::JobStore;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::super::World;
use super::super::connect::{self, only_on_the_host};
use super::super::failure::{Cause, Exit, Failure};
use super::super::text::counted;
use super::{ask_and_follow, conclude};

/// From one look at what there is to the next; longer than most windows.
const PAUSE: SignedDuration = SignedDuration::from_hours(6);

/// Upgrades if this is the time for it, and says why if not.
pub(super) fn run(world: &mut World) -> Result<Exit> {
    only_on_the_host(world, "upgrading by itself", "upgrade --automatic")?;
    let path = world.paths.config_file();
    let wanted = match config::read(&path) {
        Ok(loaded) => loaded.config.upgrade,
        Err(error) => return Err(anyhow::Error::from(error).context("the configuration decides about upgrades")),
    };
    let latest = JobStore::new(&world.paths).record()?;
    if let Some(reason) = too_early(&wanted, latest.as_ref(), &Zoned::now()) {
        world.printer.line(&format!("Not now: {reason}."))?;
        return Ok(Exit::Done);
    }
    let status = match connect::ask(world, &Request::Status)? {
        Reply::Status(status) => status,
        other => return Err(connect::unexpected(&other).into()),
    };
    if let Some(problem) = &status.launcher_problem {
        let hint = "automatic upgrades only start from a healthy hub: sudo hubctl status".to_owned();
        return Err(Failure::new(Cause::Failed, format!("the launcher does not answer: {problem}"), hint).into());
    }
    let online = online(&status);
    if online as u64 > wanted.max_online {
        let people = counted(online, "person has", "people have");
        let text = format!("Not now: {people} a server that runs, and upgrade.max_online is {}.", wanted.max_online);
        world.printer.line(&text)?;
        return Ok(Exit::Done);
    }
    let record = ask_and_follow(world, &Asker::Timer, &UpgradeRequest::Prepare { source: Source::Untried })?;
    let Some(version) = record.to.clone().filter(|_| record.state == State::Prepared) else {
        return conclude(world, &record);
    };
    let record = ask_and_follow(world, &Asker::Timer, &UpgradeRequest::Perform { version })?;
    conclude(world, &record)
}

/// Why nothing is to be done at `now`, as far as the clock and the configuration go.
fn too_early(wanted: &Upgrade, latest: Option<&Record>, now: &Zoned) -> Option<String> {
    if !wanted.automatic {
        return Some("upgrade.automatic is off".to_owned());
    }
    let (hour, minute) = (u32::try_from(now.hour()).ok()?, u32::try_from(now.minute()).ok()?);
    if !wanted.window.contains(hour, minute) {
        return Some(format!("it is {hour:02}:{minute:02} here, and upgrade.window is {}", wanted.window));
    }
    let latest = latest.filter(|latest| latest.who == Asker::Timer.to_string())?;
    let last: Timestamp = latest.when.parse().ok()?;
    let since = now.timestamp().duration_since(last);
    // A clock that was set back is no reason to wait.
    let is_recent = since >= SignedDuration::ZERO && since < PAUSE;
    is_recent.then(|| format!("the last check was {}, and the next is {} hours later", latest.when, PAUSE.as_hours()))
}

/// People whose server runs or is about to.
fn online(status: &HubStatus) -> usize {
    let is_there = |phase| matches!(phase, ServerPhase::Running | ServerPhase::Starting | ServerPhase::Queued);
    status.servers.iter().filter(|server| is_there(server.phase)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(text: &str) -> Upgrade {
        config::parse(&format!("[upgrade]\nsource = \"https://x.example\"\n{text}"), "config.toml").unwrap().upgrade
    }

    fn record(who: &str, when: &str) -> Record {
        let (from, to, reason, hint) = (None, None, None, None);
        Record {
            number: 1,
            who: who.into(),
            when: when.into(),
            state: State::Unchanged,
            from,
            to,
            plan: Vec::new(),
            reason,
            hint,
        }
    }

    #[test]
    fn only_when_it_is_wanted_and_in_the_window_of_this_place() {
        // In Berlin it is 03:30 then.
        let now: Zoned = "2026-11-21T03:30:00[Europe/Berlin]".parse().unwrap();
        for (text, reason) in [
            ("", Some("automatic is off")),
            ("automatic = true", None),
            ("automatic = true\nwindow = \"02:00-03:00\"", Some("it is 03:30 here, and upgrade.window is 02:00-03:00")),
            ("automatic = true\nwindow = \"22:00-04:00\"", None),
        ] {
            match (too_early(&wanted(text), None, &now), reason) {
                (None, None) => {}
                (Some(found), Some(reason)) => assert!(found.contains(reason), "{text}: {found}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn it_looks_once_in_a_window_and_people_do_not_count() {
        let now: Zoned = "2026-11-21T03:30:00[UTC]".parse().unwrap();
        let itself = Asker::Timer.to_string();
        for (who, when, waits) in [
            (itself.as_str(), "2026-11-21T03:05:00Z", true),
            (itself.as_str(), "2026-11-20T03:05:00Z", false),
            (itself.as_str(), "2027-01-01T00:00:00Z", false),
            ("ada", "2026-11-21T03:05:00Z", false),
        ] {
            let found = too_early(&wanted("automatic = true"), Some(&record(who, when)), &now);
            assert_eq!(found.is_some(), waits, "{who} {when}: {found:?}");
        }
    }
}
