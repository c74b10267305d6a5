//! A change of one key by somebody who is not root, inside the hub or as an operator: asked for through the hub, and done on
//! root's side by `hubctl config perform` ([`super::perform`]), which hubd-config.service runs, in the same transaction as
//! root's own.

use anyhow::Result;
use hub_core::config::edit::KeyPath;
use hub_core::config::keys::inside;
use hub_core::config::{self, Config};
use hub_core::control::change::{ChangeVerb, KeyChange, Manner};
use hub_core::control::{Reply, Request};

use super::super::World;
use super::super::connect::{ask, unexpected};
use super::super::failure::{Cause, Exit, Failure};
use super::key::{resolve, whole};
use super::key_change::Change;
use super::review::{Consent, Review};

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

/// Refuses a change of which root's file, as it is `before`, does not grant every part. The first limit of a group also makes
/// the group, without members.
pub(super) fn validate(world: &World, key: &KeyPath, before: &str, review: &Review) -> Result<(), Failure> {
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
