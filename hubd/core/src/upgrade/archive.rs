//! The job, its record and its log on disk, and how a job is left. Root's alone.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Job, Record, SERVICE, Source, State, Task};
use crate::paths::Paths;
use crate::sys::atomic::{self, Access};
use crate::sys::lock::wait_for_lock;
use crate::sys::tree;
use crate::systemctl::Systemctl;

/// Whoever holds the lock on the job does so for milliseconds.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// From asked for to begun.
const BEGIN_DEADLINE: Duration = Duration::from_secs(20);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// systemd does nothing when the process before is just ending, so it is asked again.
const WAKE_INTERVAL: Duration = Duration::from_secs(1);
/// No release is nearly as large.
const LARGEST: u64 = 1 << 30;
/// Most bytes of the log in one answer.
const MOST_LOG_BYTES: u64 = 64 << 10;

/// Where all of it lies.
#[derive(Debug, Clone)]
pub struct Archive {
    paths: Paths,
}

/// How leaving a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// It is being done; its number.
    Begun(u32),
    /// Another is under way.
    Busy(Box<Record>),
}

impl Archive {
    /// That of the machine at `paths`.
    pub fn new(paths: &Paths) -> Self {
        Self { paths: paths.clone() }
    }

    /// Leaves a job, has the service started, and waits until it has begun.
    ///
    /// # Errors
    /// When the disk is full or the service does not start.
    pub fn submit(&self, who: String, when: String, task: Task) -> Result<Left> {
        let number = {
            self.make_directory()?;
            let _lock = wait_for_lock(&self.paths.upgrade_lock(), LOCK_PATIENCE)?;
            let last = self.record()?;
            if let Some(last) = &last
                && !last.is_over()
                && self.is_service_active()?
            {
                return Ok(Left::Busy(Box::new(last.clone())));
            }
            let number = last.map_or(0, |last| last.number) + 1;
            let (from, to, plan, reason, hint) = (None, None, Vec::new(), None, None);
            self.save(&Record { number, who, when, state: State::Waiting, from, to, plan, reason, hint })?;
            self.write(&self.paths.upgrade_log(), b"")?;
            self.write_json(&self.paths.upgrade_job(), &Job { number, task })?;
            number
        };
        let end = Instant::now() + BEGIN_DEADLINE;
        let mut woken: Option<Instant> = None;
        loop {
            if woken.is_none_or(|woken| woken.elapsed() > WAKE_INTERVAL) {
                Systemctl::new(&self.paths).job(["--no-block", "--quiet", "start", SERVICE])?;
                woken = Some(Instant::now());
            }
            if self.record()?.is_some_and(|record| record.state != State::Waiting) {
                return Ok(Left::Begun(number));
            }
            if Instant::now() >= end {
                bail!("`{SERVICE}` did not begin within {} s\nhint: systemctl status {SERVICE}", BEGIN_DEADLINE.as_secs());
            }
            thread::sleep(LOOK_INTERVAL);
        }
    }

    /// Copies a release to where only root can reach it: its tarball, called `name`, and `beside`, what lies beside it. Each
    /// is open already, so it is what whoever opened it may read.
    ///
    /// # Errors
    /// When one of them is no file of a release, or the disk is full.
    pub fn take_in(&self, name: &str, tarball: &File, beside: &[(&str, File)]) -> Result<Source> {
        self.make_directory()?;
        let directory = self.paths.upgrade_incoming();
        tree::remove(&directory)?;
        std::fs::DirBuilder::new().mode(0o700).create(&directory).context("making a place for the release")?;
        for (name, mut file) in [(name, tarball)].into_iter().chain(beside.iter().map(|(name, file)| (*name, file))) {
            let about = file.metadata()?;
            if !about.is_file() || about.len() > LARGEST {
                bail!("`{name}` is no file of a release");
            }
            let mut copy = File::options().write(true).create_new(true).mode(0o600).open(directory.join(name))?;
            std::io::copy(&mut file, &mut copy).with_context(|| format!("copying `{name}`"))?;
        }
        Ok(Source::File(directory.join(name)))
    }

