//! The text that is being edited, in a file that belongs to whoever edits it. The directory around it is in one that only
//! root can change, and is held open, so nobody can swap it; what is in it is opened once, with the person's own rights,
//! and only if it is a plain file of theirs. It outlives hubctl: whatever ends an edit, the next one offers it.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hub_core::config::LARGEST;
use hub_core::sys::atomic::{self, Access};
use hub_system::tree;
use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{Uid, fchown};

use super::super::World;
use super::super::caller::Caller;

/// Ends in what editors colour.
const NAME: &str = "config.toml";

/// One account's draft.
#[derive(Debug)]
pub(super) struct Draft {
    caller: Caller,
    directory: PathBuf,
    handle: OwnedFd,
    /// Where root keeps what the configuration was when the draft was begun.
    base: PathBuf,
}

/// Why a draft is not to be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("the file is gone; the editor has deleted it or saved it elsewhere")]
    Gone,
    #[error("{0}; expected a regular file that only you can write")]
    Strange(&'static str),
    #[error("it has more than {} kB", LARGEST / 1024)]
    TooLarge,
}

impl Draft {
    /// What an earlier edit of the same account left; `None`: nothing.
    pub(super) fn left(world: &World) -> Result<Option<Self>> {
        let (parent, directory, base) = places(world);
        if !directory.exists() {
            return Ok(None);
        }
        check_parent(&parent)?;
        let draft = Self { caller: world.caller, handle: open_directory(&directory, world.caller)?, directory, base };
        let is_whole = draft.base.exists() && !matches!(draft.read()?, Err(Unusable::Gone));
        if is_whole {
            return Ok(Some(draft));
        }
        draft.discard()?;
        Ok(None)
    }

    /// Begins one with `content`.
    pub(super) fn begin(world: &World, content: &[u8]) -> Result<Self> {
        let (parent, directory, base) = places(world);
        let made = std::fs::DirBuilder::new().mode(0o711).create(&parent);
        if let Err(error) = made
            && error.kind() != ErrorKind::AlreadyExists
        {
            return Err(error).with_context(|| format!("making directory `{}`", parent.display()));
        }
        check_parent(&parent)?;
        let person = world.caller.account()?;
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .with_context(|| format!("making directory `{}`", directory.display()))?;
        let handle = open(&directory)?;
        if person.uid != Uid::effective() {
            fchown(&handle, Some(person.uid), Some(person.gid))
                .with_context(|| format!("handing over `{}`", directory.display()))?;
        }
        let draft = Self { caller: world.caller, directory, handle, base };
        atomic::replace(&draft.base, content, Access::mode(0o600))?;
        let write = || -> Result<()> {
            let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let mut file = File::from(openat(&draft.handle, NAME, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
            Ok(file.write_all(content)?)
        };
        world.caller.with_rights(write)?.with_context(|| format!("writing `{}`", draft.path().display()))?;
        Ok(draft)
    }

    /// Where the person finds it.
    pub(super) fn path(&self) -> PathBuf {
        self.directory.join(NAME)
    }

    /// What it holds: the one reading that is checked, shown and saved.
    pub(super) fn read(&self) -> Result<Result<Vec<u8>, Unusable>> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let opened = self.caller.with_rights(|| openat(&self.handle, NAME, flags, Mode::empty()))?;
        let file = match opened {
            Ok(file) => File::from(file),
            Err(Errno::ENOENT) => return Ok(Err(Unusable::Gone)),
            Err(Errno::ELOOP) => return Ok(Err(Unusable::Strange("it is a symbolic link"))),
            Err(Errno::ENXIO) => return Ok(Err(Unusable::Strange("it is no file"))),
            Err(error) => return Err(error).with_context(|| format!("opening `{}`", self.path().display())),
        };
        let about = file.metadata().with_context(|| format!("looking at `{}`", self.path().display()))?;
        if !about.is_file() {
            return Ok(Err(Unusable::Strange("it is no file")));
        }
        if about.nlink() != 1 {
            return Ok(Err(Unusable::Strange("it has a second name (a hard link)")));
        }
        if about.uid() != self.caller.person().as_raw() {
            return Ok(Err(Unusable::Strange("it belongs to somebody else")));
        }
        let mut content = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut content).with_context(|| format!("reading `{}`", self.path().display()))?;
        Ok(if content.len() as u64 > LARGEST { Err(Unusable::TooLarge) } else { Ok(content) })
    }

    /// What the configuration was when this was begun.
    pub(super) fn base(&self) -> Result<Vec<u8>> {
        fs_err::read(&self.base).context("reading what the draft was begun with")
    }

    /// From now on it counts as begun with `content`.
    pub(super) fn rebase(&self, content: &[u8]) -> Result<()> {
        atomic::replace(&self.base, content, Access::mode(0o600))
    }

    /// When it was last written to.
    pub(super) fn touched(&self) -> Option<Timestamp> {
        let modified = std::fs::symlink_metadata(self.path()).and_then(|about| about.modified()).ok()?;
        Timestamp::try_from(modified).ok()
    }

    /// Takes it away, with everything an editor has left around it.
    pub(super) fn discard(self) -> Result<()> {
        // Links in it are removed, not followed.
        tree::remove(&self.directory).context("removing the draft")?;
        match fs_err::remove_file(&self.base) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error).context("removing the draft"),
            _ => Ok(()),
        }
    }
}

fn places(world: &World) -> (PathBuf, PathBuf, PathBuf) {
    let (parent, person) = (world.paths.drafts(), world.caller.person());
    let (directory, base) = (parent.join(person.to_string()), parent.join(format!("{person}.begun-with")));
    (parent, directory, base)
}

/// Nobody but root may be able to put something else in a draft's place.
fn check_parent(parent: &Path) -> Result<()> {
    let about = std::fs::symlink_metadata(parent).with_context(|| format!("looking at `{}`", parent.display()))?;
    if !about.is_dir() || about.uid() != Uid::effective().as_raw() || about.mode() & 0o022 != 0 {
        bail!("`{}` is not a directory that only root can change", parent.display());
    }
    Ok(())
}

fn open(directory: &Path) -> Result<OwnedFd> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let opened = File::options().read(true).custom_flags(flags.bits()).open(directory);
    opened.map(OwnedFd::from).with_context(|| format!("opening `{}`", directory.display()))
}

fn open_directory(directory: &Path, caller: Caller) -> Result<OwnedFd> {
    let handle = open(directory)?;
    let about = File::from(handle.try_clone()?).metadata().with_context(|| format!("looking at `{}`", directory.display()))?;
    if about.uid() != caller.person().as_raw() || about.mode() & 0o077 != 0 {
        bail!("`{}` is not a private directory of account {}\nhint: remove it", directory.display(), caller.person());
    }
    Ok(handle)
}
