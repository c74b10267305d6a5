//! `uninstall`: units first, then people and homes, then the receipt backwards.
//!
//! Every part can be done again after a power cut. Homes, logins, class folder and configuration stay unless `purge`,
//! closed to everybody but root.

mod homes;

use std::path::Path;

use anyhow::{Context, Result};
use hub_core::paths::Paths;
use hub_system::tree;

use crate::leftovers::{self, Leftovers};
use crate::progress::{self, Talk};
use crate::receipt::{self, Receipt, Store};
use crate::report::UninstallReport;
use crate::undo::{Undo, Undone};
use crate::{action, files, systemctl};

/// How the names of all our units begin.
const OWN_UNITS: [&str; 2] = ["hubd.", "hubd-"];

/// How the names of directories end that have what people's servers said; they begin with the machine's id.
const USERS_JOURNAL: &str = ".hubd-users";

/// How an uninstall ended.
#[derive(Debug)]
pub enum Ending {
    /// There was nothing to take away.
    Nothing,
    /// Another installer is at work.
    Busy,
    /// It is gone.
    Done(UninstallReport),
}

/// Whether there is something to uninstall, or with `purge` to delete.
///
/// # Errors
/// When the receipt or the manifest can't be read.
pub fn is_needed(paths: &Paths, purge: bool) -> Result<bool> {
    Ok(receipt::load(paths)?.is_some() || (purge && leftovers::load(paths)?.is_some()))
}

/// Takes the hub off the machine.
///
/// # Errors
/// When something can't be removed; running it again goes on from there.
pub fn run(paths: &Paths, purge: bool, talk: &Talk) -> Result<Ending> {
    if !is_needed(paths, purge)? {
        return Ok(Ending::Nothing);
    }
    let Some(store) = Store::open(paths)? else { return Ok(Ending::Busy) };
    progress::log_to(&paths.install_log())?;
    let mut receipt = receipt::load(paths)?.unwrap_or_default();
    receipt.complete = false;
    store.save(&receipt)?;
    let mut left = leftovers::load(paths)?.unwrap_or_default();
    let mut report = UninstallReport::default();

    talk.detail("stopping the hub and every server");
    stop_everything(&receipt)?;
    talk.detail("closing accounts and homes");
    homes::close(paths, &mut left)?;
    if purge {
        for home in &left.homes {
            delete(&home.path)?;
        }
    } else {
        keep_state(paths)?;
    }
    report.notes.extend(apt_note(paths));
    talk.detail("taking back the steps of the install");
    take_back(paths, &mut receipt, &store, purge, &mut left, &mut report)?;
    if purge {
        for path in left.kept.iter().chain([&paths.state(), &paths.launcher_state(), &paths.uninstalled()]) {
            delete(path)?;
        }
        // With homes in it, it outlived the install that made it.
        Undo::RemoveDirectory { path: paths.usual_homes() }.files(purge)?;
    } else {
        report.homes = left.homes.iter().map(|home| home.path.clone()).collect();
        report.kept = left.kept_tops();
        let nothing = left.homes.is_empty() && left.kept.is_empty() && !paths.uninstalled_people().exists();
        if nothing { delete(&paths.uninstalled())? } else { left.save(paths)? }
    }
    sweep(paths, &mut report)?;
    talk.pause();
    Ok(Ending::Done(report))
}

/// First what could start something, then what was started.
fn stop_everything(receipt: &Receipt) -> Result<()> {
    for record in &receipt.steps {
        if let Some(Undo::DisableUnits { units }) = &record.undo {
            action::disable(units)?;
        }
    }
    for pattern in
        ["hubd-*.service", "hubd-*.scope", "hubd-*.socket", "hubd*.slice", "run-hubd*.mount", "systemd-journald*@hubd-users.*"]
    {
        let units = systemctl::list(pattern)?;
        if !units.is_empty() {
            systemctl::job(["stop".to_owned()].into_iter().chain(units.clone()))
                .with_context(|| format!("stopping {}", units.join(", ")))?;
            // Failed ones stay loaded until they are forgotten; those that are gone by now are no concern.
            systemctl::ask(["reset-failed".to_owned()].into_iter().chain(units))?;
        }
    }
    Ok(())
}

