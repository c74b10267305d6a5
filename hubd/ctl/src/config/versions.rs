//! `hubctl config diff`, `history`, `rollback`, `apply`: the file in force beside other versions of it.

use std::path::Path;

use anyhow::Result;
use hub_core::config::history::{Entry, History, How, State};
use hub_core::config::{self, Config};
use hub_core::control::change::Outcome;
use hub_system::config_store::Turn;
use serde::Serialize;

use super::super::World;
use super::super::connect::only_on_the_host;
use super::super::failure::{Cause, Exit, Failure};
use super::super::output::{Cell, Table, Tone};
use super::super::text::moment;
use super::live::Live;
use super::lock;
use super::review::{Consent, Review};
use super::save::{save, untouched};

/// What `hubctl config history --json` prints.
#[derive(Debug, Serialize)]
struct Versions {
    versions: Vec<Entry>,
}

pub(super) fn diff(world: &mut World, what: Option<&Path>) -> Result<Exit> {
    only_on_the_host(world, "the configuration", "config diff")?;
    let live = Live::read(world)?;
    let history = History::open(&world.paths);
    let (before, name, after) = match what {
        None => {
            let live = (world.paths.config_file().display().to_string(), live.text(world)?.text);
            match history.last_healthy()? {
                Some(entry) => (history.text(entry.number)?, live.0, live.1),
                None => {
                    let hint = "hubctl config apply puts the file in force as it is".to_owned();
                    return Err(Failure::new(Cause::Failed, "there is no earlier version to compare with", hint).into());
                }
            }
        }
        Some(path) => match number(world, path)? {
            Some(number) => (live.lossy(), format!("version {number}"), history.text(number)?),
            None => (live.lossy(), path.display().to_string(), super::read_argument(world, path)?),
        },
    };
    let new = parse(&after, &name)?;
    let review = Review::new(world, &before, after, &new)?;
    if world.printer.json {
        untouched(world, Outcome::DryRun, Some(&review), "")?;
        return Ok(Exit::Done);
    }
    let lines = review.lines(world.printer.color);
    if lines.is_empty() {
        world.printer.say("There is no difference.")?;
    }
    for line in lines {
        writeln!(world.printer.output, "{line}")?;
    }
    for lockout in &review.lockouts {
        world.printer.warn(&format!("warning: {lockout}"))?;
    }
    Ok(Exit::Done)
}

pub(super) fn history(world: &mut World) -> Result<Exit> {
    only_on_the_host(world, "the configuration's history", "config history")?;
    let versions = History::open(&world.paths).entries()?;
    if world.printer.json {
        world.printer.json(&Versions { versions })?;
        return Ok(Exit::Done);
    }
    if versions.is_empty() {
        world.printer.say("There is no version yet: the first comes with the first change by hubctl config.")?;
        return Ok(Exit::Done);
    }
    let last_healthy = versions.iter().rev().find(|entry| entry.state == State::Healthy).map(|entry| entry.number);
    let mut table = Table::with_heading(["VERSION", "SAVED", "BY", "WITH", "STATE", "NOTE"]);
    for entry in versions.iter().rev() {
        let (state, tone) = match entry.state {
            State::Healthy if Some(entry.number) == last_healthy => ("last healthy", Tone::Good),
            State::Healthy => ("healthy", Tone::Plain),
            State::Pending => ("not confirmed", Tone::Warning),
            State::RolledBack => ("rolled back", Tone::Bad),
        };
        let saved = moment(&entry.saved, world.now, &world.zone);
        let with = match entry.how {
            How::Edit => "edit",
            How::Set => "set",
            How::Rollback => "rollback",
            How::Apply => "apply",
            How::Env => "env",
            How::Installer => "hub-installer",
        };
        let note = entry.reason.as_deref().unwrap_or_default();
        let number = entry.number.to_string();
        table.row([number.into(), saved.into(), entry.who.as_str().into(), with.into(), Cell::new(state, tone), note.into()]);
    }
    world.printer.table(&table)?;
    Ok(Exit::Done)
}

pub(super) fn rollback(world: &mut World, number: Option<u32>, consent: Consent, dry_run: bool) -> Result<Exit> {
    only_on_the_host(world, "the configuration", "config rollback")?;
    let turn = if dry_run { None } else { Some(lock::take(world)?) };
    let (live, history) = (Live::read(world)?.lossy(), History::open(&world.paths));
    let number = match number {
        Some(number) => number,
        None => before_this_one(&history, &live)?,
    };
    let text = history.text(number)?;
    if text == live {
        untouched(world, Outcome::Unchanged, None, &format!("The file already is version {number}; nothing to do."))?;
        return Ok(Exit::Done);
    }
    let new = parse(&text, &format!("version {number}"))?;
    let review = Review::new(world, &live, text, &new)?;
    finish(world, &review, Some(&format!("Go back to version {number}?")), consent, turn.as_ref(), How::Rollback)
}

pub(super) fn apply(world: &mut World, file: Option<&Path>, consent: Consent, dry_run: bool) -> Result<Exit> {
    only_on_the_host(world, "the configuration", "config apply")?;
    let turn = if dry_run { None } else { Some(lock::take(world)?) };
    let live = Live::read(world)?;
    if let Some(file) = file {
        let text = super::read_argument(world, file)?;
        let new = parse(&text, &file.display().to_string())?;
        let review = Review::new(world, &live.lossy(), text, &new)?;
        return finish(world, &review, Some("Save this and put it in force?"), consent, turn.as_ref(), How::Apply);
    }
    let text = live.text(world)?.text;
    let new = parse(&text, &world.paths.config_file().display().to_string())?;
    let history = History::open(&world.paths);
    let before = match history.last_healthy()? {
        Some(entry) => history.text(entry.number)?,
        None => text.clone(),
    };
    let review = Review::new(world, &before, text, &new)?;
    finish(world, &review, None, consent, turn.as_ref(), How::Apply)
}

/// Shows, asks, saves; without a turn it only shows.
fn finish(
    world: &mut World,
    review: &Review,
    question: Option<&str>,
    consent: Consent,
    turn: Option<&Turn>,
    how: How,
) -> Result<Exit> {
    review.show(world)?;
    let Some(turn) = turn else {
        untouched(world, Outcome::DryRun, Some(review), "Nothing was changed: this was a dry run.")?;
        return Ok(Exit::Done);
    };
    if !review.agreed(world, consent, question)? {
        return Err(Failure::new(Cause::Refused, "nothing was changed", None).into());
    }
    save(world, turn, review, how)
}

/// The newest version that was well and says something else than `live`.
fn before_this_one(history: &History, live: &str) -> Result<u32> {
    for entry in history.entries()?.into_iter().rev().filter(|entry| entry.state == State::Healthy) {
        if history.text(entry.number)? != live {
            return Ok(entry.number);
        }
    }
    let hint = "hubctl config history lists the versions there are".to_owned();
    Err(Failure::new(Cause::Failed, "there is no earlier version to go back to", hint).into())
}

fn parse(text: &str, name: &str) -> Result<Config, Failure> {
    config::parse(text, name).map_err(|problems| super::invalid(&problems))
}

/// A version, where the argument is a number and not a file that is called so.
fn number(world: &World, path: &Path) -> Result<Option<u32>> {
    match path.to_str().and_then(|text| text.parse().ok()) {
        Some(number) if !world.caller.sees(path)? => Ok(Some(number)),
        _ => Ok(None),
    }
}
