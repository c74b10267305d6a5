//! Packages of the distribution: what a change takes, as apt's own simulation says it, and doing just that.
//!
//! apt runs in a unit of its own, which outlives this process: dpkg is not to be cut short. What a kill or a power cut did cut
//! short is completed before anything else.

mod machine;
mod state;

use hub_core::config::format_bytes;
use hub_core::control::environment::apt::{AptChange, AptPackage, AptPlan};
use hub_core::control::environment::{BuildState, EnvironmentReply};
use hub_core::packages::PackageName;
use hub_core::packages::VersionChange;
use hub_core::paths::Paths;

use crate::pyenv::BuildEvent;
use anyhow::{Result, bail};

use self::machine::Apt;
use self::state::State;
use crate::jobs::journal::Journal;
use crate::jobs::settings;

/// What stays free on the disk beside what packages take.
const SPARE_BYTES: u64 = 500 << 20;

/// What is to be done, in this order.
struct Steps {
    /// Every package that is asked for, where one is missing.
    install: Vec<String>,
    /// Packages that came because of the hub and that nothing needs any more.
    remove: Vec<String>,
    changes: Vec<VersionChange>,
}

/// Answers what is asked for, and what of it is there.
pub(super) fn list(paths: &Paths) -> Result<EnvironmentReply> {
    let (asked, state) = (settings::read(paths)?.environment.apt, State::read(paths)?);
    let installed = machine::installed(asked.iter().map(PackageName::as_str))?;
    let packages = asked.into_iter().map(|name| AptPackage {
        version: installed.get(name.as_str()).map(|package| package.version.clone()),
        is_brought: state.brought.iter().any(|one| one == name.as_str()),
        name,
    });
    Ok(EnvironmentReply::AptPackages { packages: packages.collect(), brought: state.brought })
}

/// What the configuration asks for and the machine lacks.
pub(super) fn missing(paths: &Paths) -> Result<Vec<PackageName>> {
    let asked = settings::read(paths)?.environment.apt;
    let installed = machine::installed(asked.iter().map(PackageName::as_str))?;
    Ok(asked.into_iter().filter(|name| !installed.contains_key(name.as_str())).collect())
}

/// Finds out what `change` takes.
pub(super) fn plan(paths: &Paths, change: &AptChange, journal: &mut Journal<'_>) -> Result<BuildState> {
    let apt = Apt::new(paths, journal.record.log.clone());
    apt.settle(journal)?;
    apt.update(journal);
    journal.hear(BuildEvent::Phase("asking apt what it would do"));
    let (before, state) = (settings::read(paths)?.environment.apt, State::read(paths)?);
    let asked = change.apply(&before);
    let steps = steps(&apt, &state, &former(&state, &before), &asked)?;
    let (download_bytes, disk_bytes) = apt.sizes(&steps.changes)?;
    let is_there = steps.changes.is_empty() && asked == before && state.asked == before;
    journal.record.changes = steps.changes;
    journal.record.apt = Some(Box::new(AptPlan { change: change.clone(), asked, download_bytes, disk_bytes }));
    let needed = download_bytes.saturating_add(u64::try_from(disk_bytes).unwrap_or(0));
    let free = machine::free_bytes(paths)?.saturating_sub(SPARE_BYTES);
    if needed > free {
        let (needed, free) = (format_bytes(needed), format_bytes(free));
        bail!("it needs {needed}, but only {free} of the disk of `/usr` can be used\nhint: make room, then ask again");
    }
    Ok(if is_there { BuildState::Unchanged } else { BuildState::Planned })
}

