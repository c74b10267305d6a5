//! What is asked of systemd through its own program, by what runs as root on the machine: starting and stopping the hub's
//! own units. People's servers are the launcher's, over D-Bus.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use hub_core::paths::Paths;

use crate::command::{Command, Output};

/// Questions, and reading the unit files again.
const ASK_DEADLINE: Duration = Duration::from_secs(30);
/// Starting and stopping: every unit has a shorter deadline of its own.
const JOB_DEADLINE: Duration = Duration::from_secs(180);
/// Enough of a log for an error message.
const LOG_LINES: &str = "10";

/// systemd's tools.
#[derive(Debug, Clone)]
pub struct Systemctl {
    systemctl: PathBuf,
    journalctl: PathBuf,
}

/// How one unit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitStatus {
    /// `ActiveState=`, as in `active`.
    pub active: String,
    /// `UnitFileState=`, as in `enabled`.
    pub enabled: String,
}

impl Systemctl {
    /// Those of the machine at `paths`.
    pub fn new(paths: &Paths) -> Self {
        Self { systemctl: paths.systemctl(), journalctl: paths.journalctl() }
    }

    /// Runs systemctl with a deadline for jobs.
    ///
    /// # Errors
    /// When it says no, with what it said.
    pub fn job<T: Into<String>>(&self, arguments: impl IntoIterator<Item = T>) -> Result<()> {
        Command::new(&self.systemctl, JOB_DEADLINE).arg("--no-ask-password").args(arguments).run().map(drop)
    }

    /// Asks systemctl something, whatever it answers.
    ///
    /// # Errors
    /// When it can't be run or gives no answer in time.
    pub fn ask<T: Into<String>>(&self, arguments: impl IntoIterator<Item = T>) -> Result<Output> {
        Command::new(&self.systemctl, ASK_DEADLINE).env("LC_ALL", "C").arg("--no-pager").args(arguments).output()
    }

    /// How `unit` is; a unit that does not exist is `inactive` and has no file state.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn status(&self, unit: &str) -> Result<UnitStatus> {
        let output = self.ask(["show", "--property=ActiveState", "--property=UnitFileState", unit])?;
        let value = |name: &str| {
            let found = output.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            found.unwrap_or_default().to_owned()
        };
        Ok(UnitStatus { active: value("ActiveState"), enabled: value("UnitFileState") })
    }

    /// What the unit said last, for an error message.
    pub fn last_words(&self, unit: &str) -> String {
        let lines = Command::new(&self.journalctl, ASK_DEADLINE)
            .args(["--no-pager", "--quiet", "--output=cat", "--lines", LOG_LINES, "--unit", unit])
            .run();
        lines.unwrap_or_else(|error| format!("(its log can't be read: {error:#})"))
    }

    /// Makes systemd read the unit files again.
    ///
    /// # Errors
    /// When it can't.
    pub fn reload(&self) -> Result<()> {
        self.job(["daemon-reload"]).context("making systemd read the units again")
    }
}
