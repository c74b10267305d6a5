//! A new place for backups, and the password without which nobody reads them.

use std::path::Path;

use anyhow::{Context, Result, bail};
use hub_core::config::Repository;
use hub_core::sys::atomic::{self, Access};
use hub_core::sys::room::Room;

use crate::{Problem, Restic};

/// Letters and digits that are not taken for one another; as many as a byte divides by.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const GROUPS: usize = 6;
const LETTERS_EACH: usize = 5;

/// A password that can be written down: 150 bits.
///
/// # Errors
/// When the system has no randomness.
pub fn new_password() -> Result<String> {
    let mut bytes = [0; GROUPS * LETTERS_EACH];
    getrandom::fill(&mut bytes).context("asking the system for randomness")?;
    let letters: Vec<u8> = bytes.iter().map(|byte| LETTERS[usize::from(byte % 32)]).collect();
    let groups: Vec<String> = letters.chunks(LETTERS_EACH).map(|group| String::from_utf8_lossy(group).into_owned()).collect();
    Ok(groups.join("-"))
}

/// Keeps `password` at `path`, for root alone.
///
/// # Errors
/// When it can't be written.
pub fn keep_password(path: &Path, password: &str) -> Result<()> {
    if password.trim().is_empty() {
        bail!("the password is empty");
    }
    atomic::replace(path, format!("{}\n", password.trim_end_matches('\n')).as_bytes(), Access::mode(0o600).owned_by(0, 0))
}

/// Makes the directory of the repository, where it is one of this machine; those above it must be there, or a disk that is not
/// connected would be made up for on the disk of the system.
///
/// # Errors
/// When it can't be made.
pub fn make_directory(repository: &Repository) -> Result<()> {
    let Some(path) = repository.directory() else { return Ok(()) };
    match fs_err::create_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let above = path.parent().unwrap_or(path).display().to_string();
            Err(Problem::new(format!("there is no directory `{above}`"), "mount the disk there, or make it: sudo mkdir -p")
                .into())
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => Ok(made?),
    }
}

/// Whether there are backups in `restic`'s repository already: then the password opens it, and nothing is to be made.
///
/// # Errors
/// When the repository is there and can't be used.
pub fn is_there(restic: &Restic, repository: &Repository) -> Result<bool> {
    if let Some(path) = repository.directory() {
        return Ok(path.join("config").exists());
    }
    match restic.snapshots() {
        Ok(_) => Ok(true),
        Err(error) => match error.downcast_ref::<Problem>() {
            Some(problem) if problem.what.starts_with("there are no backups") => Ok(false),
            _ => Err(error),
        },
    }
}

/// Whether what is backed up and the backups are on one disk, which may break.
pub fn is_on_the_disk_of_homes(repository: &Repository, homes: &Path) -> bool {
    let device = |path: &Path| Room::of(path).map(|room| room.device);
    repository.directory().is_some_and(|path| device(path).is_some() && device(path) == device(homes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_password_is_long_readable_and_another_one_each_time() {
        let (one, other) = (new_password().unwrap(), new_password().unwrap());
        assert!(one != other && one.len() == 35, "{one}");
        assert!(one.split('-').all(|group| group.len() == 5 && group.bytes().all(|byte| LETTERS.contains(&byte))), "{one}");
    }

    #[test]
    fn a_password_is_roots_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        keep_password(&path, "secret\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "secret\n");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        assert!(keep_password(&path, "\n").is_err());
    }

    #[test]
    fn a_disk_that_is_not_there_is_not_made_up_for() {
        let directory = tempfile::tempdir().unwrap();
        let repository = |name: &str| -> Repository { directory.path().join(name).to_str().unwrap().parse().unwrap() };
        make_directory(&repository("hubd")).unwrap();
        make_directory(&repository("hubd")).unwrap();
        let error = make_directory(&repository("disk/hubd")).unwrap_err().to_string();
        assert!(error.contains("there is no directory") && error.contains("/disk`"), "{error}");
    }
}
