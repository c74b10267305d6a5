//! Doing a job: everything up to the last step happens beside the current generation, and the last step is one rename.
//! Whatever goes wrong before it, nobody has noticed.

use std::path::Path;

use hub_core::control::environment::{BuildState, Change, Record, ServersOf};
use hub_core::packages::Requirement;
use hub_core::paths::Paths;

use crate::pyenv::conda::Channels;
use crate::pyenv::{
    self, BuildEvent, BuildRequest, Builder, CondaRequest, Generation, Locks, NetworkSettings, Python, Resolution, Workshop, lock,
};
use anyhow::{Context, Result, bail};

use crate::jobs::journal::Journal;
use crate::jobs::store::{JobStore, Task};
use crate::jobs::{apt, settings};

/// The distribution's own, which every generation is built on.
pub(super) const PYTHON: &str = "/usr/bin/python3";

/// Does `task`; what came of it is in the record.
pub(super) fn perform(
    paths: &Paths,
    store: &JobStore,
    builder: &Builder,
    task: &Task,
    record: Record,
    in_use: &dyn Fn(&Paths) -> Result<Vec<ServersOf>>,
) -> Record {
    let mut journal = Journal::begin(store, record);
    let is_resumed = journal.record.state == BuildState::Building;
    journal.record.state = BuildState::Building;
    journal.save();
    let done = match task {
        Task::Build { change } => build(paths, builder, change, &mut journal),
        Task::Rollback { to } => rollback(paths, *to, &mut journal),
        Task::Collect => collect_all(paths, &mut journal, in_use).map(|()| BuildState::Done),
        Task::RemoveKernel => remove_kernel(paths, &mut journal, in_use).map(|()| BuildState::Done),
        Task::PlanApt { change } => apt::plan(paths, change, &mut journal),
        Task::Apt { change, confirmed } => apt::perform(paths, change, confirmed.as_deref(), is_resumed, &mut journal),
    };
    if matches!((&done, task), (Ok(BuildState::Done), Task::Build { .. }))
        && let Err(error) = collect(paths, &mut journal, in_use)
    {
        journal.note(&format!("old generations stay for now: {error:#}"));
    }
    journal.end(done);
    journal.record
}

/// What a killed build left: when its generation has its number it was proven, and is put in force; else it never was.
pub(super) fn resume(paths: &Paths, store: &JobStore, record: Record) -> Record {
    let mut journal = Journal::begin(store, record);
    let number = journal.record.number;
    let done = Generation::open(paths, number).and_then(|generation| match generation {
        Some(generation) => {
            let from = journal.record.from.and_then(|from| Generation::open(paths, from).transpose()).transpose()?;
            commit(paths, &generation, &mut journal)?;
            journal.compare(from.as_ref(), &generation)?;
            Ok(BuildState::Done)
        }
        None => {
            bail!("it was interrupted, by a power cut or a kill; the environment has not changed\nhint: ask for it again")
        }
    });
    journal.end(done);
    journal.record
}

