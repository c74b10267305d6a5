//! `hubctl env`: the packages that everybody has. On the host it acts by itself, as root and without the hub; inside the
//! hub it asks.

mod apt;
mod arguments;
mod ask;
mod file;
mod follow;
mod locked;
mod show;
mod wheel;

use std::path::Path;

use anyhow::{Context, Result};
use hub_core::control::environment::{Change, EnvironmentReply, EnvironmentRequest};
use hub_core::pyenv::{KernelName, Requirement, lock};

pub(super) use arguments::EnvVerb;

use super::World;
use super::failure::{Exit, Failure};
use crate::environment::desk::only_names;

/// No list of packages is longer.
const LARGEST_FILE: u64 = 3 << 20;

pub(super) fn obey(kernel: Option<KernelName>, verb: EnvVerb, world: &mut World) -> Result<Exit> {
    use EnvironmentRequest as Ask;
    let (kernel, ask) = match (verb, kernel) {
        (EnvVerb::Kernels, None) => (None, Ask::Kernels),
        (EnvVerb::RemoveKernel { name }, None) => (Some(name), Ask::RemoveKernel),
        (EnvVerb::Apt { verb }, None) => return apt::obey(verb, world),
        (EnvVerb::Kernels | EnvVerb::RemoveKernel { .. } | EnvVerb::Apt { .. }, Some(_)) => {
            return Err(Failure::plain("--kernel has no meaning for this command; leave it away").into());
        }
        (EnvVerb::Status, kernel) => (kernel, Ask::Status),
        (EnvVerb::List, kernel) => (kernel, Ask::List),
        (EnvVerb::Show { number }, kernel) => (kernel, Ask::Show { number }),
        (EnvVerb::Export { number }, kernel) => (kernel, Ask::Export { number }),
        (EnvVerb::Diff { from, to }, kernel) => (kernel, Ask::Diff { from, to }),
        (EnvVerb::History, kernel) => (kernel, Ask::History),
        (EnvVerb::Check, kernel) => (kernel, Ask::Check),
        (EnvVerb::Rollback { number }, kernel) => (kernel, Ask::Rollback { to: number }),
        (EnvVerb::Gc, kernel) => (kernel, Ask::Collect),
        (EnvVerb::Install { packages }, kernel) => (kernel, build(Change::Install { packages: wanted(world, &packages)? })),
        (EnvVerb::Remove { packages }, kernel) => (kernel, build(Change::Remove { packages: names(packages)? })),
        (EnvVerb::Upgrade { packages }, kernel) => (kernel, build(Change::Upgrade { packages: names(packages)? })),
        (EnvVerb::Apply { file: Some(file) }, kernel) => (kernel, build(listed(world, &file)?)),
        (EnvVerb::Apply { file: None }, kernel) => (kernel, build(Change::Configured)),
    };
    let ask = match kernel {
        Some(name) => Ask::Kernel { name, about: Box::new(ask) },
        None => ask,
    };
    if ask.act().is_some() { act(world, &ask) } else { show::answer(world, &ask) }
}

fn build(change: Change) -> EnvironmentRequest {
    EnvironmentRequest::Build { change }
}

/// Has something done and follows it to its end.
fn act(world: &mut World, request: &EnvironmentRequest) -> Result<Exit> {
    match ask::ask(world, request)? {
        EnvironmentReply::Started { number } => follow::follow(world, number),
        other => Err(ask::unexpected(&other).into()),
    }
}

/// Packages by name; on the host also wheels in files.
fn wanted(world: &mut World, packages: &[String]) -> Result<Vec<Requirement>> {
    let mut wanted = Vec::new();
    for package in packages {
        if package.ends_with(".whl") && !package.contains("://") {
            wanted.push(wheel::take(world, Path::new(package))?);
        } else {
            wanted.push(package.parse().map_err(|error| Failure::plain(format!("{error}")))?);
        }
    }
    Ok(wanted)
}

fn names(packages: Vec<Requirement>) -> Result<Vec<Requirement>> {
    if only_names(&packages) {
        return Ok(packages);
    }
    let hint = "versions are asked for with hubctl env install, as in 'pandas<3'".to_owned();
    Err(Failure { hint: Some(hint), ..Failure::plain("only names count here; expected packages without versions") }.into())
}

fn listed(world: &mut World, path: &Path) -> Result<Change> {
    let content = world.caller.read(path, LARGEST_FILE, world.input)?;
    let text = String::from_utf8(content).with_context(|| format!("reading `{}` as UTF-8", path.display()))?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_ascii_lowercase();
    if let Some(change) = locked::read(&name, &text)? {
        return Ok(change);
    }
    let packages = file::parse(path, &text)?;
    // Requirements that are all pinned by hash are a lock.
    let is_lock = lock::parse(&text).is_ok_and(|locked| !locked.is_empty());
    Ok(Change::Set { packages, lock: is_lock.then_some(text) })
}
