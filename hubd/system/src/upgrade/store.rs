//! The job, its record and its log on disk, and how a job is left. Root's alone.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};

use anyhow::{Context, Result, bail};
use hub_core::paths::Paths;
use hub_core::sys::atomic::{self, Access};
use hub_core::upgrade::{Job, Record, SERVICE, Source, State, Task};

use crate::jobs;
use crate::lock::wait_for_lock;
use crate::tree;

/// No release is nearly as large.
const LARGEST: u64 = 1 << 30;
/// Most bytes of the log in one answer.
const MOST_LOG_BYTES: u64 = 64 << 10;

/// Where all of it lies.
#[derive(Debug, Clone)]
pub struct JobStore {
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

impl JobStore {
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
            jobs::make_directory(&self.paths.upgrade_state())?;
            let _lock = wait_for_lock(&self.paths.upgrade_lock(), jobs::LOCK_PATIENCE)?;
            let last = self.record()?;
            if let Some(last) = &last
                && !last.is_over()
                && jobs::is_active(&self.paths, SERVICE)?
            {
                return Ok(Left::Busy(Box::new(last.clone())));
            }
            let number = last.map_or(0, |last| last.number) + 1;
            let (from, to, plan, reason, hint) = (None, None, Vec::new(), None, None);
            self.save(&Record { number, who, when, state: State::Waiting, from, to, plan, reason, hint })?;
            atomic::replace(&self.paths.upgrade_log(), b"", Access::mode(0o600))?;
            jobs::write(&self.paths.upgrade_job(), &Job { number, task })?;
            number
        };
        let has_begun = || Ok(self.record()?.is_some_and(|record| record.state != State::Waiting));
        jobs::wake(&self.paths, SERVICE, has_begun)?;
        Ok(Left::Begun(number))
    }

    /// Copies a release to where only root can reach it: its tarball, called `name`, and `beside`, what lies beside it. Each
    /// is open already, so it is what whoever opened it may read.
    ///
    /// # Errors
    /// When one of them is not a file of a release, or the disk is full.
    pub fn take_in(&self, name: &str, tarball: &File, beside: &[(&str, File)]) -> Result<Source> {
        jobs::make_directory(&self.paths.upgrade_state())?;
        let directory = self.paths.upgrade_incoming();
        tree::remove(&directory)?;
        std::fs::DirBuilder::new().mode(0o700).create(&directory).context("making a place for the release")?;
        for (name, mut file) in [(name, tarball)].into_iter().chain(beside.iter().map(|(name, file)| (*name, file))) {
            let about = file.metadata()?;
            if !about.is_file() || about.len() > LARGEST {
                bail!("`{name}` is not a file of a release");
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
        jobs::read(&self.paths.upgrade_job())
    }

    /// Job `number` is over. One that was left since stays.
    ///
    /// # Errors
    /// When it can't be removed.
    pub fn clear_job(&self, number: u32) -> Result<()> {
        let _lock = wait_for_lock(&self.paths.upgrade_lock(), jobs::LOCK_PATIENCE)?;
        if self.job()?.is_none_or(|job| job.number != number) {
            return Ok(());
        }
        jobs::put_away(&self.paths.upgrade_job())
    }

    /// What is known of the latest job.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn record(&self) -> Result<Option<Record>> {
        jobs::read(&self.paths.upgrade_record())
    }

    /// What is known of the latest job that changed the installed version, or was to and was taken back.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn outcome(&self) -> Result<Option<Record>> {
        jobs::read(&self.paths.upgrade_outcome())
    }

    /// Writes the record.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn save(&self, record: &Record) -> Result<()> {
        if record.is_outcome() {
            jobs::write(&self.paths.upgrade_outcome(), record)?;
        }
        jobs::write(&self.paths.upgrade_record(), record)
    }

    /// Adds a line to the log.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn log(&self, line: &str) -> Result<()> {
        writeln!(jobs::open_log(&self.paths.upgrade_log())?, "{line}").context("writing the log")
    }

    /// Whole lines of the log from byte `after` on, and up to where that is.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn read_log(&self, after: u64) -> Result<(String, u64)> {
        jobs::read_log(&self.paths.upgrade_log(), after, MOST_LOG_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_in_whole_lines_from_where_one_was() {
        let root = tempfile::tempdir().unwrap();
        let store = JobStore::new(&Paths::under(root.path()));
        assert_eq!(store.read_log(0).unwrap(), (String::new(), 0));
        jobs::make_directory(&store.paths.upgrade_state()).unwrap();
        store.log("one").unwrap();
        let (text, known) = store.read_log(0).unwrap();
        assert_eq!((text.as_str(), known), ("one\n", 4));
        let path = root.path().join("var/lib/hubd-upgrade/log");
        let mut half = File::options().append(true).open(path).unwrap();
        write!(half, "tw").unwrap();
        assert_eq!(store.read_log(known).unwrap(), (String::new(), 4));
        writeln!(half, "o").unwrap();
        assert_eq!(store.read_log(known).unwrap(), ("two\n".to_owned(), 8));
    }

    #[test]
    fn reads_what_a_released_version_wrote() {
        let record: Record = serde_json::from_str(include_str!("fixtures/record-0.1.json")).unwrap();
        assert_eq!((record.number, record.state), (7, State::RolledBack));
    }

    #[test]
    fn what_is_saved_is_read_back() {
        let root = tempfile::tempdir().unwrap();
        let store = JobStore::new(&Paths::under(root.path()));
        assert_eq!((store.job().unwrap(), store.record().unwrap()), (None, None));
        jobs::make_directory(&store.paths.upgrade_state()).unwrap();
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
        store.save(&record).unwrap();
        assert_eq!((store.record().unwrap(), store.outcome().unwrap()), (Some(record.clone()), None));
        let back = Record { state: State::RolledBack, ..record.clone() };
        store.save(&back).unwrap();
        store.save(&Record { number: 4, state: State::Unchanged, ..record }).unwrap();
        assert_eq!(store.outcome().unwrap(), Some(back), "what happened last was forgotten");
        let job = Job { number: 4, task: Task::Perform("0.2.0".parse().unwrap()) };
        jobs::write(&store.paths.upgrade_job(), &job).unwrap();
        store.clear_job(3).unwrap();
        assert_eq!(store.job().unwrap(), Some(job), "another's job was put away");
        store.clear_job(4).unwrap();
        assert_eq!(store.job().unwrap(), None);
    }
}