    /// The job that is to be done, or under way.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn job(&self) -> Result<Option<Job>> {
        self.read_json(&self.paths.upgrade_job())
    }

    /// Job `number` is over. One that was left since stays.
    ///
    /// # Errors
    /// When it can't be removed.
    pub fn clear_job(&self, number: u32) -> Result<()> {
        let _lock = wait_for_lock(&self.paths.upgrade_lock(), LOCK_PATIENCE)?;
        if self.job()?.is_none_or(|job| job.number != number) {
            return Ok(());
        }
        match std::fs::remove_file(self.paths.upgrade_job()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error).context("putting the job away"),
            _ => Ok(()),
        }
    }

    /// What is known of the latest job.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn record(&self) -> Result<Option<Record>> {
        self.read_json(&self.paths.upgrade_record())
    }

    /// What is known of the latest job that changed the installed version, or was to and was taken back.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn outcome(&self) -> Result<Option<Record>> {
        self.read_json(&self.paths.upgrade_outcome())
    }

    /// Writes the record.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn save(&self, record: &Record) -> Result<()> {
        if record.is_outcome() {
            self.write_json(&self.paths.upgrade_outcome(), record)?;
        }
        self.write_json(&self.paths.upgrade_record(), record)
    }

    /// Adds a line to the log.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn log(&self, line: &str) -> Result<()> {
        let path = self.paths.upgrade_log();
        let open = File::options().create(true).append(true).mode(0o600).open(&path);
        open.and_then(|mut file| writeln!(file, "{line}")).with_context(|| format!("writing `{}`", path.display()))
    }

    /// Whole lines of the log from byte `after` on, and up to where that is.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn read_log(&self, after: u64) -> Result<(String, u64)> {
        let path = self.paths.upgrade_log();
        let read = || -> std::io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(after))?;
            file.take(MOST_LOG_BYTES).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let mut bytes = match read() {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            read => read.with_context(|| format!("reading `{}`", path.display()))?,
        };
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1));
        Ok((String::from_utf8_lossy(&bytes).into_owned(), after + bytes.len() as u64))
    }

    fn is_service_active(&self) -> Result<bool> {
        Ok(matches!(Systemctl::new(&self.paths).status(SERVICE)?.active.as_str(), "active" | "activating" | "deactivating"))
    }

    fn make_directory(&self) -> Result<()> {
        let directory = self.paths.upgrade_state();
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        made.with_context(|| format!("making directory `{}`", directory.display()))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        atomic::replace(path, bytes, Access::mode(0o600))
    }

    fn write_json(&self, path: &Path, value: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(value)?;
        text.push(b'\n');
        self.write(path, &text)
    }

    fn read_json<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>> {
        match std::fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            read => {
                let text = read.with_context(|| format!("reading `{}`", path.display()))?;
                serde_json::from_slice(&text).with_context(|| format!("reading `{}`", path.display())).map(Some)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_in_whole_lines_from_where_one_was() {
        let root = tempfile::tempdir().unwrap();
        let archive = Archive::new(&Paths::under(root.path()));
        assert_eq!(archive.read_log(0).unwrap(), (String::new(), 0));
        archive.make_directory().unwrap();
        archive.log("one").unwrap();
        let (text, known) = archive.read_log(0).unwrap();
        assert_eq!((text.as_str(), known), ("one\n", 4));
        let path = root.path().join("var/lib/hubd-upgrade/log");
        let mut half = File::options().append(true).open(path).unwrap();
        write!(half, "tw").unwrap();
        assert_eq!(archive.read_log(known).unwrap(), (String::new(), 4));
        writeln!(half, "o").unwrap();
        assert_eq!(archive.read_log(known).unwrap(), ("two\n".to_owned(), 8));
    }

    #[test]
    fn reads_what_a_released_version_wrote() {
        let record: Record = serde_json::from_str(include_str!("fixtures/record-0.1.json")).unwrap();
        assert_eq!((record.number, record.state), (7, State::RolledBack));
    }

    #[test]
    fn what_is_saved_is_read_back() {
        let root = tempfile::tempdir().unwrap();
        let archive = Archive::new(&Paths::under(root.path()));
        assert_eq!((archive.job().unwrap(), archive.record().unwrap()), (None, None));
        archive.make_directory().unwrap();
        let record = Record {
            number: 3,
            who: "ada".into(),
            when: "now".into(),
            state: State::Running,
            from: Some("0.1.0".parse().unwrap()),
            to: None,
            plan: vec!["x".into()],
            reason: None,
            hint: None,
        };
        archive.save(&record).unwrap();
        assert_eq!((archive.record().unwrap(), archive.outcome().unwrap()), (Some(record.clone()), None));
        let back = Record { state: State::RolledBack, ..record.clone() };
        archive.save(&back).unwrap();
        archive.save(&Record { number: 4, state: State::Unchanged, ..record }).unwrap();
        assert_eq!(archive.outcome().unwrap(), Some(back), "what happened last was forgotten");
        let job = Job { number: 4, task: Task::Perform("0.2.0".parse().unwrap()) };
        archive.write_json(&archive.paths.upgrade_job(), &job).unwrap();
        archive.clear_job(3).unwrap();
        assert_eq!(archive.job().unwrap(), Some(job), "another's job was put away");
        archive.clear_job(4).unwrap();
        assert_eq!(archive.job().unwrap(), None);
    }
}
