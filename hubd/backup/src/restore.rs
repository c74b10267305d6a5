//! Bringing a backup back, first half: everything is fetched to where only root gets, beside the place it belongs to, and given to
//! the numbers that its owners have on this machine. Nothing of the hub has changed by then but the table of accounts, which
//! knows more people.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hub_core::accounts::lookup;
use hub_core::config::Config;
use hub_core::paths::Paths;
use hub_core::sys::atomic::{self, Access};
use hub_system::accounts::homes;
use hub_system::accounts::table::TableFile;
use hub_system::tree;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::apart::Apart;
use crate::manifest::{Parts, groups, real};
use crate::numbers::{self, Accounts};
use crate::{Lost, Restic};

/// Where something lies that was fetched and is not in its place yet, in the directory it will be in.
pub(crate) const BESIDE: &str = ".hubd-restore";
const MARKER: &str = "restore.json";

/// How far a restore has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Which backup is brought back.
    pub snapshot: String,
    /// When it was begun; what is put aside has that in its name.
    pub begun: String,
    /// Whether everything was fetched, so that only places have to be taken.
    pub fetched: bool,
    /// How much of it could not be.
    #[serde(default)]
    pub lost: u64,
    /// Whether the configuration is in force, and what lies beside it in its place.
    #[serde(default)]
    pub configured: bool,
    /// Whether people and passwords are those of the backup. Not a second time: something may have happened since.
    #[serde(default)]
    pub database: bool,
    /// Whether homes and the class folder are in their places.
    #[serde(default)]
    pub placed: bool,
    /// What was there, and where it is now.
    #[serde(default)]
    pub aside: Vec<PathBuf>,
    /// Why the latest attempt to put things in their places ended.
    #[serde(default)]
    pub problem: Option<String>,
}

impl Progress {
    /// One that begins.
    pub fn begin(snapshot: &str, now: Timestamp) -> Self {
        let begun = now.strftime("%Y-%m-%d-%H%M%S").to_string();
        Self {
            snapshot: snapshot.to_owned(),
            begun,
            fetched: false,
            lost: 0,
            configured: false,
            database: false,
            placed: false,
            aside: Vec::new(),
            problem: None,
        }
    }

    /// One that was cut short; `None`: there is none.
    ///
    /// # Errors
    /// When its record can't be read.
    pub fn load(paths: &Paths) -> Result<Option<Self>> {
        match fs_err::read(marker(paths)) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text).context("reading how far a restore has come")?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Remembers it.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn save(&self, paths: &Paths) -> Result<()> {
        atomic::replace(&marker(paths), &serde_json::to_vec(self)?, Access::mode(0o600))
    }

