//! What is asked for by nobody: settling what was interrupted, following a Python that the distribution replaces, completing
//! the packages of the distribution.

use hub_core::control::environment::apt::AptChange;
use hub_core::control::environment::{Asker, BuildState, Change, Record};
use hub_core::packages::KernelName;

use crate::pyenv::{self, Generation, Python};
use anyhow::Result;
use jiff::Timestamp;

use hub_system::jobs;

use crate::jobs::requests::Requests;
use crate::jobs::store::{Job, Task};
use crate::jobs::{apt, settings, transaction, worker};

/// Who asks for an environment whose Python was replaced.
const NEW_PYTHON: &str = "a new Python";
/// Who asks for packages of the distribution that were missing when the hub started.
const START: &str = "the start of the hub";
/// How long after it began a build for a new Python that failed is tried again.
const AGAIN_SECONDS: i64 = 120;

impl Requests {
    /// Has what was interrupted settled, and an environment built anew whose Python an upgrade of the system has replaced.
    ///
    /// # Errors
    /// When systemd can't be asked.
    pub fn wake(&self) -> Result<()> {
        if let Some(outdated) = self.outdated()? {
            let (generation, kernel) = (outdated.current()?, outdated.paths.kernel().cloned());
            let _lock = self.store.lock()?;
            if self.store.job()?.is_none() && !outdated.has_just_failed()? {
                let python = generation.and_then(|generation| generation.manifest().python.clone());
                let python = python.map_or_else(|| "Python".to_owned(), |python| python.to_string());
                let what = kernel.as_ref().map_or_else(|| "the environment".to_owned(), |name| format!("kernel {name}"));
                tracing::warn!("{python} was replaced, so {what} is rebuilt");
                let change = Change::Configured;
                let about = kernel.as_ref().map_or(String::new(), |name| format!("--kernel {name} "));
                self.leave(&outdated, NEW_PYTHON, format!("{about}{change}"), Task::Build { change })?;
            }
        }
        if self.store.job()?.is_some() || pyenv::has_unfinished(&self.paths)? {
            jobs::start(&self.paths, worker::SERVICE)?;
        }
        Ok(())
    }

    /// Whether the current environment, or a kernel, still has to be built for the Python that is there now.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn is_outdated(&self) -> Result<bool> {
        Ok(self.outdated()?.is_some())
    }

    /// Has packages of the distribution installed that the configuration asks for and the machine lacks, as on a new machine, or
    /// after an upgrade of the system that took some away. `false`: something else is under way.
    ///
    /// # Errors
    /// When dpkg or systemd can't be asked.
    pub fn complete_apt(&self) -> Result<bool> {
        let missing = apt::missing(&self.paths)?;
        if missing.is_empty() {
            return Ok(true);
        }
        {
            let _lock = self.store.lock()?;
            if self.store.job()?.is_some() {
                return Ok(false);
            }
            tracing::info!(?missing, "packages of the distribution are missing, and are installed");
            let change = AptChange::Configured;
            self.leave(self, START, change.to_string(), Task::Apt { change, confirmed: None })?;
        }
        jobs::start(&self.paths, worker::SERVICE)?;
        Ok(true)
    }

    /// Leaves a job about what `requests` is for. The lock is held.
    fn leave(&self, requests: &Self, who: &str, what: String, task: Task) -> Result<()> {
        let record = requests.store.begin(&Asker::Host { account: Some(who.to_owned()) }, what, Timestamp::now())?;
        self.store.submit(&Job { number: record.number, kernel: requests.paths.kernel().cloned(), task })
    }

    /// The first that has to be built anew: everybody's environment, or a kernel that is configured. A kernel is tried out by
    /// a server of everybody's, so that comes first; one whose build has just failed does not hold up the others.
    fn outdated(&self) -> Result<Option<Self>> {
        if self.is_python_replaced_under(self.current()?.as_ref())? {
            return Ok(Some(self.clone()));
        }
        // What was taken out of the configuration by hand is nobody's wish any more.
        for name in settings::read(&self.paths).map(|config| config.environment.kernels).unwrap_or_default().keys() {
            let requests = self.of_kernel(name);
            if requests.is_python_replaced_under(requests.current()?.as_ref())? && !requests.has_just_failed()? {
                return Ok(Some(requests));
            }
        }
        Ok(None)
    }

    /// Whether `generation` is of another minor version than the distribution's Python. A newer patch of the same one serves,
    /// and so does one that somebody went back to whose Python is still there.
    pub(super) fn is_python_replaced_under(&self, generation: Option<&Generation>) -> Result<bool> {
        // A conda environment has its own.
        let Some(own) = generation.and_then(|generation| generation.manifest().python.as_ref()) else { return Ok(false) };
        let path = self.paths.below(transaction::PYTHON.trim_start_matches('/'));
        if fs_err::canonicalize(&path).is_ok_and(|found| found == own.interpreter) {
            return Ok(false);
        }
        match Python::probe(&path) {
            Ok(found) if found.directory() == own.directory() => Ok(false),
            Ok(found) => {
                let is_there = |other: &Generation| {
                    other.manifest().python.as_ref().is_some_and(|python| python.directory() == found.directory())
                };
                Ok(!own.interpreter.exists() || !pyenv::all(&self.paths)?.iter().any(is_there))
            }
            // It may be one that no environment can be built for; what works stays.
            Err(error) => {
                tracing::debug!("looking for the machine's Python: {error:#}");
                Ok(!own.interpreter.exists())
            }
        }
    }

    /// Asking an index again and again that can't be reached helps nobody.
    fn has_just_failed(&self) -> Result<bool> {
        let records = self.store.records()?;
        let last = records.iter().rev().find(|record| is_about(record, self.paths.kernel()));
        Ok(last.is_some_and(|record| {
            let age = record.when.parse::<Timestamp>().map(|when| Timestamp::now().duration_since(when).as_secs());
            record.state == BuildState::Failed && record.who.starts_with(NEW_PYTHON) && age.is_ok_and(|age| age < AGAIN_SECONDS)
        }))
    }
}

fn is_about(record: &Record, kernel: Option<&KernelName>) -> bool {
    record.kernel.as_ref() == kernel && record.apt.is_none()
}
