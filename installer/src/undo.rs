//! How one step is taken back: small plain records, and carrying them out.
//!
//! A record says everything it needs; it never means "what version N of the installer did".

use std::path::{Path, PathBuf};

use anyhow::Result;
use hub_core::sys::atomic::{self, Access};
use hub_system::tree;
use serde::{Deserialize, Serialize};

use crate::files;

/// How to take a step back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "undo", rename_all = "snake_case")]
pub enum Undo {
    /// Delete a file, unless somebody changed it since.
    RemoveFile {
        /// Which.
        path: PathBuf,
        /// The digest it was left with; `None`: the hub rewrites it, so it goes whatever it holds.
        sha256: Option<String>,
    },
    /// Put back the file that was there before, unless somebody changed it since.
    RestoreFile {
        /// Which.
        path: PathBuf,
        /// The digest it was left with.
        sha256: Option<String>,
        /// Where its former content is.
        backup: PathBuf,
        /// Its former permission bits.
        mode: u32,
        /// Its former owner.
        uid: u32,
        /// Its former group.
        gid: u32,
    },
    /// Delete a symbolic link if it still points there.
    RemoveLink {
        /// Which.
        path: PathBuf,
        /// Where it points.
        target: PathBuf,
    },
    /// Delete a directory if nothing is in it.
    RemoveDirectory {
        /// Which.
        path: PathBuf,
    },
    /// Delete a directory with everything in it: only the hub writes there.
    RemoveTree {
        /// Which.
        path: PathBuf,
    },
    /// The admin's or the students': stays, for root alone, unless everything is to go.
    Keep {
        /// A file or a directory.
        path: PathBuf,
    },
    /// Delete a unix account of the hub's own.
    DeleteUser {
        /// Which.
        name: String,
    },
    /// Delete a unix group.
    DeleteGroup {
        /// Which.
        name: String,
    },
    /// Stop units and start them no more.
    DisableUnits {
        /// In the order in which they were started.
        units: Vec<String>,
    },
    /// Distribution packages that came along with others may go with them again.
    LetGo {
        /// Which.
        names: Vec<String>,
    },
    /// Distribution packages that other things may need by now: named, not removed.
    Packages {
        /// Which.
        names: Vec<String>,
    },
}

/// What came of taking a step back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// It is gone.
    Removed,
    /// It was gone already.
    AlreadyGone,
    /// It stays, for this reason.
    Kept(String),
}

impl Undo {
    /// The file it deletes or puts back, with the digest it was left with.
    pub fn file(&self) -> Option<(&Path, Option<&str>)> {
        match self {
            Self::RemoveFile { path, sha256 } | Self::RestoreFile { path, sha256, .. } => Some((path, sha256.as_deref())),
            _ => None,
        }
    }

    /// Whether it deletes or puts back this file.
    pub fn concerns(&self, path: &Path) -> bool {
        self.file().is_some_and(|(file, _)| file == path)
    }

    /// This record, which knows what was there first, with what `later` knows about the same step done again.
    #[must_use]
    pub fn renewed(mut self, later: Option<&Self>) -> Self {
        match (&mut self, later) {
            (Self::Packages { names }, Some(Self::Packages { names: more }))
            | (Self::LetGo { names }, Some(Self::LetGo { names: more })) => {
                names.extend(more.iter().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>());
            }
            (Self::DisableUnits { units }, Some(Self::DisableUnits { units: now })) => units.clone_from(now),
            (Self::RemoveFile { sha256, .. } | Self::RestoreFile { sha256, .. }, Some(later)) => {
                if let Some((_, digest)) = later.file() {
                    *sha256 = digest.map(str::to_owned);
                }
            }
            _ => {}
        }
        self
    }

    /// Takes back what concerns files; `None` for everything else, which is the caller's.
    ///
    /// # Errors
    /// When something can be neither read nor removed.
    pub fn files(&self, purge: bool) -> Result<Option<Undone>> {
        let undone = match self {
            Self::RemoveFile { path, sha256 } => remove_file(path, sha256.as_deref())?,
            Self::RestoreFile { path, sha256, backup, mode, uid, gid } => {
                restore(path, sha256.as_deref(), backup, Access::mode(*mode).owned_by(*uid, *gid))?
            }
            Self::RemoveLink { path, target } => remove_link(path, target)?,
            Self::RemoveDirectory { path } => remove_directory(path)?,
            Self::RemoveTree { path } => remove_tree(path)?,
            Self::Keep { path } if purge => remove_tree(path)?,
            Self::Keep { path } => keep(path)?,
            Self::DeleteUser { .. }
            | Self::DeleteGroup { .. }
            | Self::DisableUnits { .. }
            | Self::Packages { .. }
            | Self::LetGo { .. } => return Ok(None),
        };
        Ok(Some(undone))
    }
}

fn edited(path: &Path) -> Undone {
    Undone::Kept(format!("`{}` was changed after the install; it stays", path.display()))
}

fn remove_file(path: &Path, sha256: Option<&str>) -> Result<Undone> {
    match files::digest(path)? {
        None => Ok(Undone::AlreadyGone),
        Some(digest) if sha256.is_some_and(|expected| expected != digest) => Ok(edited(path)),
        Some(_) => fs_err::remove_file(path).map(|()| Undone::Removed).map_err(Into::into),
    }
}

fn restore(path: &Path, sha256: Option<&str>, backup: &Path, access: Access) -> Result<Undone> {
    if !backup.exists() {
        // The backup is made before the first change, so without one the file is still the former one.
        return Ok(Undone::AlreadyGone);
    }
    if let Some(digest) = files::digest(path)?
        && sha256.is_some_and(|expected| expected != digest)
        && files::digest(backup)?.is_some_and(|former| former != digest)
    {
        return Ok(Undone::Kept(format!(
            "`{}` was changed after the install; it stays, and what was there before is in `{}`",
            path.display(),
            backup.display()
        )));
    }
    atomic::replace(path, &fs_err::read(backup)?, access)?;
    fs_err::remove_file(backup)?;
    Ok(Undone::Removed)
}

