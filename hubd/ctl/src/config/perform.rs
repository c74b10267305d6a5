//! A change of one key by somebody who is not root, on root's side: what the launcher left is done, and what it said is left
//! for whoever asked.

use std::collections::BTreeMap;
use std::io;

use anyhow::Result;
use hub_core::control::change::{ChangeVerb, Ended};
use hub_system::config_change::Asked;

use super::super::connect::only_on_the_host;
use super::super::failure::Exit;
use super::super::terminal::Nobody;
use super::super::{Printer, World, report};
use super::change::change;
use super::key_change::Change;
use super::review::Consent;

/// Does what the launcher left.
pub(super) fn perform(world: &mut World) -> Result<Exit> {
    only_on_the_host(world, "a change for somebody else", "config set KEY VALUE")?;
    let Asked { requester, change: wanted } = Asked::read(&world.paths)?;
    let (key, values, manner) = (wanted.path(), wanted.values, wanted.manner);
    let what = match wanted.verb {
        ChangeVerb::Set => Change::Set(key, values),
        ChangeVerb::Unset => Change::Unset(key),
        ChangeVerb::Add => Change::Add(key, values),
        ChangeVerb::Remove => Change::Remove(key, values),
    };
    let (mut output, mut messages) = (Vec::new(), Vec::new());
    let mut inner = World {
        paths: world.paths.clone(),
        caller: world.caller,
        input: &mut io::empty(),
        printer: Printer {
            output: &mut output,
            messages: &mut messages,
            color: false,
            json: manner.json,
            quiet: false,
            with_sudo: false,
        },
        terminal: &mut Nobody,
        variables: BTreeMap::new(),
        on_behalf_of: Some(requester),
        interruptions: world.interruptions.clone(),
        obstacles: world.obstacles,
        now: world.now,
        zone: world.zone.clone(),
    };
    let consent = Consent { yes: true, allow_lockout: manner.allow_lockout };
    let exit = match change(&mut inner, &what, consent, manner.dry_run) {
        Ok(exit) => exit,
        Err(error) => report(&mut inner, &error)?,
    };
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Asked::answer(&world.paths, &Ended { code: exit as u8, output: text(&output), messages: text(&messages) })?;
    Ok(Exit::Done)
}
