//! A change of the configuration that somebody who is not root asks for: a key and the words of its value, which root's side
//! types by its own table of keys. Never a line of the file.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::edit::KeyPath;
use crate::config::effects::Change;
pub use crate::requester::Requester;

/// What is to be done with one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyChange {
    /// The verb of `hubctl config`.
    pub verb: ChangeVerb,
    /// The names of its sections, and its own.
    pub key: Vec<String>,
    /// The value, or the entries of a list.
    pub values: Vec<String>,
    /// How it is done and told.
    pub manner: Manner,
}

/// What `hubctl config` calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeVerb {
    /// Give it a value.
    Set,
    /// Let the default count.
    Unset,
    /// Add entries to a list.
    Add,
    /// Remove entries from a list.
    Remove,
}

impl fmt::Display for ChangeVerb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Set => "set",
            Self::Unset => "unset",
            Self::Add => "add",
            Self::Remove => "remove",
        })
    }
}

/// The options of the command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manner {
    /// `--dry-run`
    pub dry_run: bool,
    /// `--allow-lockout`
    pub allow_lockout: bool,
    /// `--json`
    pub json: bool,
}

/// How the command ended, on root's side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The exit code.
    pub code: u8,
    /// What it printed.
    pub output: String,
    /// What it said beside that.
    pub messages: String,
}

/// What a verb that changes the configuration prints with `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// What came of it.
    pub outcome: Outcome,
    /// Which version it is in the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Why it is not in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was done to put it in force, one sentence each.
    pub done: Vec<String>,
    /// What to know about it, one sentence each.
    pub warnings: Vec<String>,
    /// The settings that have another value.
    pub changes: Vec<Change>,
    /// Whom it shuts out, one sentence each.
    pub lockouts: Vec<String>,
}

/// What came of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is in force.
    Applied,
    /// It is in the file, and not in force.
    SavedNotApplied,
    /// The hub did not work with it, so what was there before is in force again.
    RolledBack,
    /// The file says so already.
    Unchanged,
    /// It was only tried out.
    DryRun,
}

impl KeyChange {
    /// The key as it is written.
    pub fn path(&self) -> KeyPath {
        KeyPath::new(&self.key)
    }
}
