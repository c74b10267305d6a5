//! A file that hubctl makes where its caller said: with the caller's rights, in a directory that is held open, through no
//! link, and never in the place of something else. Until it is whole it has another name.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, openat, renameat, renameat2};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::Caller;
use crate::ctl::failure::{Cause, Failure};

/// A file that is not whole yet. Without [`NewFile::finish`] nothing of it stays.
#[derive(Debug)]
pub(in crate::ctl) struct NewFile {
    caller: Caller,
    path: PathBuf,
    directory: OwnedFd,
    name: OsString,
    /// What it is called until it is whole.
    unfinished: OsString,
    file: File,
    is_finished: bool,
}

impl NewFile {
    /// Begins one that will be at `path`.
    ///
    /// # Errors
    /// When there is something already, or the caller can't make a file there.
    pub(in crate::ctl) fn begin(caller: Caller, path: &Path) -> Result<Self> {
        let Some(name) = path.file_name().map(OsStr::to_owned) else {
            return Err(Failure::plain(format!("`{}` is not the name of a file", path.display())).into());
        };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut unfinished = OsString::from(".");
        unfinished.push(&name);
        unfinished.push(format!(".{}.part", std::process::id()));
        let begin = || -> Result<(OwnedFd, File)> {
            let directory = File::options().read(true).custom_flags((OFlag::O_DIRECTORY | OFlag::O_PATH).bits()).open(parent)?;
            match fstatat(&directory, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
                Err(Errno::ENOENT) => {}
                Ok(_) => return Err(is_there(path).into()),
                Err(error) => return Err(error.into()),
            }
            let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let file = openat(&directory, unfinished.as_os_str(), flags, Mode::from_bits_truncate(0o644))?;
            Ok((directory.into(), file.into()))
        };
        let (directory, file) = caller.with_rights(begin)?.map_err(|error| match error.downcast::<Failure>() {
            Ok(failure) => failure.into(),
            Err(error) => error.context(caller.doing("writing", path)),
        })?;
        Ok(Self { caller, path: path.to_owned(), directory, name, unfinished, file, is_finished: false })
    }

    /// The open file, to be written and read.
    pub(in crate::ctl) fn file(&self) -> &File {
        &self.file
    }

    /// It is whole, and gets its name.
    ///
    /// # Errors
    /// When there is something of that name by now, or the disk is full.
    pub(in crate::ctl) fn finish(mut self) -> Result<()> {
        let finish = || -> Result<()> {
            self.file.sync_all()?;
            let (here, from, to) = (&self.directory, self.unfinished.as_os_str(), self.name.as_os_str());
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
        if self.is_finished {
            return;
        }
        let remove = || unlinkat(&self.directory, self.unfinished.as_os_str(), UnlinkatFlags::NoRemoveDir);
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
        let new = NewFile::begin(caller, path)?;
        new.file().write_all(b"whole")?;
        new.finish()
    }

    #[test]
    fn it_is_there_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("class.bundle");
        drop(NewFile::begin(ROOT, &path).unwrap());
        assert_eq!(names(directory.path()), [""; 0], "something unfinished was left");
        make(ROOT, &path).unwrap();
        assert_eq!((names(directory.path()), std::fs::read(&path).unwrap()), (vec!["class.bundle".into()], b"whole".to_vec()));
    }

    #[test]
    fn no_link_is_followed_and_nothing_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (path, target) = (directory.path().join("class.bundle"), directory.path().join("target"));
        symlink(&target, &path).unwrap();
        let refused = make(ROOT, &path).unwrap_err();
        assert_eq!(refused.to_string(), format!("`{}` is there already", path.display()));
        std::fs::remove_file(&path).unwrap();
        let new = NewFile::begin(ROOT, &path).unwrap();
        symlink(&target, &path).unwrap();
        assert_eq!(new.finish().unwrap_err().to_string(), refused.to_string(), "a link that came meanwhile");
        assert_eq!(names(directory.path()), ["class.bundle"]);
        // What it is called until it is whole can be guessed.
        std::fs::remove_file(&path).unwrap();
        let unfinished = format!(".class.bundle.{}.part", std::process::id());
        symlink(&target, directory.path().join(unfinished)).unwrap();
        assert!(format!("{:#}", make(ROOT, &path).unwrap_err()).contains("EEXIST"));
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
