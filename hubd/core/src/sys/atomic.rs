//! Replacing a file so that a reader, or a power cut, sees the old content or the new and nothing in between.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use nix::unistd::{Gid, Uid, fchown};

/// Owner, group and permission bits a file gets before its first byte is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Permission bits, for example `0o640`.
    pub mode: u32,
    /// Owner and group; `None` leaves the file to the caller.
    pub owner: Option<(u32, u32)>,
}

impl Access {
    /// The given permission bits, owned by the caller.
    pub const fn mode(mode: u32) -> Self {
        Self { mode, owner: None }
    }

    /// The same permission bits, owned by `uid` and `gid`.
    pub const fn owned_by(self, uid: u32, gid: u32) -> Self {
        Self { mode: self.mode, owner: Some((uid, gid)) }
    }
}

/// Replaces `path` by a file holding `content`, with `access` from birth, and waits until both the file and its name
/// are on disk. Nobody has the new file open for writing once it has its name, so a program can be started at any moment.
///
/// # Errors
/// When the directory is missing or not writable, or the disk is full; the old file is then untouched.
pub fn replace(path: &Path, content: &[u8], access: Access) -> Result<()> {
    let Some(directory) = path.parent() else { bail!("`{}` has no parent directory", path.display()) };
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".new-")
            .permissions(std::fs::Permissions::from_mode(access.mode & 0o600))
            .tempfile_in(directory)?;
        if let Some((uid, gid)) = access.owner {
            fchown(file.as_file(), Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        }
        file.as_file().set_permissions(std::fs::Permissions::from_mode(access.mode))?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        // Closed before it gets its name: a program that is still open for writing can't be started (ETXTBSY).
        file.into_temp_path().persist(path).map_err(|error| error.error)?;
        std::fs::File::open(directory)?.sync_all()
    };
    write().with_context(|| format!("writing `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_content_and_mode_and_leaves_no_temporary_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "old").unwrap();
        replace(&path, b"new", Access::mode(0o640)).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn nobody_writes_to_a_file_that_has_its_name() {
        use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
        let directory = tempfile::tempdir().unwrap();
        let watch = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
        watch.add_watch(directory.path(), AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_MOVED_TO).unwrap();
        replace(&directory.path().join("program"), b"new", Access::mode(0o755)).unwrap();
        let seen: Vec<AddWatchFlags> = watch.read_events().unwrap().iter().map(|event| event.mask).collect();
        assert_eq!(seen, [AddWatchFlags::IN_CLOSE_WRITE, AddWatchFlags::IN_MOVED_TO]);
    }

    #[test]
    fn names_the_file_when_the_directory_is_missing() {
        let error = replace(Path::new("/nonexistent/file"), b"", Access::mode(0o600)).unwrap_err();
        assert_eq!(error.to_string(), "writing `/nonexistent/file`");
    }
}
