//! A change of one key by somebody who is not root, inside the hub or as an operator: asked for through the hub, and done on
//! root's side by `hubctl config perform`, which hubd-config.service runs, in the same transaction as root's own.

use std::collections::BTreeMap;
use std::io;

use anyhow::Result;
use hub_core::config::edit::KeyPath;
use hub_core::config::keys::inside;
use hub_core::config::{self, Config};
use hub_core::control::change::{ChangeVerb, Ended, KeyChange, Manner};
use hub_core::control::{Reply, Request};

use super::super::connect::{ask, only_on_the_host, unexpected};
use super::super::failure::{Cause, Exit, Failure};
use super::super::terminal::Nobody;
use super::super::{Printer, World, report};
use super::change::{Change, change};
use super::key::{resolve, whole};
use super::review::{Consent, Review};
use crate::launcher::verbs::configure::Asked;

/// Has root's side do it, and repeats what it printed.
pub(super) fn request(world: &mut World, what: &Change, consent: Consent, dry_run: bool) -> Result<Exit> {
    let manner = Manner { dry_run, allow_lockout: consent.allow_lockout, json: world.printer.json };
    let (verb, key, values) = match what {
        Change::Set(key, values) => (ChangeVerb::Set, key, values.as_slice()),
        Change::Unset(key) => (ChangeVerb::Unset, key, &[][..]),
        Change::Add(key, values) => (ChangeVerb::Add, key, values.as_slice()),
        Change::Remove(key, values) => (ChangeVerb::Remove, key, values.as_slice()),
    };
    // What is a slip is told as to root, and not as a key that is none of theirs.
    if verb != ChangeVerb::Unset {
        resolve(key)?;
    }
    let change = KeyChange { verb, key: whole(key).parts().to_vec(), values: values.to_vec(), manner };
    match ask(world, &Request::ConfigChange { change })? {
        Reply::ConfigChanged { ended } => {
            world.printer.output.write_all(ended.output.as_bytes())?;
            world.printer.messages.write_all(ended.messages.as_bytes())?;
            Ok(Exit::of(ended.code))
        }
        other => Err(unexpected(&other).into()),
    }
}

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

/// Refuses a change of which root's file, as it is `before`, does not grant every part. The first limit of a group also makes
/// the group, without members.
pub(super) fn judge(world: &World, key: &KeyPath, before: &str, review: &Review) -> Result<(), Failure> {
    let Some(requester) = &world.on_behalf_of else { return Ok(()) };
    let refused = |message| Failure::new(Cause::Refused, message, None);
    let config: Config = config::parse(before, &world.paths.config_file().display().to_string())
        .map_err(|_| refused("the configuration is not valid as it is, so it is changed on the machine".to_owned()))?;
    inside::granted(&config, requester, key).map_err(refused)?;
    let is_granted = |key: &str| key.parse().is_ok_and(|key| inside::granted(&config, requester, &key).is_ok());
    match review.changes.iter().find(|change| !is_granted(&change.key)) {
        Some(other) => Err(refused(format!("that would change `{}`, too", other.key))),
        None => Ok(()),
    }
}
