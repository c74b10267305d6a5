//! The first generation of the shared Python environment.

use std::path::Path;

use anyhow::Result;
use hub_core::distribution::PYTHON;
use hub_core::paths::Paths;
use hub_core::pyenv::{self, BuildRequest, Builder, Generation};

use super::{Check, World};

const FIRST: u32 = 1;

/// Any whole generation will do: which one servers get is the admin's affair once there is one.
pub(super) fn check(paths: &Paths) -> Result<Check> {
    let whole = match pyenv::current(paths)? {
        Some(number) => Generation::open(paths, number)?.is_some(),
        None => false,
    };
    // The directory of generations is undone as a whole.
    Ok(if whole { Check::Satisfied(None) } else { Check::Needed { exists: false, undo: None } })
}

pub(super) fn build(world: &mut World<'_>) -> Result<()> {
    let (network, uv) = (world.settings(), world.paths.uv());
    let own = world.bundle.map(|bundle| bundle.lock()).transpose()?;
    let request = BuildRequest {
        generation: FIRST,
        uv: &uv,
        python: Path::new(PYTHON),
        lock: own.as_deref().unwrap_or(pyenv::LOCK),
        network: &network,
        asked: world.bundle.map_or(&[], |bundle| &bundle.manifest().packages),
        conda: None,
        previous: None,
        wheels: None,
    };
    let generation = Builder::new(world.paths.clone()).build(&request, &mut *world.progress)?;
    pyenv::switch(world.paths, &generation)
}
