//! What is asked of systemd through its own program, by what runs as root on the machine: starting and stopping the hub's
//! own units. People's servers are the launcher's, over D-Bus.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use hub_core::paths::Paths;
use hub_core::units::LAUNCHER;
use serde::Serialize;

use crate::command::{Command, Output};

/// Questions, and reading the unit files again.
const ASK_DEADLINE: Duration = Duration::from_secs(30);
/// systemd answers in milliseconds, or something is badly wrong.
const REPORT_DEADLINE: Duration = Duration::from_secs(10);
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

/// One unit, in systemd's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UnitReport {
    /// Its name.
    pub unit: String,
    /// `LoadState=`, as in `loaded` or `masked`.
    pub load: String,
    /// `ActiveState=`
    pub active: String,
    /// `SubState=`
    pub sub: String,
    /// `Result=` of its latest run.
    pub result: String,
    /// `UnitFileState=`, as in `enabled`.
    #[serde(skip)]
    pub file: String,
}

impl UnitReport {
    /// A service that waits for its socket to be asked is well.
    pub fn is_well(&self) -> bool {
        let waits = self.unit == LAUNCHER && self.active == "inactive";
        self.load == "loaded" && (self.active == "active" || waits)
    }

    /// `failed (failed), exit-code`, for people.
    pub fn words(&self) -> String {
        match (self.load.as_str(), self.result.as_str()) {
            ("loaded", "success" | "") => format!("{} ({})", self.active, self.sub),
            ("loaded", result) => format!("{} ({}), {result}", self.active, self.sub),
            (load, _) => load.to_owned(),
        }
    }
}

/// `systemctl show` prints `Key=value` lines, an empty line between units.
fn parse(text: &str) -> Vec<UnitReport> {
    let mut units = Vec::new();
    for block in text.split("\n\n") {
        let mut unit = UnitReport::default();
        for (key, value) in block.lines().filter_map(|line| line.split_once('=')) {
            let slot = match key {
                "Id" => &mut unit.unit,
                "LoadState" => &mut unit.load,
                "ActiveState" => &mut unit.active,
                "SubState" => &mut unit.sub,
                "Result" => &mut unit.result,
                "UnitFileState" => &mut unit.file,
                _ => continue,
            };
            *slot = value.to_owned();
        }
        if !unit.unit.is_empty() {
            units.push(unit);
        }
    }
    units
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

    /// How `units` are, all in one question; patterns such as `hubd*` mean those that systemd has in its memory.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn reports<T: Into<String>>(&self, units: impl IntoIterator<Item = T>) -> Result<Vec<UnitReport>> {
        let text = Command::new(&self.systemctl, REPORT_DEADLINE)
            .env("LC_ALL", "C")
            .args(["--no-pager", "show", "--property=Id,LoadState,ActiveState,SubState,Result,UnitFileState", "--"])
            .args(units)
            .run()?;
        Ok(parse(&text))
    }

    /// One property of a unit, as systemd prints it.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub fn property(&self, unit: &str, name: &str) -> Result<String> {
        let text = Command::new(&self.systemctl, REPORT_DEADLINE)
            .env("LC_ALL", "C")
            .args(["--no-pager", "show", "--value", "--property", name, "--", unit])
            .run()?;
        Ok(text.trim().to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_systemctl_prints() {
        let units = parse(
            "Result=exit-code\nId=hubd.service\nLoadState=loaded\nActiveState=activating\nSubState=auto-restart\n\n\
             Result=success\nId=hubd-launcher.service\nLoadState=loaded\nActiveState=inactive\nSubState=dead\n\n\
             Id=hubd.socket\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n",
        );
        let told: Vec<_> = units.iter().map(|unit| (unit.unit.as_str(), unit.is_well(), unit.words())).collect();
        assert_eq!(
            told,
            [
                ("hubd.service", false, "activating (auto-restart), exit-code".to_owned()),
                ("hubd-launcher.service", true, "inactive (dead)".to_owned()),
                ("hubd.socket", false, "not-found".to_owned()),
            ]
        );
    }
}
