//! Files between root and the build's user: what it reads, what it may write to, what it left.

use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use hub_core::sys::atomic::{self, Access};
use nix::unistd::User;

use super::BuildRequest;
pub(super) use crate::pyenv::workplace::directory;
use crate::pyenv::workplace::{LOCK_FILE, NETWORK_FILE};
use crate::pyenv::{lock, network, unit};

/// What a step with a network reads in `input`: wheels that no index has, mirrors, proxies, certificates.
pub(super) fn network_input(request: &BuildRequest<'_>, input: &Path) -> Result<()> {
    directory(&input.join("wheels"))?;
    if let Some(wheels) = request.wheels.filter(|wheels| wheels.exists()) {
        for entry in fs_err::read_dir(wheels)? {
            let entry = entry?;
            atomic::replace(&input.join("wheels").join(entry.file_name()), &fs_err::read(entry.path())?, Access::mode(0o644))?;
        }
    }
    let certificates = request.network.visible_certificates(input)?;
    let variables = network::environment_file(&request.network.for_build(certificates.as_deref()));
    atomic::replace(&input.join(NETWORK_FILE), variables.as_bytes(), Access::mode(0o600))
}

/// The directory `new`, which the build's user may write to.
pub(super) fn own(new: &Path, lock: &str) -> Result<()> {
    let Some(user) = User::from_name(unit::USER)? else {
        bail!("there is no user `{}`, expected the one that builds environments", unit::USER);
    };
    directory(new)?;
    let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
    // The resolver reads the versions before from the file that it writes.
    atomic::replace(&new.join(LOCK_FILE), lock.as_bytes(), Access::mode(0o644).owned_by(uid, gid))?;
    std::os::unix::fs::chown(new, Some(uid), Some(gid)).with_context(|| format!("changing the owner of `{}`", new.display()))
}

/// A file that the build's user may have replaced by anything: only a plain one of sensible size is read.
pub(super) fn untrusted(path: &Path) -> Result<String> {
    let file = plain_file(path)?;
    if file.metadata()?.len() > lock::LARGEST {
        bail!("it is no file of at most {} bytes", lock::LARGEST);
    }
    let mut text = String::new();
    file.take(lock::LARGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// Opens a file that the build's user may have replaced by anything: a link, a pipe.
pub(super) fn plain_file(path: &Path) -> Result<std::fs::File> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC;
    let open = || std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = open().with_context(|| format!("opening `{}`", path.display()))?;
    if !file.metadata()?.is_file() {
        bail!("`{}` is no plain file", path.display());
    }
    Ok(file)
}

/// A file of ours that everybody may read, whatever the caller's umask.
pub(super) fn readable(path: &Path, content: &str) -> Result<()> {
    atomic::replace(path, content.as_bytes(), Access::mode(0o644))
}

/// The same error, with what to do about it when the disk is full: root's own writing has no program that says so.
pub(super) fn hinted(error: anyhow::Error) -> anyhow::Error {
    let is_full = |error: &io::Error| error.kind() == io::ErrorKind::StorageFull;
    match error.chain().any(|cause| cause.downcast_ref().is_some_and(is_full)) {
        true => anyhow!("{error:#}\nhint: make room below `/opt`, then ask again; hubctl env gc may help"),
        false => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_comes_with_what_to_do() {
        let told = |kind: io::ErrorKind| format!("{:#}", hinted(anyhow::Error::from(io::Error::from(kind)).context("sealing")));
        assert!(
            told(io::ErrorKind::StorageFull).starts_with("sealing: ")
                && told(io::ErrorKind::StorageFull).contains("\nhint: make room")
        );
        assert!(!told(io::ErrorKind::NotFound).contains("hint"));
    }

    #[test]
    fn what_the_build_left_is_read_only_when_it_is_a_plain_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("plain"), "text").unwrap();
        std::os::unix::fs::symlink("plain", path("link")).unwrap();
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::fs::File::create(path("large")).unwrap().set_len(lock::LARGEST + 1).unwrap();
        assert_eq!(untrusted(&path("plain")).unwrap(), "text");
        for name in ["link", "pipe", "large", "missing"] {
            assert!(untrusted(&path(name)).is_err(), "{name}");
        }
    }
}
