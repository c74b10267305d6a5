//! `hubctl limits`: what one person may use, and which line of the configuration says so.

use anyhow::Result;
use hub_core::accounts::Username;
use hub_core::config::{self, ExplainedLimit, Origin, ReadError};
use serde::Serialize;

use super::World;
use super::arguments::LimitsVerb;
use super::connect::only_on_the_host;
use super::failure::{Exit, Failure};
use super::output::{Cell, Table, Tone};

/// What `hubctl limits explain --json` prints.
#[derive(Debug, Serialize)]
struct Explained {
    name: Username,
    /// The configuration that was read.
    path: String,
    limits: Vec<ExplainedLimit>,
}

pub(super) fn obey(verb: LimitsVerb, world: &mut World) -> Result<Exit> {
    match verb {
        LimitsVerb::Explain { name } => explain(world, name),
    }
}

fn explain(world: &mut World, name: Username) -> Result<Exit> {
    only_on_the_host(world, "the configuration", "limits explain NAME")?;
    let path = world.paths.config_file();
    let config = match config::read(&path) {
        Ok(loaded) => loaded.config,
        Err(ReadError::Invalid(problems)) => {
            let hint = "sudo hubctl config edit".to_owned();
            let message = format!("the configuration is not valid\n{problems}");
            return Err(Failure::new(super::failure::Cause::Failed, message, hint).into());
        }
        Err(error) => return Err(error.into()),
    };
    let limits = config.explain_limits(&name);
    if world.printer.json {
        world.printer.json(&Explained { name, path: path.display().to_string(), limits })?;
        return Ok(Exit::Done);
    }
    let mut table = Table::with_heading(["LIMIT", "VALUE", "FROM"]);
    for limit in limits {
        let tone = if limit.origin == Origin::Default { Tone::Faint } else { Tone::Plain };
        let from = Cell::new(from(&limit, &name), tone);
        table.row([limit.key.into(), limit.value.into(), from]);
    }
    world.printer.table(&table)?;
    Ok(Exit::Done)
}

fn from(limit: &ExplainedLimit, name: &Username) -> String {
    let table = match &limit.origin {
        Origin::Default => return "default".to_owned(),
        Origin::Everybody => "[limits]".to_owned(),
        Origin::Group(group) => format!("group {group}"),
        Origin::User => format!("{name}'s own"),
    };
    limit.line.map_or(table.clone(), |line| format!("{table}, line {line}"))
}
