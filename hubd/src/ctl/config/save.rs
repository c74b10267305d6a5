//! Making a reviewed text the configuration, and saying what came of it.

use anyhow::Result;
use hub_core::config::effects::Change;
use hub_core::config::history::How;
use serde::Serialize;

use super::super::World;
use super::super::failure::Exit;
use super::super::interruption::Doing;
use super::commit::{Outcome, Report, commit};
use super::review::Review;

/// What a verb that changes the configuration prints with `--json`.
#[derive(Debug, Serialize)]
pub(super) struct Saved<'a> {
    /// `applied`, `saved_not_applied`, `rolled_back`, `unchanged` or `dry_run`.
    pub(super) outcome: &'a str,
    /// Which version it is in the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<u32>,
    /// Why it is not in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'a str>,
    /// What was done to put it in force, one sentence each.
    pub(super) done: &'a [String],
    /// What to know about it, one sentence each.
    pub(super) warnings: &'a [String],
    /// The settings that have another value.
    pub(super) changes: &'a [Change],
    /// Whom it shuts out, one sentence each.
    pub(super) lockouts: &'a [String],
}

/// Saves a text and puts it in force.
pub(super) type Commit<'a> = &'a mut dyn FnMut(&mut World, &str, How) -> Result<Outcome>;

/// Saves what was reviewed and puts it in force. The caller holds the configuration's lock.
pub(super) fn save(world: &mut World, review: &Review, how: How) -> Result<Exit> {
    save_with(world, review, how, &mut commit)
}

/// As [`save`], by `commit`.
pub(super) fn save_with(world: &mut World, review: &Review, how: How, commit: Commit) -> Result<Exit> {
    world.interruptions.watch(None)?;
    world.interruptions.now(Doing::Unbroken);
    let outcome = commit(world, &review.text, how);
    world.interruptions.now(Doing::Asking);
    let outcome = outcome?;
    let exit = outcome.exit();
    let (name, version, reason, report) = match outcome {
        Outcome::Applied(report) => ("applied", report.number, None, report),
        Outcome::SavedNotApplied { number, reason } => ("saved_not_applied", number, Some(reason), Report::default()),
        Outcome::RolledBack { number, reason } => ("rolled_back", number, Some(reason), Report::default()),
    };
    if world.printer.json {
        world.printer.json(&Saved {
            outcome: name,
            version: Some(version),
            reason: reason.as_deref(),
            done: &report.done,
            warnings: &report.warnings,
            changes: &review.changes,
            lockouts: &review.lockouts,
        })?;
    }
    let reason = reason.unwrap_or_default();
    match exit {
        Exit::NotApplied => world.printer.error(
            &format!("saved as version {version}, but not in force: {reason}"),
            Some("hubctl status says how the hub is, hubctl config apply tries again"),
        )?,
        Exit::RolledBack => world.printer.error(
            &format!("the hub failed its health check with it, so the previous configuration is in force again: {reason}"),
            Some(&format!("the text is kept as version {version}: hubctl config history")),
        )?,
        _ if world.printer.json => {}
        _ => {
            for line in &report.done {
                world.printer.say(line)?;
            }
            for warning in &report.warnings {
                world.printer.say(&format!("warning: {warning}"))?;
            }
            world.printer.say(&format!("Saved as version {version}, and in force."))?;
        }
    }
    Ok(exit)
}

/// Says that there was nothing to do, or nothing was to be done.
pub(super) fn untouched(world: &mut World, outcome: &str, review: Option<&Review>, text: &str) -> Result<()> {
    if world.printer.json {
        let changes = review.map(|review| review.changes.as_slice()).unwrap_or_default();
        let lockouts = review.map(|review| review.lockouts.as_slice()).unwrap_or_default();
        world.printer.json(&Saved { outcome, version: None, reason: None, done: &[], warnings: &[], changes, lockouts })?;
        return Ok(());
    }
    Ok(world.printer.say(text)?)
}