fn build(paths: &Paths, builder: &Builder, change: &Change, journal: &mut Journal<'_>) -> Result<BuildState> {
    let config = settings::read(paths)?;
    let asked = change.apply(&settings::asked(&config, paths.kernel())?);
    journal.wants(&asked);
    let current = current(paths)?;
    // A kernel's first generation takes its versions and files from everybody's environment where it can.
    let base = match &current {
        Some(current) => current.clone(),
        None => self::current(&paths.of_everybody())?
            .context("there is no Python environment yet\nhint: run hub-installer install again, it completes it")?,
    };
    let Some(workshop) = builder.enter()? else {
        bail!("hub-installer is building an environment right now\nhint: wait for it to end, then ask again");
    };
    let (uv, wheels) = (paths.uv(), paths.environment_wheels());
    let before = Locks { packages: base.lock()?, conda: base.conda_lock()? };
    // What everybody's environment has says nothing about a kernel with another Python.
    let is_other = before.conda.is_some() != asked.conda.is_some();
    let preferred = if is_other { "" } else { &before.packages };
    let network = NetworkSettings::of_machine(paths, &settings::read(paths)?.environment)?;
    let channels = Channels {
        usual: &config.environment.conda_channels,
        alias: &config.environment.conda_channel_alias,
        bundle: network.channel(),
    };
    let given = match change {
        Change::Set { lock, .. } => lock.as_deref(),
        _ => None,
    };
    let preferred = given.map_or_else(|| Ok(preferred.to_owned()), |given| lock::merged(given, preferred))?;
    let mut request = BuildRequest {
        generation: journal.record.number,
        uv: &uv,
        python: Path::new(PYTHON),
        lock: &preferred,
        network: &network,
        asked: &asked.packages,
        conda: asked.conda.as_ref().map(|asked| CondaRequest { asked, channels: &channels, lock: None }),
        previous: Some(&base),
        wheels: Some(&wheels),
    };
    let upgrade: &[Requirement] = match change {
        Change::Upgrade { packages } => packages,
        _ => &[],
    };
    let upgrade_conda: Vec<String> = match change {
        Change::UpgradeConda { specs } => specs.iter().map(|spec| spec.name().to_owned()).collect(),
        _ => Vec::new(),
    };
    let everything = matches!(change, Change::Upgrade { packages } if packages.is_empty());
    let resolution = Resolution { build: &request, upgrade, upgrade_conda: &upgrade_conda, everything };
    let mut found = workshop.resolve(&resolution, &mut |said| journal.hear(said))?;
    if let Some(given) = given {
        found.packages = lock::imposed(given, &found.packages)?;
    }
    let is_same = found.conda == before.conda
        && match given {
            Some(_) => lock::has_same_files(&found.packages, &before.packages)?,
            None => sorted(&found.packages)? == sorted(&before.packages)?,
        };
    if let Some(current) = &current
        && is_same
        && asked == current.manifest().wanted()
        && (paths.kernel().is_some() || current.is_of_this_version())
        && is_python_the_same(current, request.python)?
    {
        workshop.clear()?;
        settings::write(paths, &asked, &journal.record.who)?;
        return Ok(BuildState::Unchanged);
    }
    request.lock = &found.packages;
    request.conda = request.conda.map(|conda| CondaRequest { lock: found.conda.as_ref(), ..conda });
    let generation = make(&workshop, &request, journal)?;
    commit(paths, &generation, journal)?;
    journal.compare(current.as_ref(), &generation)?;
    Ok(BuildState::Done)
}

/// The generation, whole and proven, but nobody's yet.
fn make(workshop: &Workshop, request: &BuildRequest<'_>, journal: &mut Journal<'_>) -> Result<Generation> {
    let candidate = workshop.build(request, &mut |said| journal.hear(said))?;
    (journal.record.bytes, journal.record.own_bytes) = (Some(candidate.bytes()), Some(candidate.own_bytes()));
    let proven = workshop.prove(&candidate, request.asked, &mut |said| journal.hear(said));
    let kept = proven.context("it was built, but does not work").and_then(|()| {
        journal.hear(BuildEvent::Phase("writing it to disk"));
        workshop.keep(candidate)
    });
    if kept.is_err() {
        workshop.clear()?;
    }
    kept
}

/// The configuration first: should the power go in between, the number is all that is missing, and is made up for.
fn commit(paths: &Paths, generation: &Generation, journal: &mut Journal<'_>) -> Result<()> {
    let whom = if paths.kernel().is_some() { "giving it to every server" } else { "giving it to new servers" };
    journal.hear(BuildEvent::Phase(whom));
    settings::write(paths, &generation.manifest().wanted(), &journal.record.who)?;
    pyenv::switch(paths, generation)?;
    journal.record.to = Some(generation.number());
    Ok(())
}

fn rollback(paths: &Paths, to: u32, journal: &mut Journal<'_>) -> Result<BuildState> {
    let before = current(paths)?;
    let Some(generation) = Generation::open(paths, to)? else { bail!("there is no environment {to}") };
    journal.wants(&generation.manifest().wanted());
    commit(paths, &generation, journal)?;
    journal.compare(before.as_ref(), &generation)?;
    Ok(BuildState::Done)
}

