//! `hubctl config`: the configuration as a file that is never half-written and never invalid. Reads the file itself, so it
//! works when the hub does not.

mod change;
mod check;
pub(in crate::ctl) mod commit;
mod draft;
mod edit;
mod editor;
mod guard;
mod inside;
mod key;
mod live;
mod lock;
mod machine;
mod recover;
mod review;
mod save;
mod show;
#[cfg(test)]
mod tests;
mod versions;

use std::path::Path;

use anyhow::Result;
use hub_core::config::{LARGEST, Problems, decode};

use super::World;
use super::arguments::{Careful, ConfigVerb};
use super::failure::{Cause, Exit, Failure};
use super::text::counted;
use change::Change;
use review::Consent;

pub(in crate::ctl) use edit::kept;
pub(in crate::ctl) use machine::findings;

pub(super) fn obey(verb: ConfigVerb, world: &mut World) -> Result<Exit> {
    match verb {
        ConfigVerb::Edit { yes, allow_lockout } => edit::edit(world, Consent { yes, allow_lockout }),
        ConfigVerb::Show { effective } => show::show(world, effective),
        ConfigVerb::Get { key } => show::get(world, &key),
        ConfigVerb::Set { key, values, careful } => careful_change(world, Change::Set(key, values), careful),
        ConfigVerb::Unset { key, careful } => careful_change(world, Change::Unset(key), careful),
        ConfigVerb::Add { key, values, careful } => careful_change(world, Change::Add(key, values), careful),
        ConfigVerb::Remove { key, values, careful } => careful_change(world, Change::Remove(key, values), careful),
        ConfigVerb::Check { file } => check::check(world, file.as_deref()),
        ConfigVerb::Diff { what } => versions::diff(world, what.as_deref()),
        ConfigVerb::Perform => inside::perform(world),
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
