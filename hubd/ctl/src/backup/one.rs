//! One file of one person.

use std::path::Path;

use anyhow::Result;
use hub_backup::one_file;
use hub_core::accounts::Username;
use serde::Serialize;

use super::Place;
use crate::World;
use crate::arguments::backup::RestoreArguments;
use crate::failure::Exit;

/// What `hubctl backup restore --person --json` prints.
#[derive(Debug, Serialize)]
struct Brought<'a> {
    person: &'a Username,
    backup: &'a str,
    /// Where it is, below the home.
    path: String,
}

pub(super) fn bring(world: &mut World, what: &RestoreArguments, person: &Username, path: &Path) -> Result<Exit> {
    let place = Place::find(world, &what.from)?;
    let backup = place.choose(world, what.snapshot.as_deref(), true)?.id;
    let brought = one_file::bring(&world.paths, &place.restic, &backup, person, path, &world.zone)?;
    let path = brought.display().to_string();
    if world.printer.json {
        world.printer.json(&Brought { person, backup: &backup, path })?;
    } else {
        world.printer.line(&format!("{path} is in the home of {person}, as it was in backup {backup}."))?;
    }
    Ok(Exit::Done)
}
