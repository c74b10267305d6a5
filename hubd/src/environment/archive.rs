//! Records, logs and the job, on disk. A record is written whole or not at all; who writes or takes a job holds the lock.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hub_core::control::environment::apt::AptChange;
use hub_core::control::environment::{Asker, BuildState, Change, Record};
use hub_core::paths::Paths;
use hub_core::pyenv::lock::VersionChange;
use hub_core::pyenv::{self, KernelName};
use hub_core::sys::atomic::{self, Access};
use hub_core::sys::lock::{LockGuard, wait_for_lock};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The form that records are written in.
const FORMAT: u32 = 1;
/// Whoever holds the lock does so for milliseconds.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// Most bytes of a log in one answer.
const MOST_LOG_BYTES: u64 = 256 << 10;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Job {
    /// The number of its record.
    pub(crate) number: u32,
    /// The kernel that it is about; `None`: everybody's environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kernel: Option<KernelName>,
    pub(crate) task: Task,
}

/// What kind of thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Task {
    Build {
        change: Change,
    },
    Rollback {
        to: u32,
    },
    Collect,
    RemoveKernel,
    PlanApt {
        change: AptChange,
    },
    /// `confirmed`: what the plan said; `None`: nobody was asked.
    Apt {
        change: AptChange,
        confirmed: Option<Vec<VersionChange>>,
    },
}

/// Where all of it lies.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    paths: Paths,
}

impl Archive {
    pub(crate) fn new(paths: &Paths) -> Self {
        Self { paths: paths.clone() }
    }

    /// For writing or taking a job.
    pub(crate) fn lock(&self) -> Result<LockGuard> {
        let directory = self.paths.environment_state();
        if !directory.is_dir() {
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder.create(&directory).with_context(|| format!("making directory `{}`", directory.display()))?;
        }
        wait_for_lock(&self.paths.environment_lock(), LOCK_PATIENCE)
    }

    pub(crate) fn job(&self) -> Result<Option<Job>> {
        let path = self.paths.environment_job();
        match fs_err::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            read => Ok(Some(serde_json::from_slice(&read?).with_context(|| format!("reading `{}`", path.display()))?)),
        }
    }

    /// Writes a record for something that begins now. The lock is held.
    pub(crate) fn begin(&self, asker: &Asker, what: String, now: Timestamp) -> Result<Record> {
        let number = self.next_number()?;
        let record = Record {
            format: FORMAT,
            number,
            kernel: self.paths.kernel().cloned(),
            apt: None,
            what,
            who: asker.to_string(),
            when: Timestamp::from_second(now.as_second()).unwrap_or(now).to_string(),
            state: BuildState::Waiting,
            phase: "waiting to begin".to_owned(),
            asked: Vec::new(),
            conda: None,
            from: pyenv::current(&self.paths)?,
            to: None,
            changes: Vec::new(),
            deleted: Vec::new(),
            reason: None,
            hint: None,
            download: None,
            seconds: None,
            bytes: None,
            own_bytes: None,
            log: self.log_path(number),
        };
        self.save(&record)?;
        Ok(record)
    }

    /// Leaves the job for whoever does it. The lock is held.
    pub(crate) fn submit(&self, job: &Job) -> Result<()> {
        atomic::replace(&self.paths.environment_job(), &serde_json::to_vec_pretty(job)?, Access::mode(0o600))
    }

    /// Job `number` is over. One that was left since its record said so stays. The lock is held.
    pub(crate) fn finish(&self, number: u32) -> Result<()> {
        match self.job()? {
            Some(job) if job.number == number => self.clear_job(),
            _ => Ok(()),
        }
    }

    /// Puts the job away, whichever it is. The lock is held.
    pub(crate) fn clear_job(&self) -> Result<()> {
        match fs_err::remove_file(self.paths.environment_job()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    pub(crate) fn save(&self, record: &Record) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(record)?;
        text.push(b'\n');
        atomic::replace(&self.record_path(record.number), &text, Access::mode(0o600))
    }

    /// The record `number`; `None`: there is none.
    pub(crate) fn record(&self, number: u32) -> Result<Option<Record>> {
        let path = self.record_path(number);
        let text = match fs_err::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        let record: Record = serde_json::from_slice(&text).with_context(|| format!("reading `{}`", path.display()))?;
        if record.format != FORMAT {
            bail!("`{}` has format {}, expected {FORMAT}", path.display(), record.format);
        }
        Ok(Some(record))
    }

    /// Every record, the latest last. One that can't be read is left out: history must not stand in the way.
    pub(crate) fn records(&self) -> Result<Vec<Record>> {
        let read = |number| match self.record(number) {
            Ok(record) => record,
            Err(error) => {
                tracing::warn!("leaving out a record: {error:#}");
                None
            }
        };
        Ok(self.numbers()?.into_iter().filter_map(read).collect())
    }

    /// The log of record `number`, to be added to.
    pub(crate) fn open_log(&self, number: u32) -> Result<File> {
        let path = self.log_path(number);
        let file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        file.with_context(|| format!("opening `{}`", path.display()))
    }

    /// Whole lines of the log after the first `after` bytes, and how many bytes are known then.
    pub(crate) fn read_log(&self, number: u32, after: u64) -> Result<(String, u64)> {
        let path = self.log_path(number);
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((String::new(), after)),
            file => file.with_context(|| format!("opening `{}`", path.display()))?,
        };
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(after))?;
        file.take(MOST_LOG_BYTES).read_to_end(&mut bytes)?;
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        bytes.truncate(end);
        Ok((String::from_utf8_lossy(&bytes).into_owned(), after + end as u64))
    }

    fn numbers(&self) -> Result<Vec<u32>> {
        let entries = match fs_err::read_dir(self.paths.environment_state()) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".json")).and_then(|number| number.parse().ok());
            numbers.extend(number.filter(|number: &u32| *number > 0));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// No number is used twice, neither for records nor for generations.
    fn next_number(&self) -> Result<u32> {
        let records = self.numbers()?.last().copied().unwrap_or(0);
        // Everybody's environment and every kernel count in one row, so that a number says all.
        let kernels = pyenv::kernels(&self.paths)?.iter().map(|name| self.paths.of_kernel(name)).collect::<Vec<_>>();
        let mut last = records;
        for store in kernels.iter().chain([&self.paths.of_everybody()]) {
            last = pyenv::all(store)?.last().map_or(0, pyenv::Generation::number).max(last);
        }
        Ok(last + 1)
    }

    fn record_path(&self, number: u32) -> PathBuf {
        self.paths.environment_state().join(format!("{number:04}.json"))
    }

    fn log_path(&self, number: u32) -> PathBuf {
        self.paths.environment_state().join(format!("{number:04}.log"))
    }
}

