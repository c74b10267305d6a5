//! From a text that is to be the configuration to a hub that runs with it, or with the one before: saved with a record,
//! put in force, asked from outside, and taken back when the hub is not well.

mod applied;
mod apply;
mod health;
mod homes;
mod listener;
mod network;
mod operators;
#[cfg(test)]
mod tests;
mod tls;

use std::io::ErrorKind;

use anyhow::{Context, Result};
use hub_core::config::history::{History, How, State};
use hub_core::config::{self, Config};
use hub_system::config_store::Turn;
use nix::unistd::{Uid, User};
use serde::Serialize;

use applied::Applied;
use apply::Way;
pub(super) use apply::remind;
use health::Files;

use super::super::World;
use super::super::failure::Exit;

/// What came of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It is in force, and the hub is well.
    Applied(Report),
    /// It is saved and will be in force one day; why not now.
    SavedNotApplied {
        /// Which version it is.
        number: u32,
        /// Why.
        reason: String,
    },
    /// The configuration before it is in force again; why.
    RolledBack {
        /// Which version was taken back.
        number: u32,
        /// Why.
        reason: String,
    },
}

impl Outcome {
    /// How the program ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Applied(_) => Exit::Done,
            Self::SavedNotApplied { .. } => Exit::NotApplied,
            Self::RolledBack { .. } => Exit::RolledBack,
        }
    }
}

/// What was done to put a configuration in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    /// Which version it is.
    pub(crate) number: u32,
    /// What happened, one sentence each.
    pub(crate) done: Vec<String>,
    /// What whoever did it should know, one sentence each.
    pub(crate) warnings: Vec<String>,
}

/// Makes `text` the configuration.
///
/// # Errors
/// When `text` is no valid configuration or could not be saved: nothing has changed then. Or when the configuration
/// before it could not be put back either.
pub(crate) fn commit(world: &mut World, turn: &Turn, text: &str, how: How) -> Result<Outcome> {
    let path = world.paths.config_file();
    let new = config::parse(text, &path.display().to_string()).map_err(|problems| super::invalid(&problems))?;
    let history = History::open(&world.paths);
    let before = Before::find(world, &history, text)?;
    homes::check(before.config(), &new)?;
    if let Some(stale) = history.pending()? {
        history.leave_open(stale.number, "the program that saved it was ended before the hub had been asked")?;
    }
    before.remember(world, &history)?;
    let number = history.begin(text, &who(world)?, how, world.now)?.number;
    if let Err(error) = turn.save(text) {
        history.settle(number, State::RolledBack, Some(&format!("{error:#}")))?;
        return Err(error);
    }
    let reason = match apply::apply(world, before.config(), &new, Way::Forth) {
        Ok(Applied { is_running: false, .. }) => {
            let reason = "the hub is not running; it starts with this configuration".to_owned();
            history.leave_open(number, &reason)?;
            return Ok(Outcome::SavedNotApplied { number, reason });
        }
        Ok(mut applied) => match health::wait(world, &new, before.files(&new), health::HEALTH_DEADLINE) {
            Ok(https_problem) => {
                history.settle(number, State::Healthy, None)?;
                let finding = |problem| format!("https is not well, which this change neither caused nor cured: {problem}");
                applied.warnings.extend(https_problem.filter(|_| before.files(&new) == Files::Known).map(finding));
                return Ok(Outcome::Applied(Report { number, done: applied.done, warnings: applied.warnings }));
            }
            Err(error) => format!("{error:#}"),
        },
        Err(error) => format!("{error:#}"),
    };
    let Before::Valid { text: old_text, config: old, problem: None, files } = before else {
        // What was there before was no better, so there is nothing to go back to.
        history.leave_open(number, &reason)?;
        return Ok(Outcome::SavedNotApplied { number, reason });
    };
    tracing::warn!(number, reason, "taking a configuration back");
    turn.save(&old_text)?;
    let restored =
        apply::apply(world, Some(&new), &old, Way::Back).and_then(|_| health::wait(world, &old, files, health::HEALTH_DEADLINE));
    history.settle(number, State::RolledBack, Some(&reason))?;
    restored.with_context(|| {
        format!("version {number} of the configuration was taken back ({reason}), but the hub fails its health check with the previous one, too")
    })?;
    Ok(Outcome::RolledBack { number, reason })
}

/// What was in force until now, and what can be gone back to.
enum Before {
    Valid {
        text: String,
        config: Box<Config>,
        /// Why the hub is not well with it.
        problem: Option<String>,
        /// What can be asked of its certificate files when it is gone back to: no more than now.
        files: Files,
    },
    Nothing,
}

impl Before {
    /// The live file, or, when that is `new` already or no configuration, the last healthy version; and whether the hub is
    /// well with it.
    fn find(world: &World, history: &History, new: &str) -> Result<Self> {
        let path = world.paths.config_file();
        let live = match fs_err::read(&path) {
            // What is no text can't be gone back to.
            Ok(bytes) => config::decode(&bytes).ok().map(|decoded| decoded.text),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error).context("reading the configuration in force"),
        };
        let healthy = history.last_healthy()?.map(|entry| history.text(entry.number)).transpose()?;
        for text in live.into_iter().chain(healthy).filter(|text| text != new) {
            // One that this version can't read any more can't be gone back to either.
            let Ok(config) = config::parse(&text, &path.display().to_string()) else { continue };
            let (problem, files) = match health::wait(world, &config, Files::Known, health::REST_DEADLINE) {
                Ok(https_problem) => (None, if https_problem.is_some() { Files::Known } else { Files::New }),
                Err(error) => (Some(format!("{error:#}")), Files::Known),
            };
            return Ok(Self::Valid { text, config: Box::new(config), problem, files });
        }
        Ok(Self::Nothing)
    }

    /// A healthy one that came to be by other means is a version like any other, so that a power cut can go back to it.
    fn remember(&self, world: &World, history: &History) -> Result<()> {
        let Self::Valid { text, problem: None, .. } = self else { return Ok(()) };
        history.remember_healthy(text, "unknown", How::Apply, world.now)
    }

    /// Whether `new` takes its certificate from elsewhere than before.
    fn files(&self, new: &Config) -> Files {
        let method = |config: &Config| config.https.as_ref().map(|https| https.method.clone());
        if self.config().is_some_and(|old| method(old) == method(new)) { Files::Known } else { Files::New }
    }

    fn config(&self) -> Option<&Config> {
        match self {
            Self::Valid { config, .. } => Some(config),
            Self::Nothing => None,
        }
    }
}

/// Whoever changes the configuration: somebody who asked through the hub, or an account of the machine, the one behind sudo where
/// there is one.
fn who(world: &World) -> Result<String> {
    if let Some(requester) = &world.on_behalf_of {
        return Ok(requester.to_string());
    }
    let uid = world.caller.behind_sudo.unwrap_or(world.caller.uid);
    let user = User::from_uid(Uid::from_raw(uid)).with_context(|| format!("looking up account {uid}"))?;
    Ok(user.map_or_else(|| format!("uid {uid}"), |user| user.name))
}

/// Writes the live file and what is made of it for others, and starts nothing. `true`: systemd has to read its units again.
pub(super) fn write_files(world: &World, turn: &Turn, text: &str, config: &Config) -> Result<bool> {
    turn.save(text)?;
    if let Err(error) = network::write(world, config) {
        tracing::warn!("telling servers of the package index: {error:#}");
    }
    let homes = homes::write(world, config).unwrap_or_else(|error| {
        tracing::warn!("telling the launcher where homes are made: {error:#}");
        false
    });
    Ok(listener::write(world, config)? || homes)
}
