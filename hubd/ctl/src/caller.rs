//! Who runs hubctl, and the one door to files named as arguments: under sudo they are opened as the one who called sudo, once,
//! and handed on as descriptors, so that hubctl shows, reads and writes nothing its caller could not.

mod new_file;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use nix::unistd::{Gid, Uid, User, getgrouplist, getgroups, setfsgid, setfsuid, setgroups};

use super::failure::Failure;

pub(super) use new_file::NewFile;

/// Who runs this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Whose rights the program has.
    pub uid: u32,
    /// Who called sudo, if somebody did.
    pub behind_sudo: Option<u32>,
}

impl Caller {
    /// Reads sudo's word for who called it; it counts for root only, anybody else could have made it up.
    ///
    /// # Errors
    /// When sudo's word is not a number: opening files as root instead would be wrong.
    pub fn new(uid: u32, sudo_uid: Option<&str>) -> Result<Self> {
        let behind_sudo = match sudo_uid.filter(|_| uid == 0) {
            None => None,
            Some(text) => Some(text.parse().with_context(|| format!("reading SUDO_UID {text:?}"))?),
        };
        Ok(Self { uid, behind_sudo: behind_sudo.filter(|&behind| behind != 0) })
    }

    /// The whole content of `path`, at most `largest` bytes; `-` is `input`.
    pub(super) fn read(self, path: &Path, largest: u64, input: &mut dyn Read) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        let name = || format!("reading `{}`", path.display());
        if path == Path::new("-") {
            input.take(largest + 1).read_to_end(&mut content).context("reading standard input")?;
        } else {
            self.open(path)?.take(largest + 1).read_to_end(&mut content).with_context(name)?;
        }
        if content.len() as u64 > largest {
            return Err(Failure::plain(format!("`{}` has more than {} kB", path.display(), largest / 1024)).into());
        }
        Ok(content)
    }

    /// Opens `path` to be read.
    ///
    /// # Errors
    /// When the caller can't open it.
    pub(super) fn open(self, path: &Path) -> Result<File> {
        self.with_rights(|| File::open(path))?.map_err(|error| self.explain(error, path))
    }

    /// Where `path` leads, links followed.
    ///
    /// # Errors
    /// When it leads nowhere, or the caller can't follow it.
    pub(super) fn resolve(self, path: &Path) -> Result<PathBuf> {
        self.with_rights(|| std::fs::canonicalize(path))?.map_err(|error| self.explain(error, path))
    }

    /// Why `path` can't be opened.
    fn explain(self, error: io::Error, path: &Path) -> anyhow::Error {
        match error.kind() {
            io::ErrorKind::NotFound => anyhow!("there is no file `{}`", path.display()),
            _ => anyhow::Error::new(error).context(self.doing("opening", path)),
        }
    }

    /// What is done to `path`, and with whose rights where that may surprise: sudo was called a while ago in a root shell.
    fn doing(self, doing: &str, path: &Path) -> String {
        let name = |uid| match User::from_uid(Uid::from_raw(uid)) {
            Ok(Some(user)) => user.name,
            _ => uid.to_string(),
        };
        match self.behind_sudo {
            Some(uid) => format!("{doing} `{}` with the rights of `{}`, who called sudo", path.display(), name(uid)),
            None => format!("{doing} `{}`", path.display()),
        }
    }

    /// Whether there is something at `path`, as far as the caller can see.
    pub(super) fn sees(self, path: &Path) -> Result<bool> {
        self.with_rights(|| path.symlink_metadata().is_ok())
    }

    /// Whoever sits behind this program: the one who called sudo, or else the program's own account.
    pub(super) fn person(self) -> Uid {
        self.behind_sudo.map_or_else(Uid::effective, Uid::from_raw)
    }

    /// The account of [`Caller::person`].
    pub(super) fn account(self) -> Result<User> {
        let uid = self.person();
        let user = User::from_uid(uid).with_context(|| format!("looking up account {uid}"))?;
        user.with_context(|| format!("account {uid} does not exist on this machine"))
    }

    /// Touches files with the rights of the one who called sudo.
    ///
    /// # Errors
    /// When those rights can't be taken, or given back.
    pub(super) fn with_rights<T>(self, touch: impl FnOnce() -> T) -> Result<T> {
        let borrowed = self.behind_sudo.map(Borrowed::take).transpose()?;
        let touched = touch();
        borrowed.map_or(Ok(()), Borrowed::give_back)?;
        Ok(touched)
    }
}

