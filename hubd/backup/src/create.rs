//! Making a backup: the hub leaves a copy of its database, the small parts are put together, restic takes it all, and older ones
//! go that nobody wants kept.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use hub_core::backup::{Attempt, Record};
use hub_core::config::{self, Backup, Repository};
use hub_core::control::{self, Reply, Request};
use hub_core::paths::Paths;
use hub_core::sys::atomic::{self, Access};
use hub_system::lock::{LockGuard, try_lock};
use hub_system::tree;
use jiff::Timestamp;

use crate::identity::Identity;
use crate::leave_out::{LeaveOut, Unread};
use crate::manifest::Parts;
use crate::run::Excluded;
use crate::said::pattern;
use crate::{Problem, Restic};

/// Below every home: what programs make anew, and what was thrown away.
const NOT_KEPT: [&str; 3] = ["*/.cache", "*/.local/share/Trash", "*/.hubd-*"];
/// What Jupyter keeps beside every notebook.
const CHECKPOINTS: &str = ".ipynb_checkpoints";
/// What the hub and its installer leave half-made among homes.
const UNFINISHED: &str = ".hubd-*";

/// Among what is put together: names of files that are left out.
const LEFT_OUT: &str = "left-out";

/// What the configuration wants of backups.
///
/// # Errors
/// When it can't be read, or names no place for backups.
pub fn wanted(paths: &Paths) -> Result<(Backup, Repository)> {
    let backup = config::read(&paths.config_file())?.config.backup;
    let Some(repository) = backup.repository.clone() else {
        let hint = "sudo hubctl backup init /mnt/disk/hubd sets up a place for them";
        return Err(Problem::new("the configuration does not say where backups go", hint).into());
    };
    Ok((backup, repository))
}

/// Waits for nobody: one at a time is at work on backups.
///
/// # Errors
/// When somebody else is.
pub fn alone(paths: &Paths) -> Result<LockGuard> {
    fs_err::create_dir_all(paths.backup_state())?;
    match try_lock(&paths.backup_lock())? {
        Some(guard) => Ok(guard),
        None => Err(Problem::new("a backup is being made or restored", "wait until that is done: hubctl backup status").into()),
    }
}

/// Makes a backup in `service`, and keeps a record of how it went.
///
/// # Errors
/// When it did not work; the record says so as well.
pub fn perform(paths: &Paths, service: Option<&str>, version: &str) -> Result<Attempt> {
    let _alone = alone(paths)?;
    let began = Timestamp::now();
    let mut record = Record::load(paths)?.unwrap_or_else(|| Record::new(began));
    let mut attempt = Attempt::begun(began);
    record.last = Some(attempt.clone());
    record.save(paths)?;
    let outcome = make(paths, service, version, &mut attempt);
    attempt.ended = Some(Timestamp::now());
    if let Err(error) = &outcome {
        let problem = error.downcast_ref::<Problem>().cloned();
        let hint = "on the machine: journalctl --unit hubd-backup; sudo hubctl backup create tries again";
        attempt.problem = Some(problem.unwrap_or_else(|| Problem::new(format!("{error:#}"), hint)));
    } else {
        record.success = Some(attempt.clone());
    }
    record.last = Some(attempt.clone());
    record.save(paths)?;
    outcome.map(|()| attempt)
}

fn make(paths: &Paths, service: Option<&str>, version: &str, attempt: &mut Attempt) -> Result<()> {
    let (backup, repository) = wanted(paths)?;
    let mut restic = Restic::new(paths, &repository, &backup.password_file)?;
    if let Some(service) = service {
        restic = restic.within(service);
    }
    // Before anything is put together: a disk that is not there is the usual reason.
    restic.unlock()?;
    copy_database(paths)?;
    let parts = Parts::gather(paths, version, attempt.began)?;
    let out = LeaveOut::look(&parts.manifest);
    let excluded =
        Excluded { patterns: patterns(&backup, &parts), file: paths.backup_stage().join(LEFT_OUT), larger_than: out.larger_than };
    atomic::replace(&excluded.file, &out.lines, Access::mode(0o600))?;
    let identity = Identity::of(paths)?;
    let mut unread = Unread::of(&parts.manifest.homes);
    let what = extent(paths, &parts, &out);
    let summary = restic.backup(identity.own(), &what, &excluded, &mut |path| unread.add(path))?;
    attempt.snapshot = Some(summary.snapshot_id);
    (attempt.files, attempt.bytes) = (summary.total_files_processed, summary.total_bytes_processed);
    (attempt.added, attempt.unread) = (summary.data_added, unread.count);
    attempt.lacking = unread.told_with(out.lacking);
    // What is in the backup need not lie here as well.
    tree::remove(&paths.backup_stage())?;
    let keep = [backup.keep_daily, backup.keep_weekly, backup.keep_monthly];
    restic.forget(identity.own(), keep).context("the backup was made, but older ones could not be removed")
}

/// Has the hub leave a copy of its database.
fn copy_database(paths: &Paths) -> Result<()> {
    match control::call(&paths.control_socket(), &Request::CopyDatabase) {
        Ok(Reply::Done) => Ok(()),
        Ok(Reply::Refused(refusal)) => Err(Problem::new(refusal.message, refusal.hint.unwrap_or_default()).into()),
        Ok(other) => bail!("unexpected answer of the hub: {other:?}"),
        Err(error) => {
            let what = format!("the hub does not answer, so its database can't be copied: {error}");
            Err(Problem::new(what, "sudo hubctl status says why").into())
        }
    }
}

/// What is in a backup.
fn extent(paths: &Paths, parts: &Parts, out: &LeaveOut) -> Vec<PathBuf> {
    let Parts { manifest, .. } = parts;
    let mut what = vec![
        paths.backup_stage(),
        paths.config_directory(),
        paths.config_history(),
        paths.certificates(),
        paths.environment_wheels(),
        manifest.class_folder.clone(),
    ];
    what.extend(manifest.homes.iter().map(|home| home.path.clone()));
    what.retain(|path| path.exists() && !out.directories.contains(path));
    what
}

/// What of that is not, whoever's it is; in restic's words.
fn patterns(backup: &Backup, parts: &Parts) -> Vec<String> {
    let homes = parts.manifest.places_of_homes();
    let below = homes.iter().flat_map(|place| NOT_KEPT.iter().map(move |name| format!("{}/{name}", pattern(place))));
    let mut excluded: Vec<String> = below.collect();
    excluded.extend(homes.iter().map(|place| format!("{}/{UNFINISHED}", pattern(place))));
    excluded.extend([CHECKPOINTS.to_owned(), pattern(&backup.password_file)]);
    excluded
}