/// Writes a line, without what could drive a terminal.
pub(crate) fn write_line(log: &mut File, text: &str) -> Result<()> {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    log.write_all(format!("{clean}\n").as_bytes()).context("writing the log")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> (tempfile::TempDir, Archive) {
        let root = tempfile::tempdir().unwrap();
        let archive = Archive::new(&Paths::under(root.path()));
        (root, archive)
    }

    fn begin(archive: &Archive) -> Record {
        let _lock = archive.lock().unwrap();
        let now = "2026-09-07T10:00:00.5Z".parse().unwrap();
        archive.begin(&Asker::Host { account: None }, "gc".to_owned(), now).unwrap()
    }

    #[test]
    fn numbers_count_up_and_the_job_stays_until_it_is_over() {
        let (_root, archive) = archive();
        assert_eq!(begin(&archive).number, 1);
        let record = begin(&archive);
        assert_eq!((record.number, record.when.as_str()), (2, "2026-09-07T10:00:00Z"));
        assert_eq!(archive.records().unwrap().len(), 2);
        assert_eq!(archive.record(2).unwrap(), Some(record));
        assert_eq!(archive.record(3).unwrap(), None);
        let job = Job { number: 2, kernel: None, task: Task::Collect };
        assert_eq!(archive.job().unwrap(), None);
        archive.submit(&job).unwrap();
        // Its record said that job 1 was over, and the next was left before whoever did job 1 put it away.
        archive.finish(1).unwrap();
        assert_eq!(archive.job().unwrap(), Some(job));
        archive.finish(2).unwrap();
        assert_eq!(archive.job().unwrap(), None);
        archive.clear_job().unwrap();
    }

    #[test]
    fn a_damaged_record_does_not_hide_the_others() {
        let (_root, archive) = archive();
        let record = begin(&archive);
        std::fs::write(archive.record_path(7), "{").unwrap();
        assert_eq!(archive.records().unwrap(), [record]);
        assert_eq!(archive.next_number().unwrap(), 8);
    }

    #[test]
    fn a_log_is_read_by_whole_lines() {
        let (_root, archive) = archive();
        begin(&archive);
        assert_eq!(archive.read_log(1, 0).unwrap(), (String::new(), 0));
        let mut log = archive.open_log(1).unwrap();
        write_line(&mut log, "one\u{1b}[2J").unwrap();
        log.write_all(b"tw").unwrap();
        assert_eq!(archive.read_log(1, 0).unwrap(), ("one[2J\n".to_owned(), 7));
        log.write_all(b"o\n").unwrap();
        assert_eq!(archive.read_log(1, 7).unwrap(), ("two\n".to_owned(), 11));
    }

    #[test]
    fn every_released_form_of_a_record_is_still_read() {
        let record: Record = serde_json::from_str(include_str!("fixtures/record-1.json")).unwrap();
        assert_eq!((record.number, record.state, record.to), (2, BuildState::Done, Some(2)));
    }
}