    /// It is over: forgets it, and what was fetched for it.
    ///
    /// # Errors
    /// When something can't be removed.
    pub fn end(paths: &Paths) -> Result<()> {
        tree::remove(&paths.backup_restore())?;
        match fs_err::remove_file(marker(paths)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

fn marker(paths: &Paths) -> PathBuf {
    paths.backup_state().join(MARKER)
}

/// Fetches the small parts: what the backup says of its hub, configuration, people, certificates.
///
/// # Errors
/// When they are not in the backup, or damaged.
pub fn fetch_parts(paths: &Paths, restic: &Restic, snapshot: &str) -> Result<(Parts, Lost)> {
    let directory = fresh(&paths.backup_restore())?;
    let stage = paths.backup_stage();
    let what = [stage.clone(), paths.config_directory(), paths.certificates(), paths.environment_wheels()];
    let lost = restic.restore(snapshot, &what, &directory)?;
    Ok((Parts::read(&fetched(&directory, &stage))?, lost))
}

/// The parts that were fetched before a restore was cut short.
///
/// # Errors
/// When they are not there.
pub fn parts_fetched_before(paths: &Paths) -> Result<Parts> {
    Parts::read(&fetched(&paths.backup_restore(), &paths.backup_stage()))
}

/// Where something lies that was fetched into `directory`.
pub(crate) fn fetched(directory: &Path, path: &Path) -> PathBuf {
    directory.join(path.strip_prefix("/").unwrap_or(path))
}

/// Where homes are fetched to with `config`, and where the class folder is.
pub(crate) fn beside(paths: &Paths, config: &Config) -> Result<[PathBuf; 2]> {
    let homes = homes::place(&config.accounts.homes)?;
    Ok([homes.join(BESIDE), real(&paths.class_folder()).join(BESIDE)])
}

/// Fetches homes and the class folder, where `config` says that homes are, and gives them to those who own them here. Says what could
/// not be brought back: one person's odd file keeps nobody else's from it.
///
/// # Errors
/// When nothing can be fetched; nothing of the hub has changed then.
pub fn fetch_files(paths: &Paths, restic: &Restic, snapshot: &str, parts: &Parts, config: &Config) -> Result<Lost> {
    let accounts = accounts(paths, parts, config)?;
    homes::make(&homes::place(&config.accounts.homes)?)?;
    let [homes, class] = beside(paths, config)?;
    let (manifest, fresh_homes, fresh_class) = (&parts.manifest, fresh(&homes)?, fresh(&class)?);
    let places = manifest.places_of_homes();
    let mut lost = Lost::default();
    if !places.is_empty() {
        lost.extend(restic.restore(snapshot, &places, &fresh_homes).context("fetching homes")?);
    }
    let class_folder = std::slice::from_ref(&manifest.class_folder);
    lost.extend(restic.restore(snapshot, class_folder, &fresh_class).context("fetching the class folder")?);
    let groups = numbers::groups(&manifest.groups, &groups()?);
    let (mut uids, mut apart) = (BTreeMap::new(), Apart::default());
    for home in &manifest.homes {
        let from = fetched(&homes, &home.path);
        let Some(account) = accounts.get(&home.name) else { continue };
        uids.insert(home.uid, account.uid);
        let gid = lookup::account_by_name(&account.account)?.map_or(account.uid, |found| found.gid);
        if !from.exists() {
            lost.add(&format!("the home of {}: it is not in this backup, so the one that is here stays", home.name));
            continue;
        }
        apart.take(&from)?;
        // All of a home is its owner's; what root had put there stays root's.
        let owners = |uid: u32, group: u32| {
            let group = groups.get(&group).copied().filter(|_| group != home.gid);
            (if uid == 0 { 0 } else { account.uid }, group.unwrap_or(gid))
        };
        tree::renumber(&from, &owners)?;
        close(&from)?;
    }
    let class = fetched(&class, &manifest.class_folder);
    if class.exists() {
        let owners = |uid: u32, gid: u32| {
            (uids.get(&uid).copied().unwrap_or(0), groups.get(&gid).or_else(|| uids.get(&gid)).copied().unwrap_or(0))
        };
        tree::renumber(&class, &owners)?;
    }
    Ok(lost)
}

/// Takes the accounts of the backup into the table of this machine.
///
/// # Errors
/// When the table can't be changed.
pub fn accounts(paths: &Paths, parts: &Parts, config: &Config) -> Result<Accounts> {
    let mut guard = TableFile::new(paths.accounts()).lock()?;
    let accounts = numbers::merge(&parts.table()?, &mut guard.table, &config.accounts.prefix, &ThisMachine)?;
    guard.save()?;
    Ok(accounts)
}

/// For root alone; the launcher gives it back to its owner, whose account it makes, when they come.
fn close(home: &Path) -> Result<()> {
    std::os::unix::fs::lchown(home, Some(0), Some(0)).with_context(|| format!("closing `{}`", home.display()))?;
    Ok(fs_err::set_permissions(home, std::fs::Permissions::from_mode(0o700))?)
}

/// An empty directory that only root enters.
fn fresh(path: &Path) -> Result<PathBuf> {
    tree::remove(path)?;
    std::fs::DirBuilder::new().recursive(true).create(path).with_context(|| format!("making `{}`", path.display()))?;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
    Ok(path.to_owned())
}

struct ThisMachine;

impl numbers::Machine for ThisMachine {
    fn is_number_taken(&self, number: u32) -> Result<bool> {
        Ok(lookup::account_by_uid(number)?.is_some() || lookup::group_by_gid(number)?.is_some())
    }

    fn is_name_taken(&self, name: &str) -> Result<bool> {
        Ok(lookup::account_by_name(name)?.is_some() || lookup::group_by_name(name)?.is_some())
    }
}
