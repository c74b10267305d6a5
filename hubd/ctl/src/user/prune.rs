//! `hubctl user prune`: unix accounts that nobody stands behind are retired.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use hub_core::accounts::Username;
use hub_core::control::{Reply, Request};
use hub_core::launcher::client::Client;
use hub_system::accounts::table::TableFile;
use serde::Serialize;

use super::super::World;
use super::super::connect::{Problem, ask, for_each, only_on_the_host, unexpected};
use super::super::failure::{Cause, Exit, Failure};
use super::super::text::{counted, enumerate};

/// What `hubctl user prune --json` prints.
#[derive(Debug, Serialize)]
struct Pruned {
    retired: Vec<Username>,
    problems: Vec<Problem>,
}

pub(super) fn prune(world: &mut World, yes: bool) -> Result<Exit> {
    only_on_the_host(world, "retiring unix accounts", "user prune")?;
    let enrolled: BTreeSet<Username> = match ask(world, &Request::UserList)? {
        Reply::Users { users } => users.into_iter().map(|user| user.name).collect(),
        other => return Err(unexpected(&other).into()),
    };
    let table = TableFile::new(world.paths.accounts()).read()?;
    let names: Vec<Username> =
        table.records().map(|record| record.name.clone()).filter(|name| !enrolled.contains(name)).collect();
    if names.is_empty() && !world.printer.json {
        world.printer.say("Every account belongs to somebody who is enrolled.")?;
        return Ok(Exit::Done);
    }
    if !yes {
        let accounts = counted(names.len(), "account", "accounts");
        world.printer.say(&format!("This retires the unix {accounts} of people who are not enrolled: {}.", enumerate(&names)))?;
        world.printer.say("Their homes stay, closed to everybody but root.")?;
        world.confirm("Retire them?")?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("preparing to ask the launcher")?;
    let launcher = Client::new(world.paths.launcher_socket());
    let outcomes = for_each(world, &names, |world, name| {
        runtime.block_on(launcher.remove(name, false)).map_err(|error| {
            let (message, hint) = error.explain();
            Failure::new(Cause::Failed, format!("retiring the account of {name}: {message}"), hint.unwrap_or_default())
        })?;
        if !world.printer.json {
            world.printer.say(&format!("the account of {name} is retired"))?;
        }
        Ok(name.clone())
    })?;
    if world.printer.json {
        world.printer.json(&Pruned { retired: outcomes.done, problems: outcomes.problems })?;
    }
    Ok(outcomes.exit)
}
