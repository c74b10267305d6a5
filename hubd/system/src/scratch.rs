//! A directory for one piece of work. It goes when the work is over; where the process was killed, the next one of its kind
//! takes it away.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, geteuid};

use super::tree;

/// The directory, for this process alone.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// A new one in `parent`, whose name begins with `kind`. Those of processes that are gone are removed first.
    ///
    /// # Errors
    /// When it can't be made, or another not be removed.
    pub fn new(parent: &Path, kind: &str) -> Result<Self> {
        sweep(parent, kind).with_context(|| format!("removing what was left in `{}`", parent.display()))?;
        let prefix = format!("{kind}{}-", std::process::id());
        let made = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent);
        let made = made.with_context(|| format!("making a directory in `{}`", parent.display()))?;
        Ok(Self { path: made.keep() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = tree::remove(&self.path) {
            tracing::warn!("leaving something behind: {error:#}");
        }
    }
}

/// Removes what processes left that were killed. Others may make names like ours where everybody can write: only what is
/// this account's is looked at.
fn sweep(parent: &Path, kind: &str) -> Result<()> {
    for entry in fs_err::read_dir(parent)? {
        let entry = entry?;
        let name = entry.file_name().into_string().unwrap_or_default();
        let process = name.strip_prefix(kind).and_then(|rest| rest.split('-').next()?.parse().ok());
        if process.is_none_or(|process| kill(Pid::from_raw(process), None) != Err(Errno::ESRCH)) {
            continue;
        }
        match entry.path().symlink_metadata() {
            Ok(found) if found.is_dir() && found.uid() == geteuid().as_raw() => drop(tree::remove(&entry.path())?),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_goes_with_the_next_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let gone = "work-999999999-x";
        for name in [gone, "work-1-x", "work-x", "other-999999999-x"] {
            std::fs::create_dir_all(parent.path().join(name).join("below")).unwrap();
        }
        std::os::unix::fs::symlink("/", parent.path().join("work-999999998-link")).unwrap();
        let scratch = Scratch::new(parent.path(), "work-").unwrap();
        std::fs::create_dir_all(scratch.path().join("below")).unwrap();
        let left = || {
            let mut names: Vec<String> =
                parent.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let own = scratch.path().file_name().unwrap().to_str().unwrap().to_owned();
        let mut expected =
            vec!["other-999999999-x".to_owned(), "work-1-x".into(), "work-999999998-link".into(), "work-x".into(), own];
        expected.sort();
        assert_eq!(left(), expected);
        drop(scratch);
        assert_eq!(left(), ["other-999999999-x", "work-1-x", "work-999999998-link", "work-x"]);
    }
}
