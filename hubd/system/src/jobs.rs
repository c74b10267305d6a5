//! A job that is left for a service of root's, so that no terminal and no connection is needed from then on: files that are written
//! whole, a log that grows by lines, and a service that is woken until it has begun. What the jobs are, and how they end, is
//! their own affair.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hub_core::paths::Paths;
use hub_core::sys::atomic::{self, Access};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::systemctl::Systemctl;

/// Whoever holds the lock on a job does so for milliseconds.
pub const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// From asked for to begun.
const BEGIN_DEADLINE: Duration = Duration::from_secs(20);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// systemd does nothing when the process before is just ending, so it is asked again.
const WAKE_INTERVAL: Duration = Duration::from_secs(1);

/// Makes a directory of root's alone, with its parents; fine when it is there.
///
/// # Errors
/// When it can't be made.
pub fn make_directory(path: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("making directory `{}`", path.display()))
}

/// What is in the file at `path`; `None`: there is none.
///
/// # Errors
/// When it can't be read, or is something else.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let reading = || format!("reading `{}`", path.display());
    match std::fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => serde_json::from_slice(&read.with_context(reading)?).with_context(reading).map(Some),
    }
}

/// Writes a file of root's alone, whole or not at all.
///
/// # Errors
/// When the disk is full.
pub fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    atomic::replace(path, &text, Access::mode(0o600))
}

/// Removes the file at `path`; fine when there is none.
///
/// # Errors
/// When it can't be removed.
pub fn put_away(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).with_context(|| format!("removing `{}`", path.display())),
        _ => Ok(()),
    }
}

/// A log of root's alone, to be added to.
///
/// # Errors
/// When it can't be opened.
pub fn open_log(path: &Path) -> Result<File> {
    let file = File::options().create(true).append(true).mode(0o600).open(path);
    file.with_context(|| format!("opening `{}`", path.display()))
}

/// Whole lines of a log after its first `after` bytes, of at most `most` bytes, and how many bytes are known then.
///
/// # Errors
/// When it can't be read.
pub fn read_log(path: &Path, after: u64, most: u64) -> Result<(String, u64)> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(after))?;
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let mut bytes = match read() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((String::new(), after)),
        read => read.with_context(|| format!("reading `{}`", path.display()))?,
    };
    bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1));
    Ok((String::from_utf8_lossy(&bytes).into_owned(), after + bytes.len() as u64))
}

/// Whether somebody may be at work in the service `unit`.
///
/// # Errors
/// When systemd does not answer.
pub fn is_active(paths: &Paths, unit: &str) -> Result<bool> {
    let active = Systemctl::new(paths).status(unit)?.active;
    Ok(matches!(active.as_str(), "active" | "activating" | "reloading" | "deactivating"))
}

/// Has the service `unit` started, and waits for nothing.
///
/// # Errors
/// When systemd says no.
pub fn start(paths: &Paths, unit: &str) -> Result<()> {
    Systemctl::new(paths).job(["--no-block", "--quiet", "start", unit]).with_context(|| format!("starting `{unit}`"))
}

/// Has the service `unit` started, and waits until `has_begun`.
///
/// # Errors
/// When it does not start, or does not begin in time.
pub fn wake(paths: &Paths, unit: &str, has_begun: impl Fn() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + BEGIN_DEADLINE;
    let mut woken: Option<Instant> = None;
    loop {
        if woken.is_none_or(|woken| woken.elapsed() > WAKE_INTERVAL) {
            start(paths, unit)?;
            woken = Some(Instant::now());
        }
        if has_begun()? {
            return Ok(());
        }
        if Instant::now() >= end {
            bail!("`{unit}` did not begin within {} s\nhint: on the host: systemctl status {unit}", BEGIN_DEADLINE.as_secs());
        }
        thread::sleep(LOOK_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_log_is_read_by_whole_lines() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("log");
        assert_eq!(read_log(&path, 3, 100).unwrap(), (String::new(), 3));
        let mut log = open_log(&path).unwrap();
        log.write_all(b"one\ntw").unwrap();
        assert_eq!(read_log(&path, 0, 100).unwrap(), ("one\n".to_owned(), 4));
        log.write_all(b"o\nthree\n").unwrap();
        assert_eq!(read_log(&path, 4, 100).unwrap(), ("two\nthree\n".to_owned(), 14));
        assert_eq!(read_log(&path, 4, 6).unwrap(), ("two\n".to_owned(), 8));
    }

    #[test]
    fn what_is_written_is_read_and_put_away_once_and_for_all() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("job.json");
        assert_eq!(read::<Vec<u32>>(&path).unwrap(), None);
        write(&path, &[1, 2]).unwrap();
        assert_eq!(read::<Vec<u32>>(&path).unwrap(), Some(vec![1, 2]));
        std::fs::write(&path, "[1").unwrap();
        assert!(read::<Vec<u32>>(&path).unwrap_err().to_string().contains("job.json"));
        put_away(&path).unwrap();
        put_away(&path).unwrap();
        assert_eq!(read::<Vec<u32>>(&path).unwrap(), None);
    }
}
