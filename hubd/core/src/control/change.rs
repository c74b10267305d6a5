//! A change of the configuration that somebody who is not root asks for: a key and the words of its value, which root's side
//! types by its own table of keys. Never a line of the file.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::accounts::Username;
use crate::config::edit::KeyPath;

/// Who asks for a change without being root. By the hub's word only, so root's own file says whether they may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requester {
    /// Somebody inside the hub.
    Person(Username),
    /// An account of this machine.
    Operator(String),
}

/// As the history of the configuration names them.
impl fmt::Display for Requester {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(name) => write!(formatter, "{name}, in the hub"),
            Self::Operator(account) => write!(formatter, "{account}, an operator"),
        }
    }
}

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
    /// Take entries out of a list.
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

impl KeyChange {
    /// The key as it is written.
    pub fn path(&self) -> KeyPath {
        KeyPath::new(&self.key)
    }
}
