//! `hubctl limits`: what one person may use, and which line of the configuration says so.

use std::path::Path;

use anyhow::Result;
use hub_core::accounts::Username;
use hub_core::config::{self, Config, ExplainedLimit, Origin, ReadError};
use hub_core::control::{Reply, Request};
use serde::Serialize;

use super::World;
use super::arguments::LimitsVerb;
use super::connect::{Place, ask, people, unexpected};
use super::failure::{Exit, Failure};
use super::output::{Cell, Table, Tone};

/// What `hubctl limits explain --json` prints.
#[derive(Debug, Serialize)]
struct Explained {
    name: Username,
    /// Whether this person is enrolled; `null`: the hub does not say.
    enrolled: Option<bool>,
    /// The configuration that was read.
    path: String,
    limits: Vec<ExplainedLimit>,
}

pub(super) fn run(verb: LimitsVerb, world: &mut World) -> Result<Exit> {
    match verb {
        LimitsVerb::Explain { name } => explain(world, name),
    }
}

fn explain(world: &mut World, name: Username) -> Result<Exit> {
    let path = world.paths.config_file();
    let limits = match Place::find(world)? {
        Place::Host(_) => in_file(&path)?.explain_limits(&name),
        Place::Operator(_) | Place::Inside(_) => match ask(world, &Request::Limits { name: name.clone() })? {
            Reply::Limits { limits } => limits,
            other => return Err(unexpected(&other).into()),
        },
    };
    let people = people(world);
    let enrolled = people.map(|people| people.iter().any(|person| person.name == name));
    let exit = if enrolled == Some(false) { Exit::Failed } else { Exit::Done };
    if world.printer.json {
        world.printer.json(&Explained { name, enrolled, path: path.display().to_string(), limits })?;
        return Ok(exit);
    }
    let mut table = Table::with_heading(["LIMIT", "VALUE", "FROM"]);
    for limit in limits {
        let tone = if limit.origin == Origin::Default { Tone::Faint } else { Tone::Plain };
        let from = Cell::new(from(&limit, &name), tone);
        table.row([limit.key.as_str().into(), limit.value.into(), from]);
    }
    world.printer.table(&table)?;
    if exit != Exit::Done {
        let message = format!("{name} is not enrolled; these limits would apply");
        world.printer.error(&message, Some(&format!("hubctl user list shows who is; hubctl user add {name}")))?;
    }
    Ok(exit)
}

fn in_file(path: &Path) -> Result<Config> {
    match config::read(path) {
        Ok(loaded) => Ok(loaded.config),
        Err(ReadError::Invalid(problems)) => {
            let hint = "sudo hubctl config edit".to_owned();
            let message = format!("the configuration is not valid\n{problems}");
            Err(Failure::new(super::failure::Cause::Failed, message, hint).into())
        }
        Err(error) => Err(error.into()),
    }
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
