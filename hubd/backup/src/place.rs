//! Bringing a backup back, second half: what was fetched takes its place, by renaming, and what was there is put aside. Each step
//! may be done again after it was cut short anywhere.

use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hub_core::accounts::lookup;
use hub_core::config::Config;
use hub_core::paths::Paths;
use hub_core::sys::atomic::{self, Access};
use hub_system::tree;
use nix::unistd::geteuid;

use crate::manifest::{Parts, real};
use crate::numbers::Accounts;
use crate::relocate::relocate;
use crate::restore::{self, fetched};

/// What holds the certificates and belongs to whoever gets them.
const CERTIFICATES: &str = "hubd-certificates";
const HUB: &str = "hubd";
/// In a directory of things that were fetched: what was there has been put aside.
const ASIDE_IS_DONE: &str = "aside";
/// What SQLite keeps beside a database.
const BESIDE_DATABASE: [&str; 2] = ["-wal", "-shm"];
/// Files of the configuration's directory that each machine has of its own.
const OWN_OF_EACH: [&str; 2] = ["config.toml", "network.env"];

/// Puts the certificates that the hub had got in the place of this machine's.
///
/// # Errors
/// When it can't.
pub fn certificates(paths: &Paths, begun: &str) -> Result<bool> {
    let (from, to) = (fetched(&paths.backup_restore(), &paths.certificates()), paths.certificates());
    if !from.exists() {
        return Ok(false);
    }
    let owner = lookup::account_by_name(CERTIFICATES)?.with_context(|| format!("account `{CERTIFICATES}` is missing"))?;
    tree::give(&from, owner.uid, owner.gid)?;
    let before = private(&paths.backup_before().join(begun))?.join("certificates");
    // Under its name when it is whole: from then on what is in the place is what was brought back.
    if !before.exists() {
        let unfinished = before.with_extension("unfinished");
        if to.exists() {
            relocate(&to, &unfinished)?;
        }
        fs_err::create_dir_all(&unfinished)?;
        fs_err::rename(&unfinished, &before)?;
    }
    relocate(&from, &to)?;
    Ok(true)
}

/// Brings back files beside the configuration, and wheels of the environment, where this machine has none of that name. Says which.
///
/// # Errors
/// When it can't.
pub fn own_files(paths: &Paths, parts: &Parts, password: &Path) -> Result<Vec<PathBuf>> {
    let mut brought = Vec::new();
    let restored = paths.backup_restore();
    for directory in [paths.config_directory(), paths.environment_wheels()] {
        let from = fetched(&restored, &directory);
        let entries = match fs_err::read_dir(&from) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let to = directory.join(entry.file_name());
            let is_each_ones = OWN_OF_EACH.iter().any(|name| entry.file_name() == *name) || to == password;
            if !is_each_ones && bring(&entry.path(), &to)? {
                brought.push(to);
            }
        }
    }
    for file in &parts.manifest.certificate_files {
        if bring(&fetched(&restored, file), file)? {
            brought.push(file.clone());
        }
    }
    Ok(brought)
}

