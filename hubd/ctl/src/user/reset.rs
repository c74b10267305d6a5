//! `hubctl user reset-packages`: what somebody installed for themselves is moved aside, and is still there.

use std::path::PathBuf;

use anyhow::Result;
use hub_core::accounts::Username;
use hub_core::control::{Reply, Request};
use serde::Serialize;

use super::super::World;
use super::super::connect::{ask, unexpected};
use super::super::failure::Exit;

/// What `hubctl user reset-packages --json` prints.
#[derive(Debug, Serialize)]
struct Reset {
    name: Username,
    /// Where what was moved is now.
    places: Vec<PathBuf>,
    /// Whether the server was restarted.
    restarted: bool,
    /// Whether the server still runs with what it had loaded.
    restart_needed: bool,
}

pub(super) fn reset(world: &mut World, name: Username, settings: bool, restart: bool) -> Result<Exit> {
    let (places, is_running) = match ask(world, &Request::UserResetPackages { name: name.clone(), settings })? {
        Reply::PackagesReset { places, is_running } => (places, is_running),
        other => return Err(unexpected(&other).into()),
    };
    if !world.printer.json {
        let what = if settings { "packages or settings" } else { "packages" };
        if places.is_empty() {
            world.printer.say(&format!("{name} has no {what} of their own; there is nothing to move."))?;
        }
        for place in &places {
            world.printer.line(&format!("moved aside, nothing is lost: {}", place.display()))?;
        }
    }
    let is_needed = is_running && !places.is_empty();
    let restarted = is_needed && (restart || wants_restart(world, &name));
    if restarted {
        match ask(world, &Request::ServerRestart { name: name.clone(), without_own: false })? {
            Reply::Servers { .. } => {}
            other => return Err(unexpected(&other).into()),
        }
    }
    let restart_needed = is_needed && !restarted;
    if world.printer.json {
        world.printer.json(&Reset { name, places, restarted, restart_needed })?;
    } else if restarted {
        world.printer.say(&format!("{name}'s server was restarted."))?;
    } else if restart_needed {
        world
            .printer
            .say(&format!("{name}'s server keeps what it has loaded until it is restarted: hubctl server restart {name}"))?;
    }
    Ok(Exit::Done)
}

/// Without a terminal nobody says yes.
fn wants_restart(world: &mut World, name: &Username) -> bool {
    let question = format!("Restart {name}'s server now? What was not saved in a notebook is lost.");
    !world.printer.json && world.terminal.present() && world.confirm(&question).is_ok()
}
