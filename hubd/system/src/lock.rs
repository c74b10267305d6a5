//! One program at a time: an advisory lock on a file made for nothing else, never renamed.

use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// More than a note about a holder has.
const LARGEST_NOTE: u64 = 4096;

/// Holds the lock until dropped; the kernel drops it when the process dies.
#[derive(Debug)]
pub struct LockGuard {
    file: Flock<std::fs::File>,
}

impl LockGuard {
    /// Leaves a note in the lock file for whoever finds it locked; see [`note`].
    ///
    /// # Errors
    /// When it can't be written.
    pub fn leave_note(&mut self, text: &str) -> Result<()> {
        let mut write = || -> std::io::Result<()> {
            self.file.set_len(0)?;
            self.file.write_all(text.as_bytes())
        };
        write().context("writing a note into a lock")
    }
}

/// What the holder of the lock at `path` left there; empty when there is nothing.
///
/// # Errors
/// When the lock file can't be read.
pub fn note(path: &Path) -> Result<String> {
    let read = || -> std::io::Result<String> {
        let mut text = String::new();
        std::fs::File::open(path)?.take(LARGEST_NOTE).read_to_string(&mut text)?;
        Ok(text)
    };
    read().with_context(|| format!("reading lock `{}`", path.display()))
}

/// Takes the lock at `path` without waiting. `None`: somebody else holds it.
///
/// # Errors
/// When the lock file can be neither opened nor made.
pub fn try_lock(path: &Path) -> Result<Option<LockGuard>> {
    let file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("opening lock `{}`", path.display()))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(file) => Ok(Some(LockGuard { file })),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(error).with_context(|| format!("locking `{}`", path.display())),
    }
}

/// Takes the lock at `path`, and waits at most `deadline` for whoever holds it.
///
/// # Errors
/// As [`try_lock`], and when it is still held at the deadline.
pub fn wait_for_lock(path: &Path, deadline: Duration) -> Result<LockGuard> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(guard) = try_lock(path)? {
            return Ok(guard);
        }
        if Instant::now() >= end {
            bail!("`{}` was still locked by another program after {} s", path.display(), deadline.as_secs());
        }
        thread::sleep(POLL_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_holder_is_refused_until_the_first_lets_go() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let first = try_lock(&path).unwrap();
        assert!(first.is_some());
        assert!(try_lock(&path).unwrap().is_none());
        drop(first);
        assert!(try_lock(&path).unwrap().is_some());
    }

    #[test]
    fn who_finds_it_locked_can_read_the_holders_note() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        try_lock(&path).unwrap().unwrap().leave_note("a holder of long ago").unwrap();
        let mut guard = try_lock(&path).unwrap().unwrap();
        guard.leave_note("ada").unwrap();
        assert!(try_lock(&path).unwrap().is_none());
        assert_eq!(note(&path).unwrap(), "ada");
    }

    #[test]
    fn waiting_ends_with_the_holder_or_at_the_deadline() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let first = try_lock(&path).unwrap();
        let error = wait_for_lock(&path, Duration::ZERO).unwrap_err().to_string();
        assert!(error.contains("was still locked by another program"), "{error}");
        let second = std::thread::spawn(move || wait_for_lock(&path, Duration::from_secs(30)).is_ok());
        drop(first);
        assert!(second.join().unwrap());
    }
}