/// A plain file, or a directory of some, where nothing is yet.
fn bring(from: &Path, to: &Path) -> Result<bool> {
    let Ok(found) = from.symlink_metadata() else { return Ok(false) };
    if to.symlink_metadata().is_ok() {
        return Ok(false);
    }
    if found.is_dir() {
        fs_err::create_dir_all(to)?;
        fs_err::set_permissions(to, found.permissions())?;
        for entry in fs_err::read_dir(from)? {
            let entry = entry?;
            bring(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(true);
    }
    if !found.is_file() {
        return Ok(false);
    }
    if let Some(parent) = to.parent() {
        fs_err::create_dir_all(parent)?;
    }
    let mode = found.permissions().mode() & 0o777;
    let mut access = Access::mode(mode);
    // What the hub reads, it reads by its group.
    if let Some(gid) = lookup::group_by_name(HUB)?.filter(|_| mode & 0o040 != 0) {
        access = access.owned_by(0, gid);
    }
    atomic::replace(to, &fs_err::read(from)?, access)?;
    Ok(true)
}

/// Puts the database of people in the place of this machine's. The hub must not run.
///
/// # Errors
/// When it can't.
pub fn database(paths: &Paths, parts: &Parts, begun: &str) -> Result<()> {
    let content = parts.database()?;
    let owner = lookup::account_by_name(HUB)?.with_context(|| format!("account `{HUB}` is missing"))?;
    let (path, before) = (paths.database(), private(&paths.backup_before().join(begun))?);
    let with_end = |end: &str| PathBuf::from(format!("{}{end}", path.display()));
    for end in ["", "-wal", "-shm"] {
        let (there, copy) = (with_end(end), before.join(format!("hubd.db{end}")));
        // A link that the hub's account left there is moved and not followed.
        if there.symlink_metadata().is_ok() && copy.symlink_metadata().is_err() {
            relocate(&there, &copy)?;
        }
    }
    for end in BESIDE_DATABASE {
        match fs_err::remove_file(with_end(end)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    atomic::replace(&path, &content, Access::mode(0o600).owned_by(owner.uid, owner.gid))
}

/// Puts everybody's home in its place. Nothing of theirs may run. Says which were there, and where they are now.
///
/// # Errors
/// When it can't.
pub fn homes(paths: &Paths, parts: &Parts, accounts: &Accounts, config: &Config, begun: &str) -> Result<Vec<PathBuf>> {
    let [beside, _] = restore::beside(paths, config)?;
    let mut aside = Vec::new();
    for home in &parts.manifest.homes {
        let from = fetched(&beside, &home.path);
        let Some(account) = accounts.get(&home.name) else { continue };
        let there = lookup::account_by_name(&account.account)?.filter(|found| found.uid == account.uid);
        let to = there.map_or_else(|| config.accounts.homes.join(&account.account), |found| found.home);
        // Whole before it has the name of a home, and on the same disk as that.
        let ready = PathBuf::from(format!("{}.restoring-{begun}", to.display()));
        if from.exists() {
            relocate(&from, &ready)?;
        }
        if !ready.exists() {
            continue;
        }
        if to.symlink_metadata().is_ok() {
            let other = PathBuf::from(format!("{}.before-restore-{begun}", to.display()));
            relocate(&to, &other)?;
            aside.push(other);
        }
        fs_err::rename(&ready, &to)?;
    }
    tree::remove(&beside)?;
    Ok(aside)
}

/// Puts what was in the class folder back into it; what is there goes into a directory that only root enters.
///
/// # Errors
/// When it can't.
pub fn class_folder(paths: &Paths, parts: &Parts, config: &Config, begun: &str) -> Result<Option<PathBuf>> {
    let [_, beside] = restore::beside(paths, config)?;
    // Nobody's server runs now who could put another in its place.
    if beside.symlink_metadata().is_ok() {
        refuse_others(&beside)?;
    }
    let (class, from) = (real(&paths.class_folder()), fetched(&beside, &parts.manifest.class_folder));
    if !from.exists() {
        tree::remove(&beside)?;
        return Ok(None);
    }
    let aside = class.join(format!("before-restore-{begun}"));
    let is_done = beside.join(ASIDE_IS_DONE);
    if !is_done.exists() {
        for entry in fs_err::read_dir(&class)? {
            let entry = entry?;
            let name = entry.file_name();
            if name != restore::BESIDE && !name.to_string_lossy().starts_with("before-restore-") {
                relocate(&entry.path(), &private(&aside)?.join(&name))?;
            }
        }
        fs_err::write(&is_done, "")?;
    }
    for entry in fs_err::read_dir(&from)? {
        let entry = entry?;
        relocate(&entry.path(), &class.join(entry.file_name()))?;
    }
    tree::remove(&beside)?;
    Ok(aside.exists().then_some(aside))
}

/// A directory that only root enters. One that is there must be root's: some lie where teachers may write, and a link, or a
/// directory of theirs, would lead what is moved there to anywhere.
fn private(path: &Path) -> Result<PathBuf> {
    if let Some(parent) = path.parent() {
        fs_err::create_dir_all(parent)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => refuse_others(path)?,
        made => made.with_context(|| format!("making directory `{}`", path.display()))?,
    }
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
    Ok(path.to_owned())
}

/// What is at `path` is a directory of the caller's, who is root.
fn refuse_others(path: &Path) -> Result<()> {
    let found = fs_err::symlink_metadata(path)?;
    if !found.is_dir() || found.uid() != geteuid().as_raw() {
        bail!(
            "`{}` is not a directory of root's, so nothing is moved there\nhint: find out who made it, move it away, run the same command again",
            path.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Teachers may write into the class folder, and know which name is made there next.
    #[test]
    fn what_somebody_else_put_there_is_not_taken_for_a_place_of_roots() {
        let root = tempfile::tempdir().unwrap();
        let (target, link) = (root.path().join("etc"), root.path().join("before-restore-1"));
        std::fs::create_dir(&target).unwrap();
        std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(private(&link).unwrap_err().to_string().contains("not a directory of root's"));
        assert_eq!(target.metadata().unwrap().mode() & 0o777, 0o755);
        let theirs = root.path().join("theirs");
        std::fs::create_dir(&theirs).unwrap();
        if geteuid().is_root() {
            nix::unistd::chown(&theirs, Some(20_000.into()), None).unwrap();
            assert!(private(&theirs).is_err());
        }
        let own = root.path().join("new/own");
        for _ in 0..2 {
            assert_eq!(private(&own).unwrap().metadata().unwrap().mode() & 0o777, 0o700);
        }
    }
}
