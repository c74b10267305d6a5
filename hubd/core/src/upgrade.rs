//! Upgrades, as those who ask for one and the one who does it share them: what a version is, which way leads from one to
//! another, what was asked for and what came of it.
//!
//! Whoever asks leaves a job ([`JobStore`]); `hub-installer` does it in a service of its own, so that no terminal and no
//! connection is needed from then on; a [`Record`] says how it goes and how it went.

mod protocol;
mod version;

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

pub use protocol::{UpgradeReply, UpgradeRequest};
pub use version::{Version, Way, way};

use crate::paths::Paths;

/// The service that does what was asked for.
pub const SERVICE: &str = "hubd-upgrade.service";

/// The checksums of a release, and their signature: both lie beside its tarball.
pub const BESIDE: [&str; 2] = ["SHA256SUMS", "SHA256SUMS.minisig"];

/// The version that is installed, as the installer's receipt says.
///
/// # Errors
/// When there is no receipt, or it can't be read.
pub fn installed_version(paths: &Paths) -> Result<String> {
    Ok(receipt(paths).context("reading which version is installed")?.product)
}

/// Whether an install or an uninstall was cut short, as far as the caller may know: the receipt is root's.
pub fn is_half_installed(paths: &Paths) -> bool {
    receipt(paths).is_ok_and(|receipt| !receipt.complete)
}

/// What counts here of the installer's receipt.
#[derive(Deserialize)]
struct Receipt {
    product: String,
    complete: bool,
}

fn receipt(paths: &Paths) -> Result<Receipt> {
    Ok(serde_json::from_slice(&fs_err::read(paths.receipt())?)?)
}

/// Which release is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// The tarball of a release, with what is beside it, as [`JobStore::take_in`] has put it into a place of root's.
    File(PathBuf),
    /// The newest that one can get to in one step, of the configured channel.
    Newest,
    /// As that, but nothing as old as one that was taken back.
    Untried,
    /// `0.3.1`, or the newest of `0.3`.
    Version(String),
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "`{}`", path.display()),
            Self::Newest => formatter.write_str("the newest release"),
            Self::Untried => formatter.write_str("the newest release that was not rolled back"),
            Self::Version(version) => formatter.write_str(version),
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// Get a release, verify it, find out what it would change. Changes nothing.
    Prepare(Source),
    /// Upgrade to the release that was prepared.
    Perform(Version),
}

/// A task that was left, with the number of its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Counts up.
    pub number: u32,
    /// What is to be done.
    pub task: Task,
}

/// How far a task came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody has begun.
    Waiting,
    /// It is being done.
    Running,
    /// The release is genuine and can be installed; the plan says what that changes.
    Prepared,
    /// That version is installed already.
    Unchanged,
    /// The hub runs with the new version.
    Upgraded,
    /// Nothing was touched.
    Refused,
    /// The old version runs again, with its data.
    RolledBack,
    /// It went wrong, and so did the way back.
    Failed,
}

/// What is known of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The number of its job.
    pub number: u32,
    /// Who asked.
    pub who: String,
    /// When it was asked for.
    pub when: String,
    /// How far it came.
    pub state: State,
    /// The version that was installed.
    pub from: Option<Version>,
    /// The version that is to be installed.
    pub to: Option<Version>,
    /// What would change, one line each.
    pub plan: Vec<String>,
    /// Why it was refused or taken back.
    pub reason: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Record {
    /// An upgrade that is over, in one line.
    pub fn describe(&self) -> String {
        let version = |version: &Option<_>| version.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
        let (from, to) = (version(&self.from), version(&self.to));
        let asked = format!("asked for by {} at {}", self.who, self.when);
        let reason = self.reason.as_deref().unwrap_or("the reason is unknown");
        match self.state {
            State::RolledBack => format!("hubd {to} did not work and was rolled back ({asked}): {reason}"),
            State::Failed => format!("hubd {to} did not work, and could not be rolled back ({asked}): {reason}"),
            _ => format!("from hubd {from} to {to} ({asked})"),
        }
    }

    /// Whether nothing more will come.
    pub fn is_over(&self) -> bool {
        !matches!(self.state, State::Waiting | State::Running)
    }

    /// Whether the installed version changed, or was to.
    pub fn is_outcome(&self) -> bool {
        matches!(self.state, State::Upgraded | State::RolledBack | State::Failed)
    }
}
