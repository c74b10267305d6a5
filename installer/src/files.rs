//! Files and directories as the steps need them: digests, owners, private directories. Follows no link at the end of
//! a path.

use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result, bail};
use fs_err as fs;
use nix::unistd::{Gid, Uid, chown};
use sha2::{Digest, Sha256};

/// Owner, group and permission bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
}

/// The SHA-256 of `content`, in hexadecimal.
pub fn digest_of(content: &[u8]) -> String {
    hexadecimal(&Sha256::digest(content))
}

/// Bytes as lower-case hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 of a file's content, in hexadecimal; `None`: there is no such file.
///
/// # Errors
/// When it is not a plain file, or can't be read.
pub fn digest(path: &Path) -> Result<Option<String>> {
    let Ok(metadata) = path.symlink_metadata() else { return Ok(None) };
    if !metadata.is_file() {
        bail!("`{}` is not a plain file", path.display());
    }
    Ok(Some(digest_of(&fs::read(path)?)))
}

/// Owner, group and permission bits of what is at `path`; `None`: nothing is.
///
/// # Errors
/// When it can't be looked at.
pub fn attributes(path: &Path) -> Result<Option<Attributes>> {
    match path.symlink_metadata() {
        Ok(found) => Ok(Some(Attributes { uid: found.uid(), gid: found.gid(), mode: found.mode() & 0o7777 })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("looking at `{}`", path.display())),
    }
}

/// Makes a directory that only its maker can enter, with its parents; fine when it is there.
///
/// # Errors
/// When it can't be made.
pub fn ensure_private_directory(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    std::fs::DirBuilder::new().mode(0o700).create(path).with_context(|| format!("making directory `{}`", path.display()))
}

/// Makes a directory with these attributes, or gives it them. The parent must exist.
///
/// # Errors
/// When something else has that name, or it can't be made.
pub fn ensure_directory(path: &Path, attributes: Attributes) -> Result<()> {
    match path.symlink_metadata() {
        Ok(found) if !found.is_dir() => bail!("`{}` is not a directory", path.display()),
        Ok(_) => {}
        Err(_) => std::fs::DirBuilder::new()
            .mode(0o700)
            .create(path)
            .with_context(|| format!("making directory `{}`", path.display()))?,
    }
    set_attributes(path, attributes)
}

/// Gives owner, group and permission bits, in an order that never opens it to the wrong people.
///
/// # Errors
/// When it is gone or the caller may not.
pub fn set_attributes(path: &Path, wanted: Attributes) -> Result<()> {
    let Some(found) = attributes(path)? else { bail!("`{}` is gone", path.display()) };
    if (found.uid, found.gid) != (wanted.uid, wanted.gid) {
        fs::set_permissions(path, std::fs::Permissions::from_mode(wanted.mode & 0o700))?;
        chown(path, Some(Uid::from_raw(wanted.uid)), Some(Gid::from_raw(wanted.gid)))
            .with_context(|| format!("giving `{}` to {}:{}", path.display(), wanted.uid, wanted.gid))?;
    }
    if attributes(path)?.is_none_or(|now| now.mode != wanted.mode) {
        fs::set_permissions(path, std::fs::Permissions::from_mode(wanted.mode))?;
    }
    Ok(())
}

/// Leaves what is at `path` to root alone; what is below keeps its owners, who can't get there any more.
///
/// # Errors
/// When it can't be changed.
pub fn close(path: &Path) -> Result<()> {
    match attributes(path)? {
        Some(found) => set_attributes(path, Attributes { uid: 0, gid: 0, mode: found.mode & 0o700 }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_sha256sum() {
        assert_eq!(digest_of(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        assert_eq!(digest(&path).unwrap(), None);
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(digest(&path).unwrap(), Some(digest_of(b"abc")));
    }

    #[test]
    fn a_link_is_not_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("link");
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(digest(&path).unwrap_err().to_string().contains("not a plain file"));
        let attributes = Attributes { uid: 0, gid: 0, mode: 0o700 };
        assert!(ensure_directory(&path, attributes).unwrap_err().to_string().contains("not a directory"));
    }

    #[test]
    fn a_directory_gets_its_bits_whatever_the_umask() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("class");
        let own = attributes(directory.path()).unwrap().unwrap();
        let wanted = Attributes { mode: 0o2775, ..own };
        ensure_directory(&path, wanted).unwrap();
        assert_eq!(attributes(&path).unwrap(), Some(wanted));
        ensure_directory(&path, wanted).unwrap();
    }
}
