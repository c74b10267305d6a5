//! Code in a kernel of somebody's server: what a student's notebook can do, without a browser.

use std::time::Duration;

use anyhow::{Context as _, Result};
use installer::machine::Output;
use serde::Deserialize;

use crate::guest::Guest;
use crate::hub::Hub;

const CLIENT: &str = include_str!("kernel/client.py");
const CELL_DEADLINE: Duration = Duration::from_secs(180);
/// Starting the kernel and ending it come on top.
const GRACE: Duration = Duration::from_secs(60);

/// What became of a cell.
#[derive(Debug, Clone, Deserialize)]
pub struct Ran {
    /// All it printed.
    pub printed: String,
    /// The exception it ended with.
    pub error: Option<String>,
    /// What the kernel was said to be, one after the other; the last is `idle`, or tells that it died.
    pub states: Vec<String>,
}

impl Ran {
    /// Whether the kernel ended before the code did.
    pub fn died(&self) -> bool {
        self.states.last().is_some_and(|state| state != "idle")
    }
}

/// Runs `code` in a new kernel of `name`'s server, which must be running.
///
/// # Errors
/// When the server refuses or the code does not end in time.
pub fn run(hub: &Hub, name: &str, code: &str) -> Result<Ran> {
    run_in(&***hub, name, code)
}

/// As [`run`], in any guest with a hub.
///
/// # Errors
/// As [`run`].
pub fn run_in(guest: &dyn Guest, name: &str, code: &str) -> Result<Ran> {
    run_as(guest, name, "python3", code)
}

/// As [`run_in`], in a new kernel of the kind `kernel`.
///
/// # Errors
/// As [`run`].
pub fn run_as(guest: &dyn Guest, name: &str, kernel: &str, code: &str) -> Result<Ran> {
    let seconds = CELL_DEADLINE.as_secs().to_string();
    let command = ["/usr/bin/python3", "-c", CLIENT, name, &seconds, kernel];
    let output = guest.output(&command, code.as_bytes(), CELL_DEADLINE + GRACE);
    let output = output.and_then(Output::checked).with_context(|| format!("running code in a kernel of `{name}`"))?;
    serde_json::from_str(&output.text()).with_context(|| output.text())
}
