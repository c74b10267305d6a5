//! `hubctl config check`: every problem of a file, and what this machine does not bear out; nothing is changed.

use std::path::Path;

use anyhow::Result;
use hub_core::config::{self, Diagnostic, Finding};
use serde::Serialize;

use super::super::World;
use super::super::connect::{Place, only_on_the_host, people};
use super::super::failure::Exit;
use super::super::text::printable;
use super::live::Live;

/// What `hubctl config check --json` prints.
#[derive(Debug, Serialize)]
struct Checked {
    path: String,
    valid: bool,
    problems: Vec<Diagnostic>,
    /// What is valid and not so on this machine; asked on the host only.
    findings: Vec<Finding>,
}

pub(super) fn check(world: &mut World, file: Option<&Path>) -> Result<Exit> {
    let (path, text) = match file {
        Some(path) => (path.display().to_string(), super::read_argument(world, path)?),
        None => {
            only_on_the_host(world, "the hub's configuration", "config check")?;
            let live = Live::read(world)?;
            for notice in &live.notices {
                world.printer.say(&format!("note: {}", printable(notice)))?;
            }
            (world.paths.config_file().display().to_string(), live.text(world)?.text)
        }
    };
    let (problems, findings) = match config::parse(&text, &path) {
        Ok(config) if matches!(Place::find(world), Ok(Place::Host(_))) => {
            (Vec::new(), hub_doctor::configured(&world.paths, &config, people(world).as_deref()))
        }
        Ok(_) => (Vec::new(), Vec::new()),
        Err(problems) if world.printer.json => (problems.diagnostics, Vec::new()),
        Err(problems) => return Err(super::invalid(&problems).into()),
    };
    let exit = if problems.is_empty() { Exit::Done } else { Exit::Failed };
    if world.printer.json {
        world.printer.json(&Checked { path, valid: problems.is_empty(), problems, findings })?;
    } else {
        for finding in &findings {
            world.printer.warn(&format!("warning: {finding}"))?;
        }
        world.printer.say(&format!("{} is valid.", printable(&path)))?;
    }
    Ok(exit)
}