fn remove_link(path: &Path, target: &Path) -> Result<Undone> {
    match std::fs::read_link(path) {
        Ok(found) if found == target => fs_err::remove_file(path).map(|()| Undone::Removed).map_err(Into::into),
        Ok(_) => Ok(edited(path)),
        Err(_) if path.symlink_metadata().is_ok() => Ok(edited(path)),
        Err(_) => Ok(Undone::AlreadyGone),
    }
}

fn remove_directory(path: &Path) -> Result<Undone> {
    if path.symlink_metadata().is_err() {
        return Ok(Undone::AlreadyGone);
    }
    match std::fs::remove_dir(path) {
        Ok(()) => Ok(Undone::Removed),
        Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => {
            Ok(Undone::Kept(format!("`{}` is not empty; it stays", path.display())))
        }
        Err(error) => Err(anyhow::Error::from(error).context(format!("removing `{}`", path.display()))),
    }
}

/// An empty directory is worth nothing to anybody.
fn keep(path: &Path) -> Result<Undone> {
    let Ok(metadata) = path.symlink_metadata() else { return Ok(Undone::AlreadyGone) };
    if metadata.is_dir() && fs_err::read_dir(path)?.next().is_none() {
        return remove_directory(path);
    }
    Ok(Undone::Kept(format!("`{}` stays", path.display())))
}

fn remove_tree(path: &Path) -> Result<Undone> {
    Ok(if tree::remove(path)? { Undone::Removed } else { Undone::AlreadyGone })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn an_edited_file_stays_and_an_untouched_one_goes() {
        let directory = directory();
        let path = directory.path().join("hubd.service");
        std::fs::write(&path, "ours").unwrap();
        let undo = Undo::RemoveFile { path: path.clone(), sha256: Some(files::digest_of(b"ours")) };
        std::fs::write(&path, "edited").unwrap();
        assert!(matches!(undo.files(false).unwrap(), Some(Undone::Kept(_))));
        assert!(path.exists());
        std::fs::write(&path, "ours").unwrap();
        assert_eq!(undo.files(false).unwrap(), Some(Undone::Removed));
        assert_eq!(undo.files(false).unwrap(), Some(Undone::AlreadyGone));
    }

    #[test]
    fn a_file_the_hub_rewrites_goes_whatever_it_holds() {
        let directory = directory();
        let path = directory.path().join("hubd-admins");
        std::fs::write(&path, "anything").unwrap();
        let undo = Undo::RemoveFile { path, sha256: None };
        assert_eq!(undo.files(false).unwrap(), Some(Undone::Removed));
    }

    #[test]
    fn a_replaced_file_comes_back_with_its_mode() {
        let directory = directory();
        let (path, backup) = (directory.path().join("file"), directory.path().join("backup"));
        std::fs::write(&path, "ours").unwrap();
        std::fs::write(&backup, "theirs").unwrap();
        let owner = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
        let undo = Undo::RestoreFile {
            path: path.clone(),
            sha256: Some(files::digest_of(b"ours")),
            backup: backup.clone(),
            mode: 0o640,
            uid: owner.0,
            gid: owner.1,
        };
        assert_eq!(undo.files(false).unwrap(), Some(Undone::Removed));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "theirs");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert!(!backup.exists());
        assert_eq!(undo.files(false).unwrap(), Some(Undone::AlreadyGone), "a second time changes nothing");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "theirs");
    }

    #[test]
    fn a_directory_with_something_in_it_stays() {
        let directory = directory();
        let path = directory.path().join("class");
        std::fs::create_dir_all(path.join("lesson")).unwrap();
        assert!(matches!(Undo::RemoveDirectory { path: path.clone() }.files(false).unwrap(), Some(Undone::Kept(_))));
        std::fs::remove_dir(path.join("lesson")).unwrap();
        assert_eq!(Undo::RemoveDirectory { path }.files(false).unwrap(), Some(Undone::Removed));
    }

    #[test]
    fn only_a_purge_takes_what_is_the_admins() {
        let directory = directory();
        let path = directory.path().join("config.toml");
        std::fs::write(&path, "").unwrap();
        let undo = Undo::Keep { path: path.clone() };
        assert!(matches!(undo.files(false).unwrap(), Some(Undone::Kept(_))));
        assert!(path.exists());
        assert_eq!(undo.files(true).unwrap(), Some(Undone::Removed));
    }

    #[test]
    fn an_empty_directory_is_not_worth_keeping() {
        let directory = directory();
        let path = directory.path().join("class");
        std::fs::create_dir_all(path.join("lesson")).unwrap();
        let undo = Undo::Keep { path: path.clone() };
        assert!(matches!(undo.files(false).unwrap(), Some(Undone::Kept(_))));
        std::fs::remove_dir(path.join("lesson")).unwrap();
        assert_eq!(undo.files(false).unwrap(), Some(Undone::Removed));
    }

    #[test]
    fn a_link_that_leads_elsewhere_stays() {
        let directory = directory();
        let path = directory.path().join("hubctl");
        std::os::unix::fs::symlink("/elsewhere", &path).unwrap();
        let undo = Undo::RemoveLink { path: path.clone(), target: "/opt/hubd/bin/hubctl".into() };
        assert!(matches!(undo.files(false).unwrap(), Some(Undone::Kept(_))));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(undo.files(false).unwrap(), Some(Undone::AlreadyGone));
    }
}
