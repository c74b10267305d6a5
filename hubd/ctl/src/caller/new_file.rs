//! A file that hubctl makes where its caller said: with the caller's rights, in a directory that is held open, through no
//! link, and never in the place of something else. Until it is whole it has no name, so that nothing of it stays whoever is killed; where
//! a file system knows no such files, it has another name.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, RenameFlags, openat, renameat, renameat2};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::Caller;
use crate::failure::{Cause, Failure};

/// A file that is not whole yet. Without [`NewFile::finish`] nothing of it stays.
#[derive(Debug)]
pub(crate) struct NewFile {
    caller: Caller,
    path: PathBuf,
    directory: OwnedFd,
    name: OsString,
    /// What it is called until it is whole, where it needs a name.
    unfinished: Option<OsString>,
    file: File,
    is_finished: bool,
}

impl NewFile {
    /// Begins one that will be at `path`.
    ///
    /// # Errors
    /// When there is something already, or the caller can't make a file there.
    pub(crate) fn begin(caller: Caller, path: &Path) -> Result<Self> {
        Self::begin_here(caller, path, true)
    }

    /// `has_nameless`: whether the file system may be asked for a file without a name.
    fn begin_here(caller: Caller, path: &Path, has_nameless: bool) -> Result<Self> {
        let Some(name) = path.file_name().map(OsStr::to_owned) else {
            return Err(Failure::plain(format!("`{}` is not the name of a file", path.display())).into());
        };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut unfinished = OsString::from(".");
        unfinished.push(&name);
        unfinished.push(format!(".{}.part", std::process::id()));
        let begin = || -> Result<(OwnedFd, File, bool)> {
            let directory = File::options().read(true).custom_flags((OFlag::O_DIRECTORY | OFlag::O_PATH).bits()).open(parent)?;
            match fstatat(&directory, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
                Err(Errno::ENOENT) => {}
                Ok(_) => return Err(is_there(path).into()),
                Err(error) => return Err(error.into()),
            }
            let mode = Mode::from_bits_truncate(0o644);
            if has_nameless && let Ok(file) = openat(&directory, ".", OFlag::O_RDWR | OFlag::O_TMPFILE | OFlag::O_CLOEXEC, mode) {
                return Ok((directory.into(), file.into(), true));
            }
            let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let file = openat(&directory, unfinished.as_os_str(), flags, mode)?;
            Ok((directory.into(), file.into(), false))
        };
        let (directory, file, is_nameless) = caller.with_rights(begin)?.map_err(|error| match error.downcast::<Failure>() {
            Ok(failure) => failure.into(),
            Err(error) => error.context(caller.doing("writing", path)),
        })?;
        let unfinished = (!is_nameless).then_some(unfinished);
        Ok(Self { caller, path: path.to_owned(), directory, name, unfinished, file, is_finished: false })
    }

    /// The open file, to be written and read.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// It is whole, and gets its name.
    ///
    /// # Errors
    /// When there is something of that name by now, or the disk is full.
    pub(crate) fn finish(mut self) -> Result<()> {
        let finish = || -> Result<()> {
            self.file.sync_all()?;
            let (here, to) = (&self.directory, self.name.as_os_str());
            let Some(from) = self.unfinished.as_deref() else {
                let nameless = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                return match linkat(AT_FDCWD, nameless.as_str(), here, to, AtFlags::AT_SYMLINK_FOLLOW) {
                    Err(Errno::EEXIST) => Err(is_there(&self.path).into()),
                    linked => Ok(linked?),
                };
            };
            match renameat2(here, from, here, to, RenameFlags::RENAME_NOREPLACE) {
                Err(Errno::EEXIST) => Err(is_there(&self.path).into()),
                // Some file systems can't; then it is the caller's own file that is replaced, if there is one by now.
                Err(Errno::EINVAL) => Ok(renameat(here, from, here, to)?),
                renamed => Ok(renamed?),
            }
        };
        self.caller.with_rights(finish)??;
        self.is_finished = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        let Some(unfinished) = self.unfinished.as_deref().filter(|_| !self.is_finished) else { return };
        let remove = || unlinkat(&self.directory, unfinished, UnlinkatFlags::NoRemoveDir);
        match self.caller.with_rights(remove) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "nothing unfinished to remove"),
            Err(error) => tracing::debug!(%error, "leaving what is unfinished"),
        }
    }
}

