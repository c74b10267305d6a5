//! The first generation of the shared Python environment.

use std::path::Path;

use anyhow::{Result, bail};
use hub_core::packages::Requirement;
use hub_core::paths::Paths;
use hub_environment::pyenv::{self, BuildRequest, Builder, Generation, Shipped};
use hub_system::distribution::PYTHON;

use super::{Check, World};

const FIRST: u32 = 1;
const WITHOUT: &str =
    "hint: the same command with --packages NAME... takes others, with --packages none nothing besides JupyterLab";

/// Any whole generation will do: which one servers get is the admin's affair once there is one.
pub(super) fn check(paths: &Paths) -> Result<Check> {
    let whole = match pyenv::current(paths)? {
        Some(number) => Generation::open(paths, number)?.is_some(),
        None => false,
    };
    // The directory of generations is undone as a whole.
    Ok(if whole { Check::Satisfied(None) } else { Check::Needed { exists: false, undo: None } })
}

/// What comes with the hub or with a bundle is locked; for anything else versions are found first.
pub(super) fn build(world: &mut World<'_>, packages: &[Requirement]) -> Result<()> {
    let (network, uv) = (world.settings(), world.paths.uv());
    let shipped = match world.bundle {
        Some(bundle) => Shipped::Exact(bundle.lock()?),
        None => pyenv::shipped(packages)?,
    };
    let (Shipped::Exact(lock) | Shipped::Preferred(lock)) = &shipped;
    let request = BuildRequest {
        generation: FIRST,
        uv: &uv,
        python: Path::new(PYTHON),
        lock,
        network: &network,
        asked: packages,
        conda: None,
        previous: None,
        wheels: None,
    };
    let builder = Builder::new(world.paths.clone());
    let built = match shipped {
        Shipped::Exact(_) => builder.build(&request, &mut *world.progress),
        Shipped::Preferred(_) => builder.resolve_and_build(&request, &mut *world.progress),
    };
    let generation = match built {
        Err(error) if world.bundle.is_none() && !packages.is_empty() => bail!("{error:#}\n{WITHOUT}"),
        built => built?,
    };
    pyenv::switch(world.paths, &generation)
}