/// Nobody can start it any more; what runs in it goes on, and keeps its generation until the next `gc`.
fn remove_kernel(paths: &Paths, journal: &mut Journal<'_>, in_use: &dyn Fn(&Paths) -> Result<Vec<ServersOf>>) -> Result<()> {
    let name = paths.kernel().context("no kernel is named")?;
    settings::forget(paths, name, &journal.record.who)?;
    pyenv::retire(paths, name)?;
    collect(paths, journal, in_use)
}

/// As [`collect`]; asked of everybody's environment, also for every kernel.
fn collect_all(paths: &Paths, journal: &mut Journal<'_>, in_use: &dyn Fn(&Paths) -> Result<Vec<ServersOf>>) -> Result<()> {
    collect(paths, journal, in_use)?;
    if paths.kernel().is_none() {
        for name in pyenv::kernels(paths)? {
            collect(&paths.of_kernel(&name), journal, in_use)?;
        }
    }
    Ok(())
}

/// Deletes what is neither current, nor among the newest, nor in use; of a kernel that was removed, all that is not in use.
fn collect(paths: &Paths, journal: &mut Journal<'_>, in_use: &dyn Fn(&Paths) -> Result<Vec<ServersOf>>) -> Result<()> {
    let keep = usize::try_from(settings::read(paths)?.environment.keep).unwrap_or(usize::MAX);
    let current = pyenv::current(paths)?;
    let numbers: Vec<u32> = pyenv::all(paths)?.iter().map(Generation::number).collect();
    let used = in_use(paths).context("finding out which environments are in use")?;
    let removed = paths.kernel().filter(|_| current.is_none());
    // The one before the current always stays: somebody's server may be starting with it just now.
    let keep = if removed.is_some() { 0 } else { keep.max(2) };
    for generation in superfluous(&numbers, current, keep, &used) {
        if let Some(generation) = Generation::open(paths, generation)? {
            let what = paths.kernel().map_or("environment".to_owned(), |name| format!("kernel {name}, environment"));
            journal.note(&format!("deleting {what} {}", generation.number()));
            pyenv::delete(paths, &generation)?;
            journal.record.deleted.push(generation.number());
        }
    }
    removed.map_or(Ok(()), |name| pyenv::retire(paths, name))
}

fn superfluous(all: &[u32], current: Option<u32>, keep: usize, used: &[ServersOf]) -> Vec<u32> {
    let newest = all.len().saturating_sub(keep);
    let is_used = |number: u32| current == Some(number) || used.iter().any(|servers| servers.number == number);
    all[..newest].iter().copied().filter(|number| !is_used(*number)).collect()
}

fn current(paths: &Paths) -> Result<Option<Generation>> {
    let number = pyenv::current(paths)?;
    Ok(number.map(|number| Generation::open(paths, number)).transpose()?.flatten())
}

/// A conda environment has its own Python, which its lock names.
fn is_python_the_same(generation: &Generation, python: &Path) -> Result<bool> {
    match &generation.manifest().python {
        Some(own) => Ok(Python::probe(python)? == *own),
        None => Ok(true),
    }
}

fn sorted(text: &str) -> Result<Vec<(String, Option<String>)>> {
    let mut packages: Vec<_> = lock::parse(text)?.into_iter().map(|package| (package.name, package.version)).collect();
    packages.sort();
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_the_newest_and_those_in_use_stay() {
        let used = |numbers: &[u32]| -> Vec<ServersOf> {
            numbers.iter().map(|number| ServersOf { number: *number, names: Vec::new() }).collect()
        };
        for (all, current, keep, in_use, gone) in [
            (&[1, 2, 3, 4, 5][..], 5, 3, &[][..], &[1, 2][..]),
            (&[1, 2, 3, 4, 5], 5, 3, &[1], &[2]),
            (&[1, 2, 3, 4, 5], 1, 3, &[], &[2]),
            (&[1, 2, 3, 4, 5], 5, 2, &[], &[1, 2, 3]),
            (&[1, 2, 3], 9, 0, &[2], &[1, 3]),
            (&[1, 2], 2, 3, &[], &[]),
            (&[], 1, 3, &[], &[]),
        ] {
            assert_eq!(superfluous(all, Some(current), keep, &used(in_use)), gone, "{all:?} {current} {keep} {in_use:?}");
        }
    }
}
