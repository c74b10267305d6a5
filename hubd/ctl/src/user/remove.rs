//! `hubctl user remove`: take people off the list, and on the host their accounts and homes too when asked to.

use anyhow::{Context, Result};
use hub_core::accounts::Username;
use hub_core::control::{RefusalKind, Reply, Request};
use hub_core::launcher::client::{Client, ClientError};
use serde::Serialize;

use super::super::World;
use super::super::arguments::Who;
use super::super::connect::{Problem, ask, for_each, only_on_the_host, unexpected};
use super::super::failure::{Cause, Exit, Failure};
use super::super::text::{counted, enumerate};
use super::names;

/// What `hubctl user remove --json` prints.
#[derive(Debug, Serialize)]
struct Removed {
    users: Vec<RemovedUser>,
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct RemovedUser {
    name: Username,
    /// `false`: was not on the list, and only the home was left.
    removed: bool,
    home_deleted: bool,
}

pub(super) fn remove(world: &mut World, who: &Who, delete_home: bool, yes: bool) -> Result<Exit> {
    if delete_home {
        only_on_the_host(world, "deleting accounts and homes", "user remove NAME --delete-home")?;
    }
    let names = names(world, who)?;
    if !yes {
        announce(world, &names, delete_home)?;
        let question = if delete_home { "Remove them and delete their homes?" } else { "Remove them?" };
        world.confirm(question)?;
    }
    let outcomes = for_each(world, &names, |world, name| {
        let (removed, refused) = match ask(world, &Request::UserRemove { name: name.clone() }) {
            Ok(Reply::Done) => (true, None),
            Ok(other) => return Err(unexpected(&other).into()),
            Err(failure) if delete_home && failure.cause == Cause::Hub(RefusalKind::NotEnrolled) => (false, Some(failure)),
            Err(failure) => return Err(failure.into()),
        };
        let home_deleted = delete_home && delete_account(world, name)?;
        if let Some(failure) = refused.filter(|_| !home_deleted) {
            return Err(failure.into());
        }
        if !world.printer.json {
            let what = match (removed, home_deleted) {
                (true, false) if delete_home => "is off the list; there was no account, and so no home",
                (true, false) => "is off the list; the home is still there",
                (true, true) => "is off the list; account and home are deleted",
                (false, _) => "was not enrolled; account and home are deleted",
            };
            world.printer.say(&format!("{name} {what}"))?;
        }
        Ok(RemovedUser { name: name.clone(), removed, home_deleted })
    })?;
    if world.printer.json {
        world.printer.json(&Removed { users: outcomes.done, problems: outcomes.problems })?;
    }
    Ok(outcomes.exit)
}

/// Says what will happen, before asking.
fn announce(world: &mut World, names: &[Username], delete_home: bool) -> Result<()> {
    let people = counted(names.len(), "person", "people");
    world.printer.say(&format!("This takes {people} off the list: {}.", enumerate(names)))?;
    world.printer.say("Their sessions end at once and their servers stop; what was not saved in a notebook is lost.")?;
    world.printer.say(if delete_home {
        "Their unix accounts and home directories are deleted, with everything in them. This can't be undone."
    } else {
        "Their home directories stay. Whoever is enrolled again under the same name gets the same home back."
    })?;
    Ok(())
}

/// Asks the launcher directly: the hub itself has no right to delete anything. `false`: there was nothing to delete, as
/// with somebody who never had a server.
fn delete_account(world: &World, name: &Username) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("preparing to ask the launcher")?;
    let launcher = Client::new(world.paths.launcher_socket());
    let error = match runtime.block_on(launcher.remove(name, true)) {
        Ok(()) => return Ok(true),
        Err(ClientError::Refused(refusal)) if refusal.kind == RefusalKind::NoAccount => return Ok(false),
        Err(error) => error,
    };
    let (message, hint) = error.explain();
    let again = format!("the name is off the list; to try the rest again: sudo hubctl user remove {name} --delete-home");
    let hint = hint.map_or_else(|| again.clone(), |hint| format!("{hint}\n      {again}"));
    Err(Failure::new(Cause::Failed, format!("deleting account and home: {message}"), hint).into())
}
