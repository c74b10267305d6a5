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

use crate::manifest::{Parts, named_files, real};
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
    for (place, file) in parts.manifest.files.iter().enumerate() {
        if file.path.symlink_metadata().is_ok() {
            continue;
        }
        let owner = file.owner.as_deref().map(lookup::account_by_name).transpose()?.flatten().map_or(0, |account| account.uid);
        let mut group = file.group.as_deref().map(lookup::group_by_name).transpose()?.flatten();
        if group.is_none() && file.mode & 0o040 != 0 {
            // Who read it by a group that is not here was the hub.
            group = lookup::group_by_name(HUB)?;
        }
        if let Some(parent) = file.path.parent() {
            fs_err::create_dir_all(parent)?;
        }
        let access = Access::mode(file.mode).owned_by(owner, group.unwrap_or(0));
        atomic::replace(&file.path, &fs_err::read(parts.file(place))?, access)?;
        brought.push(file.path.clone());
    }
    Ok(brought)
}

/// Files that `config` names and that are neither in the backup nor here.
pub fn missing_files(paths: &Paths, parts: &Parts, config: &Config) -> Vec<PathBuf> {
    let restored = paths.backup_restore();
    let is_there = |path: &PathBuf| {
        path.exists() || fetched(&restored, path).exists() || parts.manifest.files.iter().any(|file| file.path == *path)
    };
    named_files(paths, config).into_iter().filter(|path| !is_there(path)).collect()
}

/// A plain file, or a directory of some, where nothing is yet.
fn bring(from: &Path, to: &Path) -> Result<bool> {
    let Ok(found) = from.symlink_metadata() else { return Ok(false) };
    let there = to.symlink_metadata();
    if found.is_dir() && there.as_ref().map_or(true, std::fs::Metadata::is_dir) {
        if there.is_err() {
            fs_err::create_dir_all(to)?;
            fs_err::set_permissions(to, found.permissions())?;
        }
        // What an install has made already, such as the one for secrets, is filled up.
        let mut any = false;
        for entry in fs_err::read_dir(from)? {
            let entry = entry?;
            any |= bring(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(any || there.is_err());
    }
    if there.is_ok() {
        return Ok(false);
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
pub(crate) fn database(paths: &Paths, parts: &Parts, begun: &str) -> Result<()> {
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
pub(crate) fn homes(paths: &Paths, parts: &Parts, accounts: &Accounts, config: &Config, begun: &str) -> Result<Vec<PathBuf>> {
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
pub(crate) fn class_folder(paths: &Paths, parts: &Parts, config: &Config, begun: &str) -> Result<Option<PathBuf>> {
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
    use crate::manifest::{Manifest, files};

    /// As after an install, which makes the directory for secrets.
    #[test]
    fn what_is_there_of_a_directory_is_filled_up_with_what_is_not() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        for (directory, mode) in [(&from, 0o755), (&to, 0o700)] {
            std::fs::create_dir(directory).unwrap();
            std::fs::set_permissions(directory, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        std::fs::write(from.join("school"), "theirs").unwrap();
        std::fs::set_permissions(from.join("school"), std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(from.join("other"), "theirs").unwrap();
        std::fs::write(to.join("other"), "ours").unwrap();
        assert!(bring(&from, &to).unwrap());
        assert!(!bring(&from, &to).unwrap(), "nothing is missing any more");
        let read = |name: &str| std::fs::read_to_string(to.join(name)).unwrap();
        assert_eq!((read("school").as_str(), read("other").as_str()), ("theirs", "ours"));
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
        assert_eq!((mode(&to.join("school")), mode(&to)), (0o600, 0o700));
    }

    /// A key that another program gets, with the group that reads it: on a machine without that group the hub does.
    #[test]
    fn files_that_the_configuration_names_elsewhere_come_back_or_are_missed() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        let (stage, elsewhere) = (root.path().join("stage"), root.path().join("letsencrypt"));
        for directory in [&stage, &elsewhere] {
            std::fs::create_dir(directory).unwrap();
        }
        let [certificate, key] = ["hub.pem", "hub.key"].map(|name| elsewhere.join(name));
        std::fs::write(elsewhere.join("archive"), "certificate").unwrap();
        std::os::unix::fs::symlink("archive", &certificate).unwrap();
        let text = format!(
            "[hub]\nurl = \"https://hub.example.org\"\n[https]\nmethod = \"files\"\ncertificate = \"{}\"\nkey = \"{}\"\n",
            certificate.display(),
            key.display()
        );
        let config = hub_core::config::parse(&text, "config.toml").unwrap();
        let mut manifest: Manifest = serde_json::from_str(include_str!("manifest/fixtures/manifest-1.json")).unwrap();
        manifest.files = files(&paths, &config, &stage).unwrap();
        assert_eq!(manifest.files.len(), 1, "there is no key: {:?}", manifest.files);
        manifest.files[0].mode = 0o640;
        std::fs::write(stage.join("manifest.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
        std::fs::remove_dir_all(&elsewhere).unwrap();

        let parts = Parts::read(&stage).unwrap();
        assert_eq!(missing_files(&paths, &parts, &config), [key]);
        assert_eq!(own_files(&paths, &parts, Path::new("/x")).unwrap(), std::slice::from_ref(&certificate));
        assert_eq!(std::fs::read_to_string(&certificate).unwrap(), "certificate");
        assert_eq!(certificate.symlink_metadata().unwrap().mode(), 0o100_640);
        assert!(own_files(&paths, &parts, Path::new("/x")).unwrap().is_empty(), "it is there");
    }

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
