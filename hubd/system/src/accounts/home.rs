//! Homes: made whole or not at all, 0700 from the first moment, and never in the place of something else.
//!
//! Everything happens relative to the opened directory of homes, which belongs to root, so nothing that a person can
//! swap is ever followed.

mod aside;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, open, openat, renameat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat, mkdirat};
use nix::unistd::{Gid, Uid, fchown, fchownat, symlinkat};

use super::homes;
use crate::tree;

/// A home to make, or to find as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home<'a> {
    /// Where; its parent is the directory of homes.
    pub path: &'a Path,
    /// Whose.
    pub uid: u32,
    /// The owner's primary group.
    pub gid: u32,
    /// What a new home starts with.
    pub skeleton: &'a Path,
    /// A symbolic link in a new home: name and target.
    pub link: Option<(&'a str, &'a Path)>,
}

/// What [`Home::ensure`] found or did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was there.
    AlreadyThere,
    /// It is new.
    Created,
    /// It had been put aside for its owner, and is in use again.
    GivenBack,
}

/// Only for its owner.
const HOME_MODE: Mode = Mode::S_IRWXU;

impl Home<'_> {
    /// Makes the home, unless it is there already.
    ///
    /// # Errors
    /// When something else is in its place (a link, a file, somebody else's directory), or where homes are is not
    /// root's alone.
    pub fn ensure(&self) -> Result<Outcome> {
        let (homes, leaf) = self.open_parent()?;
        match status(&homes, leaf).with_context(|| format!("looking at `{}`", self.path.display()))? {
            None => {
                self.create(&homes, leaf).with_context(|| format!("making home `{}`", self.path.display()))?;
                Ok(Outcome::Created)
            }
            Some(found) if is_directory(&found) && found.st_uid == self.uid => Ok(Outcome::AlreadyThere),
            Some(found) if is_put_aside(&found) => {
                let home = open_directory(&homes, leaf)?;
                give(&home, self.uid, self.gid).with_context(|| format!("giving back home `{}`", self.path.display()))?;
                Ok(Outcome::GivenBack)
            }
            Some(found) => bail!(
                "`{}` is {} of uid {}; expected a directory of uid {}\nhint: move it away; it was not touched",
                self.path.display(),
                kind(&found),
                found.st_uid,
                self.uid
            ),
        }
    }

    /// Keeps the home for root alone, so that nobody who ever gets its owner's number inherits it. Nothing below it is
    /// touched. A home that is not there is no error.
    ///
    /// # Errors
    /// When something else is in its place.
    pub fn put_aside(&self) -> Result<()> {
        let Some(home) = self.open_own()? else { return Ok(()) };
        give(&home, our_uid(), Gid::effective().as_raw()).with_context(|| format!("putting home `{}` aside", self.path.display()))
    }

    /// Whether the home is there and its owner's, to be deleted as a whole.
    ///
    /// # Errors
    /// When something else is in its place.
    pub fn is_there(&self) -> Result<bool> {
        Ok(self.open_own()?.is_some())
    }

    fn open_own(&self) -> Result<Option<OwnedFd>> {
        let (homes, leaf) = self.open_parent()?;
        match status(&homes, leaf).with_context(|| format!("looking at `{}`", self.path.display()))? {
            None => Ok(None),
            Some(found) if is_directory(&found) && (found.st_uid == self.uid || is_put_aside(&found)) => {
                Ok(Some(open_directory(&homes, leaf)?))
            }
            Some(found) => bail!(
                "`{}` is {} of uid {}; expected a directory of uid {}",
                self.path.display(),
                kind(&found),
                found.st_uid,
                self.uid
            ),
        }
    }

    fn open_parent(&self) -> Result<(OwnedFd, &str)> {
        let leaf = self.path.file_name().and_then(|leaf| leaf.to_str());
        let (Some(parent), Some(leaf)) = (self.path.parent(), leaf) else {
            bail!("`{}` can't be a home; expected a path as in `/home/name`", self.path.display());
        };
        Ok((open_homes(parent)?, leaf))
    }

    /// Fills the home under another name and then puts it in its place: whoever sees it sees all of it, and whatever is
    /// there by then stays.
    fn create(&self, homes: &OwnedFd, leaf: &str) -> Result<()> {
        let unfinished = format!(".hubd-new-{leaf}");
        if let Some(parent) = self.path.parent() {
            // Left behind by an attempt that was interrupted; nobody but root ever had access to it.
            tree::remove(&parent.join(&unfinished))?;
        }
        mkdirat(homes, unfinished.as_str(), HOME_MODE)?;
        let home = open_directory(homes, &unfinished)?;
        self.copy_skeleton(self.skeleton, &home)?;
        if let Some((name, target)) = self.link {
            symlinkat(target, &home, name)?;
            fchownat(&home, name, Some(self.owner()), Some(self.group()), AtFlags::AT_SYMLINK_NOFOLLOW)?;
        }
        give(&home, self.uid, self.gid)?;
        renameat2(homes, unfinished.as_str(), homes, leaf, RenameFlags::RENAME_NOREPLACE)?;
        Ok(())
    }

    /// Copies plain files and directories. Links and everything with a special bit are left out: a skeleton is no way
    /// to give people more than files.
    fn copy_skeleton(&self, from: &Path, to: &OwnedFd) -> Result<()> {
        let entries = match fs_err::read_dir(from) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for entry in entries {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name());
            let metadata = entry.metadata()?;
            let mode = Mode::from_bits_truncate(metadata.mode() & 0o777);
            if metadata.is_dir() {
                mkdirat(to, name.as_os_str(), Mode::S_IRWXU)?;
                let directory = openat(to, name.as_os_str(), DIRECTORY, Mode::empty())?;
                self.copy_skeleton(&path, &directory)?;
                fchmod(&directory, mode)?;
                fchown(&directory, Some(self.owner()), Some(self.group()))?;
            } else if metadata.is_file() {
                let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                let mut file = File::from(openat(to, name.as_os_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
                io::copy(&mut fs_err::File::open(&path)?, &mut file)?;
                fchmod(file.as_fd(), mode)?;
                fchown(file.as_fd(), Some(self.owner()), Some(self.group()))?;
            } else {
                tracing::warn!(path = %path.display(), "left out of a new home: neither a file nor a directory");
            }
        }
        Ok(())
    }

    fn owner(&self) -> Uid {
        Uid::from_raw(self.uid)
    }

    fn group(&self) -> Gid {
        Gid::from_raw(self.gid)
    }
}

