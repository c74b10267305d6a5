//! `hubctl backup init`: a place, a password, and two lines in the configuration.

use std::path::Path;

use anyhow::{Result, anyhow};
use hub_backup::{Restic, repository};
use hub_core::backup::Record;
use hub_core::config::history::How;
use hub_core::config::{self, Repository, edit};
use jiff::Timestamp;

use super::{Password, given_password};
use crate::World;
use crate::config::put_in_force;
use crate::failure::{Cause, Exit, Failure};

pub(super) fn init(world: &mut World, place: &Repository, password_file: Option<&Path>) -> Result<Exit> {
    // As who calls, and before anything is done.
    let given = password_file.map(|file| given_password(world, Some(file), place)).transpose()?;
    let config = config::read(&world.paths.config_file())?.config;
    if let Some(other) = config.backup.repository.as_ref().filter(|other| *other != place) {
        world.printer.say(&format!("Backups went to {other} so far; those there stay as they are."))?;
    }
    let password = config.backup.password_file.clone();
    let restic = Restic::new(&world.paths, place, &password)?;
    repository::make_directory(place)?;
    let (made, is_there) = prepare(world, place, &password, given, &restic)?;
    if !is_there {
        restic.init()?;
    }
    // Whether the password opens it.
    let there = restic.snapshots()?;
    Record::new(Timestamp::now()).save(&world.paths)?;
    let exit = say_so(world, place)?;
    if repository::is_on_the_disk_of_homes(place, &config.accounts.homes) {
        world.printer.warn("warning: these backups are on the same disk as people's homes; when that breaks, both are gone")?;
    }
    if is_there {
        world.printer.say(&format!("There are {} backups in {place} already.", there.len()))?;
    }
    if let Some(made) = made {
        world.printer.say("The password of these backups, which is shown this once:")?;
        world.printer.line(&format!("\n  {made}\n"))?;
        world.printer.say(&format!(
            "Write it down and keep it somewhere else: without it nobody can read the backups, and `{}` may be lost with this \
             machine.",
            password.display()
        ))?;
    }
    world
        .printer
        .say(&format!("A backup is made every day at {}. The first one now: sudo hubctl backup create", config.backup.at))?;
    Ok(exit)
}

/// Puts the password in its place; returns it where it is new. Second, whether there are backups already.
fn prepare(
    world: &mut World,
    place: &Repository,
    password: &Path,
    given: Option<Password>,
    restic: &Restic,
) -> Result<(Option<String>, bool)> {
    let is_known = given.is_none() && password.exists();
    let is_directory_there = place.directory().is_some_and(|path| path.join("config").exists());
    if let Some(given) = given {
        let typed = fs_err::read_to_string(given.path())?;
        repository::keep_password(password, &typed)?;
    } else if is_directory_there && !is_known {
        let typed = fs_err::read_to_string(given_password(world, None, place)?.path())?;
        repository::keep_password(password, &typed)?;
    } else if !is_known {
        let made = repository::new_password()?;
        repository::keep_password(password, &made)?;
        let is_there = repository::is_there(restic, place).inspect_err(|_| {
            // Nobody has seen it, and it opens nothing.
            if let Err(error) = fs_err::remove_file(password) {
                tracing::warn!(%error, "removing a password that is of no use");
            }
        })?;
        return Ok((Some(made), is_there));
    }
    Ok((None, repository::is_there(restic, place)?))
}

/// Has the configuration say where backups go.
fn say_so(world: &mut World, place: &Repository) -> Result<Exit> {
    let key = |name: &str| format!("backup.{name}").parse::<edit::KeyPath>().map_err(|error| anyhow!(error));
    let (repository, enabled) = (key("repository")?, key("enabled")?);
    let text = place.to_string();
    let exit = put_in_force(world, How::Set, |before| {
        let refused = |error: edit::EditError| {
            Failure::new(Cause::Failed, error.to_string(), "sudo hubctl config edit shows where".to_owned())
        };
        let with = edit::set(before, &repository, &text.as_str().into()).map_err(refused)?;
        Ok(edit::set(&with, &enabled, &true.into()).map_err(refused)?)
    })?;
    Ok(exit)
}
