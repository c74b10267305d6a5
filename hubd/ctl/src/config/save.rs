//! Making a reviewed text the configuration, and saying what came of it.

use anyhow::Result;
use hub_core::config::history::How;
use hub_core::control::change::{self, Saved};
use hub_system::config_store::Turn;

use super::super::World;
use super::super::failure::Exit;
use super::super::interruption::Doing;
use super::commit::{Outcome, Report, commit};
use super::review::Review;

/// Saves a text and puts it in force.
pub(super) type Commit<'a> = &'a mut dyn FnMut(&mut World, &Turn, &str, How) -> Result<Outcome>;

/// Saves what was reviewed and puts it in force.
pub(super) fn save(world: &mut World, turn: &Turn, review: &Review, how: How) -> Result<Exit> {
    save_with(world, turn, review, how, &mut commit)
}

/// As [`save`], by `commit`.
pub(super) fn save_with(world: &mut World, turn: &Turn, review: &Review, how: How, commit: Commit) -> Result<Exit> {
    world.interruptions.watch(None)?;
    world.interruptions.now(Doing::Unbroken);
    let outcome = commit(world, turn, &review.text, how);
    world.interruptions.now(Doing::Asking);
    let outcome = outcome?;
    let exit = outcome.exit();
    let (came, version, reason, report) = match outcome {
        Outcome::Applied(report) => (change::Outcome::Applied, report.number, None, report),
        Outcome::SavedNotApplied { number, reason } => {
            (change::Outcome::SavedNotApplied, number, Some(reason), Report::default())
        }
        Outcome::RolledBack { number, reason } => (change::Outcome::RolledBack, number, Some(reason), Report::default()),
    };
    if world.printer.json {
        world.printer.json(&Saved {
            outcome: came,
            version: Some(version),
            reason: reason.clone(),
            done: report.done.clone(),
            warnings: report.warnings.clone(),
            changes: review.changes.clone(),
            lockouts: review.lockouts.clone(),
        })?;
    }
    let reason = reason.unwrap_or_default();
    match exit {
        Exit::NotApplied => world.printer.error(
            &format!("saved as version {version}, but not applied: {reason}"),
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
pub(super) fn untouched(world: &mut World, outcome: change::Outcome, review: Option<&Review>, text: &str) -> Result<()> {
    if world.printer.json {
        let of = |part: fn(&Review) -> &[String]| review.map(|review| part(review).to_vec()).unwrap_or_default();
        world.printer.json(&Saved {
            outcome,
            version: None,
            reason: None,
            done: Vec::new(),
            warnings: of(|review| &review.warnings),
            changes: review.map(|review| review.changes.clone()).unwrap_or_default(),
            lockouts: of(|review| &review.lockouts),
        })?;
        return Ok(());
    }
    Ok(world.printer.say(text)?)
}
