//! Trees that somebody else made, however deep: removed, given away or looked at with three descriptors and without recursion.
//!
//! No link is followed and no mount entered. The way back up is `..`, which must lead to the directory that was come from.

mod walk;

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{Mode, fstat, fstatat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fchownat, unlinkat};

pub use walk::{Found, walk};

const DIRECTORY: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
/// Names of directories that are kept in memory at a time, in all levels together; the others are read again.
const MOST_REMEMBERED: usize = 4096;
/// How many of the directories on the way an error names.
const NAMED: usize = 4;

/// Removes what is at `path`, a directory with all that is below it. False: there was nothing.
///
/// # Errors
/// When something can't be removed, as a mount point, or was moved meanwhile. What was removed before stays removed.
pub fn remove(path: &Path) -> Result<bool> {
    let removing = || format!("removing `{}`", path.display());
    let (Some(parent), Some(leaf)) = (path.parent(), path.file_name()) else { bail!("`{}` can't be removed", path.display()) };
    // The parent is the caller's own, and may be a link.
    let parent = match open(named(parent), OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()) {
        Err(Errno::ENOENT) => return Ok(false),
        opened => opened.with_context(removing)?,
    };
    let leaf = CString::new(leaf.as_encoded_bytes()).with_context(removing)?;
    match take(&parent, &leaf).with_context(removing)? {
        Taken::Gone => return Ok(true),
        Taken::Absent => return Ok(false),
        Taken::Full => {}
    }
    let mut descent = Descent::begin(&parent, &leaf, path).with_context(removing)?;
    loop {
        if descent.pending.is_empty() {
            let room = MOST_REMEMBERED.saturating_sub(descent.remembered).max(1);
            descent.pending = clear(&descent.directory, room).with_context(|| descent.place().display().to_string())?;
        }
        match descent.pending.pop() {
            Some(name) => drop(descent.enter(&name)?),
            None if descent.levels.is_empty() => break,
            None => descent.climb()?,
        }
    }
    take(&parent, &leaf).with_context(removing)?;
    Ok(true)
}

/// Gives a directory and everything below it to `uid` and `gid`.
///
/// # Errors
/// When something can't be given away, or was moved meanwhile.
pub fn give(path: &Path, uid: u32, gid: u32) -> Result<()> {
    renumber(path, &|_, _| (uid, gid))
}

/// Gives a directory and everything below it to whom `owners` says, by the numbers that own it now.
///
/// # Errors
/// When something can't be given away, or was moved meanwhile.
pub fn renumber(path: &Path, owners: Owners<'_>) -> Result<()> {
    let parent = named(path.parent().unwrap_or(path));
    let giving = || format!("giving away `{}`", path.display());
    let parent = open(parent, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).with_context(giving)?;
    let leaf = CString::new(path.file_name().unwrap_or_default().as_encoded_bytes()).with_context(giving)?;
    let mut descent = Descent::begin(&parent, &leaf, path).with_context(giving)?;
    let arrive = |descent: &mut Descent<'_>| -> Result<()> {
        give_itself(&descent.directory, owners).with_context(|| descent.place().display().to_string())?;
        descent.pending = give_entries(&descent.directory, owners).with_context(|| descent.place().display().to_string())?;
        Ok(())
    };
    arrive(&mut descent)?;
    loop {
        match descent.pending.pop() {
            Some(name) => {
                if descent.enter(&name)? {
                    arrive(&mut descent)?;
                }
            }
            None if descent.levels.is_empty() => return Ok(()),
            None => descent.climb()?,
        }
    }
}

/// From owner and group as they are to those that are to be.
pub type Owners<'a> = &'a dyn Fn(u32, u32) -> (u32, u32);

/// What came of removing one name.
enum Taken {
    Gone,
    Absent,
    /// It is a directory with something in it.
    Full,
}

fn take(directory: &OwnedFd, name: &CStr) -> Result<Taken> {
    let said = || format!("at `{}`", name.to_string_lossy());
    match unlinkat(directory, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) => return Ok(Taken::Gone),
        Err(Errno::ENOENT) => return Ok(Taken::Absent),
        Err(Errno::EISDIR) => {}
        Err(error) => return Err(error).with_context(said),
    }
    match unlinkat(directory, name, UnlinkatFlags::RemoveDir) {
        Ok(()) => Ok(Taken::Gone),
        Err(Errno::ENOENT) => Ok(Taken::Absent),
        Err(Errno::ENOTEMPTY | Errno::EEXIST) => Ok(Taken::Full),
        // The kernel says so before it looks what is inside.
        Err(Errno::EBUSY) => Err(anyhow!("a file system is mounted there\nhint: unmount it, then try again")).with_context(said),
        Err(error) => Err(error).with_context(said),
    }
}