fn is_there(path: &Path) -> Failure {
    let hint = "give another name, or remove it first".to_owned();
    Failure::new(Cause::Refused, format!("`{}` is there already", path.display()), hint)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use nix::unistd::Uid;

    use super::*;

    const ROOT: Caller = Caller { uid: 0, behind_sudo: None };
    /// An account that owns nothing, and exists everywhere.
    const NOBODY: u32 = 65534;

    fn names(directory: &Path) -> Vec<OsString> {
        let mut names: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    fn make(caller: Caller, path: &Path) -> Result<()> {
        make_here(caller, path, true)
    }

    fn make_here(caller: Caller, path: &Path, has_nameless: bool) -> Result<()> {
        let new = NewFile::begin_here(caller, path, has_nameless)?;
        new.file().write_all(b"whole")?;
        new.finish()
    }

    #[test]
    fn it_is_there_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("class.bundle");
        for has_nameless in [true, false] {
            drop(NewFile::begin_here(ROOT, &path, has_nameless).unwrap());
            assert_eq!(names(directory.path()), [""; 0], "something unfinished was left");
            make_here(ROOT, &path, has_nameless).unwrap();
            assert_eq!(
                (names(directory.path()), std::fs::read(&path).unwrap()),
                (vec!["class.bundle".into()], b"whole".to_vec())
            );
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn who_is_killed_leaves_nothing_behind() {
        // Of memory, where there always are files without a name.
        let directory = tempfile::tempdir_in("/dev/shm").unwrap();
        let mut new = NewFile::begin(ROOT, &directory.path().join("class.bundle")).unwrap();
        new.file().write_all(b"half").unwrap();
        new.is_finished = true; // No destructor runs.
        drop(new);
        assert_eq!(names(directory.path()), [""; 0]);
    }

    #[test]
    fn no_link_is_followed_and_nothing_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (path, target) = (directory.path().join("class.bundle"), directory.path().join("target"));
        symlink(&target, &path).unwrap();
        let refused = make(ROOT, &path).unwrap_err();
        assert_eq!(refused.to_string(), format!("`{}` is there already", path.display()));
        std::fs::remove_file(&path).unwrap();
        for has_nameless in [true, false] {
            let new = NewFile::begin_here(ROOT, &path, has_nameless).unwrap();
            symlink(&target, &path).unwrap();
            assert_eq!(new.finish().unwrap_err().to_string(), refused.to_string(), "a link that came meanwhile");
            assert_eq!(names(directory.path()), ["class.bundle"]);
            std::fs::remove_file(&path).unwrap();
        }
        // What it is called until it is whole can be guessed, where it is called anything.
        let unfinished = format!(".class.bundle.{}.part", std::process::id());
        symlink(&target, directory.path().join(unfinished)).unwrap();
        assert!(format!("{:#}", make_here(ROOT, &path, false).unwrap_err()).contains("EEXIST"));
        assert!(!target.exists(), "a link was followed");
    }

    #[test]
    fn behind_sudo_it_is_made_with_the_callers_rights() {
        if !Uid::effective().is_root() {
            return;
        }
        let through_sudo = Caller { uid: 0, behind_sudo: Some(NOBODY) };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("class.bundle");
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let refused = format!("{:#}", make(through_sudo, &path).unwrap_err());
        assert!(refused.contains("EACCES"), "{refused}");
        assert_eq!(names(directory.path()), [""; 0]);
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        make(through_sudo, &path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().uid(), NOBODY);
    }
}
