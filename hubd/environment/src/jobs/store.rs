//! Records, logs and the job, on disk. A record is written whole or not at all; who writes or takes a job holds the lock.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use hub_core::control::environment::apt::AptChange;
use hub_core::control::environment::{Asker, BuildState, Change, Record};
use hub_core::packages::KernelName;
use hub_core::packages::VersionChange;
use hub_core::paths::Paths;
use hub_system::jobs;
use hub_system::lock::{LockGuard, wait_for_lock};

use crate::pyenv;
use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The form that records are written in.
const FORMAT: u32 = 1;
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
pub(crate) struct JobStore {
    paths: Paths,
}

impl JobStore {
    pub(crate) fn new(paths: &Paths) -> Self {
        Self { paths: paths.clone() }
    }

    /// For writing or taking a job.
    pub(crate) fn lock(&self) -> Result<LockGuard> {
        jobs::make_directory(&self.paths.environment_state())?;
        wait_for_lock(&self.paths.environment_lock(), jobs::LOCK_PATIENCE)
    }

    pub(crate) fn job(&self) -> Result<Option<Job>> {
        jobs::read(&self.paths.environment_job())
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
        jobs::write(&self.paths.environment_job(), job)
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
        jobs::put_away(&self.paths.environment_job())
    }

    pub(crate) fn save(&self, record: &Record) -> Result<()> {
        jobs::write(&self.record_path(record.number), record)
    }

    /// The record `number`; `None`: there is none.
    pub(crate) fn record(&self, number: u32) -> Result<Option<Record>> {
        let path = self.record_path(number);
        let Some(record) = jobs::read::<Record>(&path)? else { return Ok(None) };
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
        jobs::open_log(&self.log_path(number))
    }

    /// Whole lines of the log after the first `after` bytes, and how many bytes are known then.
    pub(crate) fn read_log(&self, number: u32, after: u64) -> Result<(String, u64)> {
        jobs::read_log(&self.log_path(number), after, MOST_LOG_BYTES)
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

    fn store() -> (tempfile::TempDir, JobStore) {
        let root = tempfile::tempdir().unwrap();
        let store = JobStore::new(&Paths::under(root.path()));
        (root, store)
    }

    fn begin(store: &JobStore) -> Record {
        let _lock = store.lock().unwrap();
        let now = "2026-09-07T10:00:00.5Z".parse().unwrap();
        store.begin(&Asker::Host { account: None }, "gc".to_owned(), now).unwrap()
    }

    #[test]
    fn numbers_count_up_and_the_job_stays_until_it_is_over() {
        let (_root, store) = store();
        assert_eq!(begin(&store).number, 1);
        let record = begin(&store);
        assert_eq!((record.number, record.when.as_str()), (2, "2026-09-07T10:00:00Z"));
        assert_eq!(store.records().unwrap().len(), 2);
        assert_eq!(store.record(2).unwrap(), Some(record));
        assert_eq!(store.record(3).unwrap(), None);
        let job = Job { number: 2, kernel: None, task: Task::Collect };
        assert_eq!(store.job().unwrap(), None);
        store.submit(&job).unwrap();
        // Its record said that job 1 was over, and the next was left before whoever did job 1 put it away.
        store.finish(1).unwrap();
        assert_eq!(store.job().unwrap(), Some(job));
        store.finish(2).unwrap();
        assert_eq!(store.job().unwrap(), None);
        store.clear_job().unwrap();
    }

    #[test]
    fn a_damaged_record_does_not_hide_the_others() {
        let (_root, store) = store();
        let record = begin(&store);
        std::fs::write(store.record_path(7), "{").unwrap();
        assert_eq!(store.records().unwrap(), [record]);
        assert_eq!(store.next_number().unwrap(), 8);
    }

    #[test]
    fn a_line_of_the_log_drives_no_terminal() {
        let (_root, store) = store();
        begin(&store);
        write_line(&mut store.open_log(1).unwrap(), "one\u{1b}[2J").unwrap();
        assert_eq!(store.read_log(1, 0).unwrap(), ("one[2J\n".to_owned(), 7));
    }

    #[test]
    fn every_released_form_of_a_record_is_still_read() {
        let record: Record = serde_json::from_str(include_str!("fixtures/record-1.json")).unwrap();
        assert_eq!((record.number, record.state, record.to), (2, BuildState::Done, Some(2)));
    }
}