const DIRECTORY: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Opens the directory of homes, wherever the path leads, and makes it when it is not there. Whoever could write to it, or to
/// one on the way, could put anything in the place of a home.
fn open_homes(path: &Path) -> Result<OwnedFd> {
    let real = homes::resolve(path)?;
    homes::make(&real)?;
    let opening = || format!("opening the directory of homes `{}`", path.display());
    let homes = open(&real, DIRECTORY, Mode::empty()).with_context(opening)?;
    let found = fstat(&homes).with_context(|| format!("looking at `{}`", path.display()))?;
    if found.st_uid != our_uid() || found.st_mode & 0o022 != 0 {
        bail!(
            "the directory of homes `{}` has owner {} and mode {:04o}; expected root, writable by nobody else",
            path.display(),
            found.st_uid,
            found.st_mode & 0o7777
        );
    }
    Ok(homes)
}

fn open_directory(parent: &OwnedFd, name: &str) -> Result<OwnedFd> {
    openat(parent, name, DIRECTORY, Mode::empty()).with_context(|| format!("opening `{name}`"))
}

fn status(parent: &OwnedFd, name: &str) -> nix::Result<Option<FileStat>> {
    match fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Mode first: at no moment is it the new owner's and open to others.
fn give(directory: &OwnedFd, uid: u32, gid: u32) -> nix::Result<()> {
    fchmod(directory, HOME_MODE)?;
    fchown(directory, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
}

fn is_directory(found: &FileStat) -> bool {
    SFlag::from_bits_truncate(found.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFDIR
}

/// As [`Home::put_aside`] and an uninstall leave it.
fn is_put_aside(found: &FileStat) -> bool {
    is_directory(found) && found.st_uid == our_uid() && found.st_mode & 0o7777 == HOME_MODE.bits()
}

fn kind(found: &FileStat) -> &'static str {
    match SFlag::from_bits_truncate(found.st_mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFDIR => "a directory",
        SFlag::S_IFLNK => "a symbolic link",
        SFlag::S_IFREG => "a file",
        _ => "a special file",
    }
}

/// Root, when it is the launcher that runs this.
fn our_uid() -> u32 {
    Uid::effective().as_raw()
}

#[cfg(test)]
mod tests;
