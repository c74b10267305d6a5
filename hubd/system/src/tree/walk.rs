//! Looking at a tree that somebody else made, however deep, while they may change it.

use std::ffi::{CStr, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};

use super::{Descent, entries, is_itself, named};

/// Something in a tree.
#[derive(Debug)]
pub struct Found<'a> {
    /// The directory it is in.
    pub directory: &'a OwnedFd,
    /// Its name there.
    pub name: &'a CStr,
    /// What the kernel says of it; of a link, not of what that leads to.
    pub stat: FileStat,
    descent: &'a Descent<'a>,
}

impl Found<'_> {
    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.descent.way().join(OsStr::from_bytes(self.name.to_bytes()))
    }

    /// Whether it is of this kind.
    pub fn is(&self, kind: SFlag) -> bool {
        SFlag::from_bits_truncate(self.stat.st_mode) & SFlag::S_IFMT == kind
    }
}

/// Shows everything below the directory at `path` to `visit`. What goes away meanwhile is passed over.
///
/// # Errors
/// When something can't be looked at, a directory was moved meanwhile, or `visit` has one.
pub fn walk(path: &Path, visit: &mut dyn FnMut(&Found<'_>) -> Result<()>) -> Result<()> {
    let looking = || format!("looking at `{}`", path.display());
    let parent = open(named(path.parent().unwrap_or(path)), OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
    let leaf = std::ffi::CString::new(path.file_name().unwrap_or_default().as_encoded_bytes()).with_context(looking)?;
    let mut descent = Descent::begin(&parent.with_context(looking)?, &leaf, path).with_context(looking)?;
    look(&mut descent, visit)?;
    loop {
        match descent.pending.pop() {
            Some(name) => {
                if descent.enter(&name)? {
                    look(&mut descent, visit)?;
                }
            }
            None if descent.levels.is_empty() => return Ok(()),
            None => descent.climb()?,
        }
    }
}

/// What is in the directory that is open; the directories in it are to be entered next.
fn look(descent: &mut Descent<'_>, visit: &mut dyn FnMut(&Found<'_>) -> Result<()>) -> Result<()> {
    let mut directories = Vec::new();
    for entry in entries(&descent.directory).with_context(|| descent.place().display().to_string())?.iter() {
        let entry = entry.with_context(|| descent.place().display().to_string())?;
        let name = entry.file_name();
        if is_itself(name) {
            continue;
        }
        let stat = match fstatat(&descent.directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => continue,
            found => found.with_context(|| format!("at `{}`", name.to_string_lossy()))?,
        };
        let found = Found { directory: &descent.directory, name, stat, descent };
        visit(&found)?;
        if found.is(SFlag::S_IFDIR) {
            directories.push(name.to_owned());
        }
    }
    descent.pending = directories;
    Ok(())
}