/// Somebody else's rights over files, and nothing else: the process stays root's, so nobody can trace or end it meanwhile.
struct Borrowed {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Borrowed {
    fn take(uid: u32) -> Result<Self> {
        let user = User::from_uid(Uid::from_raw(uid)).with_context(|| format!("looking up account {uid}"))?;
        let Some(user) = user else { bail!("account {uid}, which called sudo, does not exist on this machine") };
        let name = std::ffi::CString::new(user.name.as_str()).context("looking up groups")?;
        let groups = getgrouplist(&name, user.gid).with_context(|| format!("looking up the groups of `{}`", user.name))?;
        let before = getgroups().context("looking up own groups")?;
        setgroups(&groups).with_context(|| format!("taking the groups of `{}`", user.name))?;
        let borrowed = Self { gid: setfsgid(user.gid), uid: setfsuid(user.uid), groups: before };
        // These calls have no error of their own; asking once more tells who we are now.
        if setfsuid(user.uid) != user.uid || setfsgid(user.gid) != user.gid {
            borrowed.give_back()?;
            bail!("taking the rights of `{}` was not allowed", user.name);
        }
        Ok(borrowed)
    }

    fn give_back(self) -> Result<()> {
        setfsuid(self.uid);
        setfsgid(self.gid);
        setgroups(&self.groups).context("returning to own groups")?;
        if setfsuid(self.uid) != self.uid || setfsgid(self.gid) != self.gid {
            bail!("returning to own rights was not allowed");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// An account that owns nothing, and exists everywhere.
    const NOBODY: u32 = 65534;

    fn read(caller: Caller, path: &Path) -> Result<Vec<u8>> {
        caller.read(path, 1024, &mut std::io::empty())
    }

    fn file(mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = directory.path().join("class.csv");
        std::fs::write(&path, "ada\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (directory, path)
    }

    #[test]
    fn sudo_is_believed_only_when_root() {
        assert_eq!(Caller::new(0, Some("1000")).unwrap(), Caller { uid: 0, behind_sudo: Some(1000) });
        assert_eq!(Caller::new(0, Some("0")).unwrap().behind_sudo, None);
        assert_eq!(Caller::new(0, None).unwrap().behind_sudo, None);
        assert_eq!(Caller::new(1000, Some("1001")).unwrap().behind_sudo, None);
        assert!(Caller::new(0, Some("root")).is_err());
    }

    #[test]
    fn behind_sudo_only_the_callers_own_files_open() {
        let through_sudo = Caller { uid: 0, behind_sudo: Some(NOBODY) };
        let (_private_directory, private) = file(0o600);
        let (_public_directory, public) = file(0o644);
        if Uid::effective().is_root() {
            assert_eq!(read(through_sudo, &public).unwrap(), b"ada\n");
            let refused = format!("{:#}", read(through_sudo, &private).unwrap_err());
            assert!(refused.ends_with("Permission denied (os error 13)"), "{refused}");
        } else {
            assert!(read(through_sudo, &public).is_err(), "rights were taken without being root");
        }
        let direct = Caller { uid: 0, behind_sudo: None };
        assert_eq!(read(direct, &private).unwrap(), b"ada\n", "own rights were not given back");
    }

    #[test]
    fn an_account_that_does_not_exist_opens_nothing() {
        let (_directory, path) = file(0o644);
        let error = read(Caller { uid: 0, behind_sudo: Some(4_000_000_001) }, &path).unwrap_err();
        assert_eq!(error.to_string(), "account 4000000001, which called sudo, does not exist on this machine");
    }

    #[test]
    fn a_file_without_end_is_refused() {
        let caller = Caller { uid: 0, behind_sudo: None };
        let error = caller.read(Path::new("/dev/zero"), 4096, &mut std::io::empty()).unwrap_err();
        assert_eq!(error.to_string(), "`/dev/zero` has more than 4 kB");
        let error = caller.read(Path::new("-"), 4096, &mut std::io::repeat(b'x')).unwrap_err();
        assert_eq!(error.to_string(), "`-` has more than 4 kB");
    }
}
