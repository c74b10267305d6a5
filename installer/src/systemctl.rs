//! What the installer asks of systemd, through its own program.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use hub_core::paths::Paths;
use hub_core::sys::command::{Command, Output};

/// systemd's own tool.
pub const SYSTEMCTL: &str = "/usr/bin/systemctl";
/// Questions, and reading the unit files again.
const ASK_DEADLINE: Duration = Duration::from_secs(30);
/// Starting and stopping: every unit has a shorter deadline of its own.
const JOB_DEADLINE: Duration = Duration::from_secs(180);

/// How one unit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitStatus {
    /// `ActiveState=`, as in `active`.
    pub active: String,
    /// `UnitFileState=`, as in `enabled`.
    pub enabled: String,
}

/// Runs systemctl with a deadline for jobs.
///
/// # Errors
/// When it says no, with what it said.
pub fn job<T: Into<String>>(arguments: impl IntoIterator<Item = T>) -> Result<()> {
    Command::new(SYSTEMCTL, JOB_DEADLINE).arg("--no-ask-password").args(arguments).run().map(drop)
}

/// Asks systemctl something, whatever it answers.
///
/// # Errors
/// When it can't be run or gives no answer in time.
pub fn ask<T: Into<String>>(arguments: impl IntoIterator<Item = T>) -> Result<Output> {
    Command::new(SYSTEMCTL, ASK_DEADLINE).env("LC_ALL", "C").arg("--no-pager").args(arguments).output()
}

/// How `unit` is; a unit that does not exist is `inactive` and has no file state.
///
/// # Errors
/// When systemd does not answer.
pub fn status(unit: &str) -> Result<UnitStatus> {
    let output = ask(["show", "--property=ActiveState", "--property=UnitFileState", unit])?;
    let value = |name: &str| {
        let found = output.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_default().to_owned()
    };
    Ok(UnitStatus { active: value("ActiveState"), enabled: value("UnitFileState") })
}

/// The names of loaded units that match a pattern.
///
/// # Errors
/// When systemd does not answer.
pub fn list(pattern: &str) -> Result<Vec<String>> {
    let output = ask(["list-units", "--all", "--plain", "--no-legend", "--full", pattern])?;
    Ok(output.stdout.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

/// What the unit said last, for an error message.
pub fn last_words(unit: &str) -> String {
    const JOURNALCTL: &str = "/usr/bin/journalctl";
    let lines = Command::new(JOURNALCTL, ASK_DEADLINE)
        .args(["--no-pager", "--quiet", "--output=cat", "--lines=10", "--unit", unit])
        .run();
    lines.unwrap_or_else(|error| format!("(its log can't be read: {error:#})"))
}

/// Where the hub's own socket listens now.
pub(crate) fn listening_addresses(paths: &Paths) -> Vec<SocketAddr> {
    if !paths.units().join("hubd.socket").exists() {
        return Vec::new();
    }
    match ask(["show", "--property=Listen", "--value", "hubd.socket"]) {
        Ok(output) => parse_listen(&output.stdout),
        Err(error) => {
            tracing::debug!(error = format!("{error:#}"), "asking where hubd.socket listens");
            Vec::new()
        }
    }
}

/// `[::]:80 (Stream)`, one to a line.
fn parse_listen(text: &str) -> Vec<SocketAddr> {
    text.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

/// Makes systemd read the unit files again.
///
/// # Errors
/// When it can't.
pub fn reload() -> Result<()> {
    job(["daemon-reload"]).context("making systemd read the units again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_where_a_socket_unit_listens() {
        let text = "[::]:80 (Stream)\n127.0.0.1:8000 (Stream)\n/run/hubd/control.sock (Stream)\n";
        assert_eq!(parse_listen(text), ["[::]:80".parse().unwrap(), "127.0.0.1:8000".parse().unwrap()]);
    }
}
