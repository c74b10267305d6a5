//! The wheels of a bundle, put where builds and students find them.

use anyhow::{Result, bail};
use hub_environment::bundle::store;

use super::{Check, World};

pub(super) fn check(world: &World<'_>) -> Result<Check> {
    let is_there = match world.bundle {
        Some(bundle) => store::has(world.paths, bundle)?,
        None => true,
    };
    // The directory that they are in is undone as a whole.
    Ok(if is_there { Check::Satisfied(None) } else { Check::Needed { exists: store::wheels(world.paths).is_some(), undo: None } })
}

pub(super) fn take_in(world: &mut World<'_>) -> Result<()> {
    let Some(bundle) = world.bundle else { bail!("no bundle was given") };
    (world.progress)("putting the wheels of the bundle in place");
    store::add(world.paths, bundle).map(drop)
}
