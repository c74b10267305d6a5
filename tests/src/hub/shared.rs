//! One install for all scenarios whose subject is something else: a machine that the hub was installed in is shut down, and
//! what it changed on its base lies below the changes of every machine that begins with an installed hub.
//!
//! A hub knows its address, so there is one such machine for each hub that runs at once: the first that is free is taken,
//! and made anew when it is not of this release or too old.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use hub_core::programs;
use hub_machine::{Base, BaseSpec, LAYERS_DIRECTORY, Release, carried_environment};
use hub_system::lock::{LockGuard, try_lock};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{ADMIN, BARE, Hub, install};
use crate::context::{Context, repository};
use crate::release::ReleaseServer;

/// More hubs than run at once on one host; each takes half a gigabyte.
const PLACES: u16 = 12;
/// Outside of what the kernel gives to whoever connects, and of what scenarios are given.
const FIRST_PORT: u16 = 19_000;
/// Links and certificates have their time, and package indexes get new versions.
const LONGEST_AGE: Duration = Duration::from_secs(6 * 60 * 60);
/// What the installer is made of, besides the programs, as paths in the repository.
const SOURCES: [&str; 5] = ["bootstrap.sh", "installer/release.sh", "units", "sudoers.d", "tests/src/hub"];

/// What is kept beside the changes of a machine.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    key: String,
    report: Value,
}

/// A place for one hub; nobody else has it until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    directory: PathBuf,
    port: u16,
    _lock: LockGuard,
}

impl Place {
    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn changes(&self) -> PathBuf {
        self.directory.join("changes")
    }

    fn note_file(&self) -> PathBuf {
        self.directory.join("note.json")
    }

    /// The report of the install, if there is one of this release.
    fn report(&self, key: &str) -> Option<Value> {
        // What can't be read is made anew.
        let note: Note = serde_json::from_slice(&std::fs::read(self.note_file()).ok()?).ok()?;
        let is_young = SystemTime::now().duration_since(self.made()?).is_ok_and(|age| age < LONGEST_AGE);
        (note.key == key && is_young).then_some(note.report)
    }

    /// When the hub was installed; `None`: there is none.
    fn made(&self) -> Option<SystemTime> {
        std::fs::metadata(self.note_file()).and_then(|about| about.modified()).ok()
    }

    /// A free place with a hub of this release, or one without any, or the oldest.
    fn take(key: &str) -> Result<Self> {
        let layers = Path::new(LAYERS_DIRECTORY);
        fs::create_dir_all(layers)?;
        let mut free = Vec::new();
        for number in 0..PLACES {
            let directory = layers.join(format!("hub-{number}"));
            let Some(lock) = try_lock(&layers.join(format!("hub-{number}.lock")))? else { continue };
            let place = Self { directory, port: FIRST_PORT + number, _lock: lock };
            if place.report(key).is_some() {
                return Ok(place);
            }
            free.push(place);
        }
        free.into_iter().min_by_key(Self::made).with_context(|| format!("all {PLACES} places for hubs are taken"))
    }

    /// Installs a hub, as everybody does, and keeps what that changed.
    fn fill(&self, context: &Context, key: &str) -> Result<Value> {
        if self.directory.exists() {
            // Without its note it is nothing, also when this is cut short.
            std::fs::remove_file(self.note_file()).or_else(ignore_absence)?;
            fs::remove_dir_all(&self.directory)?;
        }
        let machine = context.machine(Release::Bookworm)?;
        let release = ReleaseServer::start(context)?;
        let report = install(&machine, &release, &format!("--admin {ADMIN} --listen 127.0.0.1:{} {BARE}", self.port))?;
        context.step(&format!("installed in {} s, for others too", report["seconds"]))?;
        fs::create_dir_all(&self.directory)?;
        machine.keep_changes(&self.changes())?;
        let note = Note { key: key.to_owned(), report: report.clone() };
        fs::write(self.note_file(), serde_json::to_vec_pretty(&note)?)?;
        Ok(report)
    }
}

/// A machine of its own with an installed hub. `None`: this host can't keep what a machine changed, or the machine is to
/// outlive this process and with it the place.
pub(super) fn hub(context: &Context) -> Result<Option<Hub>> {
    if context.keeps_machines() || !hub_machine::changes_can_be_kept()? {
        return Ok(None);
    }
    let base = context.base(&BaseSpec::new(Release::Bookworm))?;
    let key = key(context, &base)?;
    let place = Place::take(&key)?;
    let report = match place.report(&key) {
        Some(report) => report,
        None => place.fill(context, &key)?,
    };
    let machine = context.machine_on(&base.with_changes(&place.changes()))?;
    let failed = machine.failed_units()?;
    if !failed.is_empty() {
        bail!("units of the installed hub that did not start: {failed:?}");
    }
    context.step("the hub was installed before")?;
    Ok(Some(Hub { machine, url: place.url(), report, _place: Some(place) }))
}

/// Says what an install depends on: other programs, files, or surroundings have another key.
fn key(context: &Context, base: &Base) -> Result<String> {
    /// Programs are large, and stay the same while the tests run.
    static KNOWN: Mutex<Vec<(PathBuf, String)>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, key)) = known.iter().find(|(programs, _)| programs == context.programs()) {
        return Ok(key.clone());
    }
    let mut hash = Sha256::new();
    hash.update(base.directory.as_os_str().as_encoded_bytes());
    for (name, value) in carried_environment(std::env::vars()) {
        hash.update(format!("{name}={value}\n"));
    }
    for program in programs::names() {
        hash.update(fs::read(context.program(program)?)?);
    }
    for source in SOURCES {
        add(&mut hash, &repository().join(source))?;
    }
    let key: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    known.push((context.programs().to_owned(), key.clone()));
    Ok(key)
}

/// A file, or all files of a directory.
fn add(hash: &mut Sha256, path: &Path) -> Result<()> {
    if !path.is_dir() {
        hash.update(fs::read(path)?);
        return Ok(());
    }
    let mut entries = fs::read_dir(path)?.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    entries.iter().try_for_each(|entry| add(hash, &entry.path()))
}

fn ignore_absence(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_install_is_used_for_its_own_key_and_not_when_it_was_cut_short() {
        let directory = tempfile::tempdir().unwrap();
        let lock = try_lock(&directory.path().join("lock")).unwrap().unwrap();
        let place = Place { directory: directory.path().to_owned(), port: FIRST_PORT, _lock: lock };
        assert_eq!((place.report("key"), place.made()), (None, None));
        fs::write(place.note_file(), "{\"key\": \"key\", \"rep").unwrap();
        assert_eq!(place.report("key"), None);
        fs::write(place.note_file(), "{\"key\": \"key\", \"report\": {\"seconds\": 12}}").unwrap();
        assert_eq!(place.report("key").unwrap()["seconds"], 12);
        assert_eq!(place.report("other"), None);
    }

    #[test]
    fn a_key_tells_files_apart_by_what_is_in_them() {
        let directory = tempfile::tempdir().unwrap();
        let digest = |content: &str| {
            fs::create_dir_all(directory.path().join("below")).unwrap();
            fs::write(directory.path().join("below/unit"), content).unwrap();
            let mut hash = Sha256::new();
            add(&mut hash, directory.path()).unwrap();
            hash.finalize()
        };
        assert_eq!(digest("a"), digest("a"));
        assert_ne!(digest("a"), digest("b"));
    }
}
