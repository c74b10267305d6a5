//! `hubctl config`: the configuration as a file that is never half-written and never invalid. Reads the file itself, so it
//! works when the hub does not.

mod change;
mod check;
pub(crate) mod commit;
mod draft;
mod edit;
mod editor;
mod inside;
mod key;
mod key_change;
mod live;
mod lock;
mod lockout;
mod perform;
mod recover;
mod review;
mod save;
mod show;
#[cfg(test)]
mod tests;
mod versions;

use std::path::Path;

use anyhow::Result;
use hub_core::config::history::How;
use hub_core::config::{LARGEST, Problems, decode, parse};

use super::World;
use super::arguments::{Careful, ConfigVerb, Entries};
use super::failure::{Cause, Exit, Failure};
use super::text::counted;
use key_change::Change;
use review::Consent;

pub(super) fn run(verb: ConfigVerb, world: &mut World) -> Result<Exit> {
    match verb {
        ConfigVerb::Edit { yes, allow_lockout } => edit::edit(world, Consent { yes, allow_lockout }),
        ConfigVerb::Show { effective } => show::show(world, effective),
        ConfigVerb::Get { key } => show::get(world, &key),
        ConfigVerb::Set { key, values, careful } => careful_change(world, Change::Set(key, values), careful),
        ConfigVerb::Unset { key, careful } => careful_change(world, Change::Unset(key), careful),
        ConfigVerb::Add(Entries { key, values, careful }) => careful_change(world, Change::Add(key, values), careful),
        ConfigVerb::Remove(Entries { key, values, careful }) => careful_change(world, Change::Remove(key, values), careful),
        ConfigVerb::Check { file } => check::check(world, file.as_deref()),
        ConfigVerb::Diff { what } => versions::diff(world, what.as_deref()),
        ConfigVerb::Perform => perform::perform(world),
        ConfigVerb::Recover => recover::recover(world),
        ConfigVerb::History => versions::history(world),
        ConfigVerb::Rollback { number, yes, careful } => {
            versions::rollback(world, number, consent(yes, careful), careful.dry_run)
        }
        ConfigVerb::Apply { file, yes, careful } => {
            versions::apply(world, file.as_deref(), consent(yes, careful), careful.dry_run)
        }
    }
}

/// Has `edit` change the text in force, and puts what comes of it in force; nothing is done where it is the same.
pub(crate) fn put_in_force(world: &mut World, how: How, edit: impl FnOnce(&str) -> Result<String>) -> Result<Exit> {
    let turn = lock::take(world)?;
    let live = live::Live::read(world)?;
    let before = if live.bytes.is_none() { String::new() } else { live.text(world)?.text };
    let text = edit(&before)?;
    if text == before {
        return Ok(Exit::Done);
    }
    let new = parse(&text, &world.paths.config_file().display().to_string()).map_err(|problems| invalid(&problems))?;
    let review = review::Review::new(world, &before, text, &new)?;
    save::save(world, &turn, &review, how)
}

fn careful_change(world: &mut World, what: Change, careful: Careful) -> Result<Exit> {
    change::change(world, &what, consent(true, careful), careful.dry_run)
}

fn consent(yes: bool, careful: Careful) -> Consent {
    Consent { yes, allow_lockout: careful.allow_lockout }
}

/// A file named as an argument, read as the one who called sudo.
fn read_argument(world: &mut World, path: &Path) -> Result<String> {
    let content = world.caller.read(path, LARGEST, world.input)?;
    let decoded = decode(&content).map_err(|problem| {
        Failure::new(Cause::Failed, format!("`{}` can't be read: {problem}", path.display()), problem.hint().to_owned())
    })?;
    for notice in &decoded.notices {
        world.printer.say(&format!("note: {notice}"))?;
    }
    Ok(decoded.text)
}

fn invalid(problems: &Problems) -> Failure {
    let count = counted(problems.diagnostics.len(), "problem", "problems");
    Failure::plain(format!("{count} in the configuration\n{problems}"))
}