/// Removes what can be removed at once; returns directories with something in them, at most `room`.
fn clear(directory: &OwnedFd, room: usize) -> Result<Vec<CString>> {
    let mut full = Vec::new();
    for entry in entries(directory)?.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if !is_itself(name) && matches!(take(directory, name)?, Taken::Full) {
            full.push(name.to_owned());
            if full.len() == room {
                break;
            }
        }
    }
    Ok(full)
}

fn give_itself(directory: &OwnedFd, owners: Owners<'_>) -> nix::Result<()> {
    let found = fstat(directory)?;
    let (uid, gid) = owners(found.st_uid, found.st_gid);
    fchown(directory, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
}

fn give_entry(directory: &OwnedFd, name: &CStr, owners: Owners<'_>) -> nix::Result<()> {
    let found = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    let (uid, gid) = owners(found.st_uid, found.st_gid);
    fchownat(directory, name, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::AT_SYMLINK_NOFOLLOW)
}

/// Gives away what is in a directory; returns the directories.
fn give_entries(directory: &OwnedFd, owners: Owners<'_>) -> Result<Vec<CString>> {
    let mut directories = Vec::new();
    for entry in entries(directory)?.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if is_itself(name) {
            continue;
        }
        match openat(directory, name, DIRECTORY | OFlag::O_PATH, Mode::empty()) {
            Ok(_) => directories.push(name.to_owned()),
            Err(_) => give_entry(directory, name, owners).with_context(|| format!("at `{}`", name.to_string_lossy()))?,
        }
    }
    Ok(directories)
}

fn entries(directory: &OwnedFd) -> Result<Dir> {
    Ok(Dir::openat(directory, ".", DIRECTORY, Mode::empty())?)
}

fn is_itself(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

/// The directory of a relative name without one is the current one.
fn named(parent: &Path) -> &Path {
    if parent.as_os_str().is_empty() { Path::new(".") } else { parent }
}

/// A directory that was gone through on the way down.
#[derive(Debug)]
struct Level {
    identity: (u64, u64),
    /// What is still to be entered there.
    pending: Vec<CString>,
    /// The one that was entered.
    entered: CString,
}

/// Where one is in a tree: only this directory is open.
#[derive(Debug)]
struct Descent<'a> {
    top: &'a Path,
    directory: OwnedFd,
    pending: Vec<CString>,
    levels: Vec<Level>,
    /// Names that are pending in `levels`, counted along: a tree may have a million of them.
    remembered: usize,
}

impl<'a> Descent<'a> {
    fn begin(parent: &OwnedFd, leaf: &CStr, top: &'a Path) -> Result<Self> {
        let directory = openat(parent, leaf, DIRECTORY, Mode::empty())?;
        Ok(Self { top, directory, pending: Vec::new(), levels: Vec::new(), remembered: 0 })
    }

    /// Goes into the directory `name`. False: it is gone by now.
    fn enter(&mut self, name: &CStr) -> Result<bool> {
        let below = match openat(&self.directory, name, DIRECTORY, Mode::empty()) {
            Err(Errno::ENOENT) => return Ok(false),
            opened => opened.with_context(|| format!("entering `{}`", self.place().join(lossy(name)).display()))?,
        };
        let identity = identity(&self.directory)?;
        let pending = std::mem::take(&mut self.pending);
        self.remembered += pending.len();
        self.levels.push(Level { identity, pending, entered: name.to_owned() });
        self.directory = below;
        Ok(true)
    }

    /// Goes back to the directory that this one was entered from.
    fn climb(&mut self) -> Result<()> {
        let up = openat(&self.directory, "..", DIRECTORY, Mode::empty()).with_context(|| self.place().display().to_string())?;
        let place = self.place();
        let Some(level) = self.levels.pop() else { return Ok(()) };
        if identity(&up)? != level.identity {
            bail!("`{}` was moved away meanwhile\nhint: end what works there, then try again", place.display());
        }
        self.directory = up;
        self.remembered -= level.pending.len();
        self.pending = level.pending;
        Ok(())
    }

    /// All of the way.
    fn way(&self) -> PathBuf {
        let entered = self.levels.iter().map(|level| Path::new(OsStr::from_bytes(level.entered.to_bytes())));
        std::iter::once(self.top).chain(entered).collect()
    }

    /// For people: the beginning of the way.
    fn place(&self) -> PathBuf {
        let mut place: PathBuf = std::iter::once(self.top.to_owned())
            .chain(self.levels.iter().take(NAMED).map(|level| lossy(&level.entered)))
            .collect();
        if self.levels.len() > NAMED {
            place.push(format!("... ({} directories down)", self.levels.len()));
        }
        place
    }
}

fn lossy(name: &CStr) -> PathBuf {
    PathBuf::from(name.to_string_lossy().into_owned())
}

fn identity(directory: &OwnedFd) -> nix::Result<(u64, u64)> {
    fstat(directory).map(|found| (found.st_dev, found.st_ino))
}

#[cfg(test)]
mod tests;
