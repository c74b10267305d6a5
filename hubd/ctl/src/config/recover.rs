//! `hubctl config recover`, which `hubd-config-guard.service` runs before the hub or the launcher starts, and
//! `hubd-config.service` when it ends: when the power went, or the program was killed, between saving a configuration and knowing
//! that the hub is well with it, the last healthy one wins.

use anyhow::{Context, Result};
use hub_core::config;
use hub_core::config::history::{History, State};
use hub_system::config_store::ConfigStore;
use hub_system::systemctl::Systemctl;

use super::super::World;
use super::super::connect::only_on_the_host;
use super::super::failure::Exit;
use super::commit;

const CUT_SHORT: &str = "the machine or the program stopped before the hub had been asked whether it is well";

pub(super) fn recover(world: &mut World) -> Result<Exit> {
    only_on_the_host(world, "the configuration", "config recover")?;
    let Ok(turn) = ConfigStore::new(&world.paths).try_turn(None)? else {
        // It is its own guard as long as it lives.
        world.printer.say("somebody is applying a configuration right now")?;
        return Ok(Exit::Done);
    };
    let history = History::open(&world.paths);
    let Some(pending) = history.pending().context("finding out which configuration is unconfirmed")? else {
        return Ok(Exit::Done);
    };
    let number = pending.number;
    if pending.state != State::Pending {
        // All was known, and only the marker had to go.
        history.settle(number, pending.state, pending.reason.as_deref())?;
        return Ok(Exit::Done);
    }
    let Some(healthy) = history.last_healthy()? else {
        history.leave_open(number, CUT_SHORT)?;
        world.printer.say(&format!("version {number} of the configuration is unconfirmed, and there is none before it"))?;
        return Ok(Exit::Done);
    };
    let text = history.text(healthy.number)?;
    let path = world.paths.config_file().display().to_string();
    let config = config::parse(&text, &path).map_err(|problems| super::invalid(&problems))?;
    if commit::write_files(world, &turn, &text, &config)? {
        Systemctl::new(&world.paths).reload()?;
    }
    history.settle(number, State::RolledBack, Some(CUT_SHORT))?;
    world.printer.say(&format!(
        "Version {number} of the configuration was not confirmed: {CUT_SHORT}. Version {} is in force again; the other is kept: \
         hubctl config rollback {number}",
        healthy.number
    ))?;
    if let Err(error) = commit::remind(world) {
        world.printer.say(&format!("warning: what runs may not follow it yet: {error:#}"))?;
    }
    Ok(Exit::Done)
}