/// Logins, passwords and who owned which account wait beside the manifest for the next install.
fn keep_state(paths: &Paths) -> Result<()> {
    for (state, kept) in [(paths.state(), paths.uninstalled_people()), (paths.launcher_state(), paths.uninstalled_launcher())] {
        let worth_keeping = state.exists() && fs_err::read_dir(&state)?.next().is_some();
        if worth_keeping && !kept.exists() {
            files::ensure_private_directory(&paths.uninstalled())?;
            fs_err::rename(&state, &kept)?;
        }
        if kept.exists() {
            files::close(&kept)?;
            tree::give(&kept, 0, 0)?;
        }
    }
    Ok(())
}

fn take_back(
    paths: &Paths,
    receipt: &mut Receipt,
    store: &Store,
    purge: bool,
    left: &mut Leftovers,
    report: &mut UninstallReport,
) -> Result<()> {
    for index in (0..receipt.steps.len()).rev() {
        let record = receipt.steps[index].clone();
        let Some(undo) = record.undo else { continue };
        let taking_back = || format!("taking back {}", record.title);
        let undone = match undo.files(purge).with_context(taking_back)? {
            Some(undone) => undone,
            None => action::undo(&undo).with_context(taking_back)?,
        };
        tracing::info!(step = record.id, ?undone, "step taken back");
        match (&undo, undone) {
            (_, Undone::Removed) => report.removed += 1,
            (_, Undone::AlreadyGone) => {}
            (Undo::Keep { path }, Undone::Kept(_)) => {
                // Its owner's number may soon be somebody else's.
                files::close(path)?;
                left.keep(path);
                left.save(paths)?;
            }
            (_, Undone::Kept(reason)) => report.notes.push(reason),
        }
        receipt.steps[index].undo = None;
        store.save(receipt)?;
    }
    Ok(())
}

/// Packages of the distribution that came because of the hub stay: other things may need them by now.
fn apt_note(paths: &Paths) -> Option<String> {
    let state: serde_json::Value = serde_json::from_slice(&fs_err::read(paths.apt_state()).ok()?).ok()?;
    let names: Vec<&str> = state["brought"].as_array()?.iter().filter_map(|name| name.as_str()).collect();
    (!names.is_empty()).then(|| format!("distribution packages that were installed for everybody stay: {}", names.join(", ")))
}

fn delete(path: &Path) -> Result<()> {
    Undo::RemoveTree { path: path.to_owned() }.files(true).map(drop)
}

/// What people's servers said.
fn delete_users_journal(paths: &Paths) -> Result<()> {
    for journals in [paths.journals(), paths.runtime_journals()].iter().filter(|directory| directory.exists()) {
        for entry in fs_err::read_dir(journals)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().ends_with(USERS_JOURNAL) {
                delete(&entry.path())?;
            }
        }
    }
    Ok(())
}

/// What is left of the running hub, and of the installer itself.
fn sweep(paths: &Paths, report: &mut UninstallReport) -> Result<()> {
    delete_users_journal(paths)?;
    for path in paths.runtime() {
        delete(&path)?;
    }
    for directory in paths.runtime_units().iter().filter(|directory| directory.exists()) {
        for entry in fs_err::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if OWN_UNITS.iter().any(|start| name.to_string_lossy().starts_with(start)) {
                delete(&entry.path())?;
            }
        }
    }
    systemctl::reload()?;
    let backups = paths.installer_backups();
    let needed = backups.exists() && fs_err::read_dir(&backups)?.next().is_some();
    if needed {
        report.notes.push(format!("copies of files that were replaced or changed by hand are in `{}`", backups.display()));
        delete(&paths.receipt())?;
        delete(&paths.installer_state().join("lock"))?;
        delete(&paths.config_history())?;
    } else {
        delete(&paths.installer_state())?;
    }
    delete(&paths.install_log())
}
