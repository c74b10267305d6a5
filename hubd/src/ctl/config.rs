//! `hubctl config`: show and check the configuration. Reads the file itself, so it works when the hub does not.

use std::path::Path;

use anyhow::{Context, Result};
use hub_core::config::{self, Config, Diagnostic, Problems};
use serde::Serialize;

use super::World;
use super::arguments::ConfigVerb;
use super::connect::only_on_the_host;
use super::failure::{Exit, Failure};
use super::text::{counted, printable};

/// No configuration is larger.
const LARGEST_FILE: u64 = 1024 * 1024;

/// What `hubctl config show --json` prints.
#[derive(Debug, Serialize)]
struct Shown {
    /// The file.
    path: String,
    /// Every value in force, written as in the file.
    config: toml::Value,
}

/// What `hubctl config check --json` prints.
#[derive(Debug, Serialize)]
struct Checked {
    path: String,
    valid: bool,
    problems: Vec<Diagnostic>,
}

pub(super) fn obey(verb: ConfigVerb, world: &mut World) -> Result<Exit> {
    match verb {
        ConfigVerb::Show { effective } => show(world, effective),
        ConfigVerb::Check { file } => check(world, file.as_deref()),
    }
}

fn show(world: &mut World, effective: bool) -> Result<Exit> {
    only_on_the_host(world, "the configuration", "config show")?;
    let path = world.paths.config_file();
    let source = own_file(&path)?;
    if !effective && !world.printer.json {
        world.printer.output.write_all(source.as_bytes())?;
        return Ok(Exit::Done);
    }
    let config = config::parse(&source, &path.display().to_string()).map_err(|problems| invalid(&problems))?;
    if world.printer.json {
        world.printer.json(&Shown { path: path.display().to_string(), config: values(&config)? })?;
    } else {
        world.printer.output.write_all(config.to_toml().as_bytes())?;
    }
    Ok(Exit::Done)
}

fn values(config: &Config) -> Result<toml::Value> {
    toml::from_str(&config.to_toml()).context("writing the configuration out")
}

fn check(world: &mut World, file: Option<&Path>) -> Result<Exit> {
    let (path, source) = match file {
        Some(path) => {
            let content = world.caller.read(path, LARGEST_FILE, world.input)?;
            let text = String::from_utf8(content).with_context(|| format!("reading `{}` as UTF-8", path.display()))?;
            (path.to_owned(), text)
        }
        None => {
            only_on_the_host(world, "the hub's configuration", "config check")?;
            let path = world.paths.config_file();
            let source = own_file(&path)?;
            (path, source)
        }
    };
    let path = path.display().to_string();
    let problems = match config::parse(&source, &path) {
        Ok(_) => Vec::new(),
        Err(problems) if world.printer.json => problems.diagnostics,
        Err(problems) => return Err(invalid(&problems).into()),
    };
    let exit = if problems.is_empty() { Exit::Done } else { Exit::Failed };
    if world.printer.json {
        world.printer.json(&Checked { path, valid: problems.is_empty(), problems })?;
    } else {
        world.printer.say(&format!("{} is valid.", printable(&path)))?;
    }
    Ok(exit)
}

/// The hub's own file is read with the rights the program has, not as whoever is behind sudo.
fn own_file(path: &Path) -> Result<String> {
    fs_err::read_to_string(path).context("reading the configuration")
}

fn invalid(problems: &Problems) -> Failure {
    let count = counted(problems.diagnostics.len(), "problem", "problems");
    Failure::plain(format!("{count} in the configuration\n{problems}"))
}