/// Does what `change` takes, which must not be more than was `confirmed`. Where nobody was asked, packages only come.
pub(super) fn perform(
    paths: &Paths,
    change: &AptChange,
    confirmed: Option<&[VersionChange]>,
    is_resumed: bool,
    journal: &mut Journal<'_>,
) -> Result<BuildState> {
    let apt = Apt::new(paths, journal.record.log.clone());
    apt.settle(journal)?;
    if confirmed.is_none() {
        apt.update(journal);
    }
    let (before, mut state) = (settings::read(paths)?.environment.apt, State::read(paths)?);
    let asked = change.apply(&before);
    let former = if confirmed.is_some() { former(&state, &before) } else { Vec::new() };
    let steps = steps(&apt, &state, &former, &asked)?;
    if let (Some(confirmed), false) = (confirmed, is_resumed)
        && let Some(other) = steps.changes.iter().find(|change| !confirmed.contains(change))
    {
        bail!("`{}` would change, too, which was not in the plan\nhint: ask again, and look at the new plan", other.name);
    }
    // What is left after a kill is a part of what is done.
    if !is_resumed || journal.record.changes.is_empty() {
        journal.record.changes.clone_from(&steps.changes);
    }
    let (download_bytes, disk_bytes) = apt.sizes(&steps.changes)?;
    if journal.record.apt.is_none() {
        journal.record.apt = Some(Box::new(AptPlan { change: change.clone(), asked: asked.clone(), download_bytes, disk_bytes }));
    }
    let came = steps.changes.iter().filter(|change| change.from.is_none() && change.to.is_some());
    let arrivals: Vec<String> = came.map(|change| change.name.clone()).collect();
    // Before anything is unpacked, so that it is known after a power cut, too.
    state.note_arrivals(&arrivals);
    state.write(paths)?;
    if !steps.install.is_empty()
        && let Err(error) = apt.install(&steps.install, (arrivals.len(), download_bytes), journal)
    {
        let text = format!("{error:#}");
        let (reason, hint) = text.split_once("\nhint: ").unwrap_or((&text, "the log tells more: hubctl env history"));
        let back = match apt.take_back(&arrivals, journal) {
            Ok(()) => "What had been installed was removed again.".to_owned(),
            Err(error) => format!("What had been installed could not be removed again: {error:#}"),
        };
        forget_absent(&mut state, paths)?;
        bail!("{reason}\n{back}\nhint: {hint}");
    }
    // Anew: what came may need what was to go.
    let rest = self::steps(&apt, &state, &former, &asked)?.remove;
    if !rest.is_empty() {
        apt.remove(&rest, journal)?;
    }
    settings::write_apt(paths, &asked, &journal.record.who)?;
    // What nobody was asked about may still have to go.
    let kept = state.asked.iter().filter(|name| confirmed.is_none() && !asked.contains(name)).cloned().collect::<Vec<_>>();
    state.asked = asked.into_iter().chain(kept).collect();
    forget_absent(&mut state, paths)?;
    Ok(if journal.record.changes.is_empty() { BuildState::Unchanged } else { BuildState::Done })
}

/// What was asked for so far: by the configuration, or when something was last done about it.
fn former(state: &State, before: &[PackageName]) -> Vec<PackageName> {
    let mut former = before.to_vec();
    former.extend(state.asked.iter().filter(|name| !before.contains(name)).cloned());
    former
}

/// What takes the machine from what was asked for to what is.
fn steps(apt: &Apt<'_>, state: &State, former: &[PackageName], asked: &[PackageName]) -> Result<Steps> {
    let mut steps = Steps { install: Vec::new(), remove: Vec::new(), changes: Vec::new() };
    let installed = machine::installed(former.iter().chain(asked).map(PackageName::as_str))?;
    let is_there = |name: &&PackageName| installed.contains_key(name.as_str());
    let missing: Vec<&PackageName> = asked.iter().filter(|name| !is_there(name)).collect();
    if !missing.is_empty() {
        steps.install = asked.iter().map(ToString::to_string).collect();
        let simulation = apt.simulate(&["--no-upgrade", "install"], &steps.install)?;
        let gone = simulation.unexpected_removals(&[]);
        if !gone.is_empty() {
            bail!(
                "{} would have to be removed for that, so nothing was done\nhint: ask for other packages, or take it out on the machine with sudo apt-get remove",
                gone.join(", ")
            );
        }
        // A name that is no package's may be a pattern, or what other packages provide.
        if let Some(unknown) = missing.iter().find(|name| !simulation.brings(name)) {
            bail!(
                "the archives of this machine have no package `{unknown}` of its own\nhint: apt-cache search WORD finds packages"
            );
        }
        steps.changes.extend(simulation.arrivals);
    }
    let brought = |name: &str| state.brought.iter().any(|one| one == name);
    let gone = former.iter().filter(|name| !asked.contains(name) && brought(name.as_str()));
    let gone: Vec<String> = gone.filter(is_there).map(ToString::to_string).collect();
    if !gone.is_empty() {
        // What else nothing needs any more may be there for reasons of its own.
        let all = apt.simulate(&["--auto-remove", "remove"], &gone)?;
        steps.remove = all.removals.iter().map(|change| change.name.clone()).filter(|name| brought(name)).collect();
        if let Some(needed) = asked.iter().find(|name| steps.remove.iter().any(|one| one == name.as_str())) {
            bail!("`{needed}` needs it, and was asked for\nhint: hubctl env apt remove {} {needed}", gone.join(" "));
        }
        let simulation = apt.removal(&steps.remove)?;
        steps.changes.extend(simulation.removals);
        steps.changes.extend(simulation.arrivals);
    }
    Ok(steps)
}

/// Notes what is there; what came and went by other means is nobody's.
fn forget_absent(state: &mut State, paths: &Paths) -> Result<()> {
    let installed = machine::installed(state.brought.iter().map(String::as_str))?;
    state.brought.retain(|name| installed.contains_key(name));
    state.write(paths)
}
