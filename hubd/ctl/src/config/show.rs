//! `hubctl config show` and `get`: the file as it is, and the values in force.

use anyhow::{Context, Result};
use hub_core::config::edit::KeyPath;
use hub_core::config::{self, Config, effects};
use hub_core::control::{Reply, Request};
use serde::Serialize;

use super::super::World;
use super::super::connect::{Place, ask, only_on_the_host, unexpected};
use super::super::failure::{Exit, Failure};
use super::key::resolve;
use super::live::Live;

/// What `hubctl config show --json` prints.
#[derive(Debug, Serialize)]
struct Shown {
    /// The file.
    path: String,
    /// Every value in force, written as in the file.
    config: toml::Value,
}

/// What `hubctl config get --json` prints.
#[derive(Debug, Serialize)]
struct Got {
    key: String,
    /// As in the file; `null`: it has no value.
    value: Option<toml::Value>,
}

pub(super) fn show(world: &mut World, effective: bool) -> Result<Exit> {
    only_on_the_host(world, "the configuration", "config show")?;
    let path = world.paths.config_file().display().to_string();
    let live = Live::read(world)?;
    if !effective && !world.printer.json {
        let text = live.text(world)?.text;
        world.printer.output.write_all(text.as_bytes())?;
        return Ok(Exit::Done);
    }
    let config = in_force(world, &live)?;
    if world.printer.json {
        let config = toml::from_str(&config.to_toml()).context("writing the configuration out")?;
        world.printer.json(&Shown { path, config })?;
    } else {
        world.printer.output.write_all(config.to_toml().as_bytes())?;
    }
    Ok(Exit::Done)
}

pub(super) fn get(world: &mut World, key: &KeyPath) -> Result<Exit> {
    let (key, _) = resolve(key)?;
    let value = match Place::find(world)? {
        Place::Host(_) => effects::values(&in_force(world, &Live::read(world)?)?).remove(&key),
        Place::Operator(_) | Place::Inside(_) => match ask(world, &Request::ConfigGet { key: key.parts().to_vec() })? {
            Reply::ConfigValue { value } => value,
            other => return Err(unexpected(&other).into()),
        },
    };
    let exit = if value.is_some() { Exit::Done } else { Exit::Failed };
    if world.printer.json {
        world.printer.json(&Got { key: key.to_string(), value })?;
        return Ok(exit);
    }
    match value {
        None => return Err(Failure::plain(format!("`{key}` is not set")).into()),
        Some(toml::Value::Array(items)) => {
            for item in &items {
                world.printer.line(&plain(item))?;
            }
        }
        Some(value) => world.printer.line(&plain(&value))?,
    }
    Ok(exit)
}

fn in_force(world: &World, live: &Live) -> Result<Config> {
    let path = world.paths.config_file().display().to_string();
    let text = live.text(world)?.text;
    Ok(config::parse(&text, &path).map_err(|problems| super::invalid(&problems))?)
}

fn plain(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
