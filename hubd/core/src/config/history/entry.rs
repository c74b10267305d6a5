//! The record of one version: who, when, how, and what came of it. Files of every released version must be read for ever.

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::requester::Requester;

/// The form that is written.
const FORMAT: u32 = 1;

/// What is known of one version of the configuration; `hubctl config history --json` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts up from 1.
    pub number: u32,
    /// When it was saved, RFC 3339, UTC.
    pub saved: String,
    /// The account of the machine that did it, the one behind sudo where there is one.
    pub who: String,
    /// By which command.
    pub how: How,
    /// What came of it.
    pub state: State,
    /// Why it was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a configuration came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// `hubctl config edit`
    Edit,
    /// `hubctl config set`, `unset`, `add` or `remove`
    Set,
    /// `hubctl config rollback`
    Rollback,
    /// `hubctl config apply`: the file was written by hand.
    Apply,
    /// `hubctl env`: packages that everybody has.
    Env,
    /// `hub-installer`
    Installer,
}

/// What came of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody knows yet.
    Pending,
    /// It was put in force, and the hub was well with it.
    Healthy,
    /// The one before it was put back.
    RolledBack,
}

#[derive(Serialize, Deserialize)]
struct File {
    format: u32,
    #[serde(flatten)]
    entry: Entry,
}

impl Entry {
    /// Whether root did it, and not somebody inside the hub or an operator: see [`Requester`].
    pub fn is_of_root(&self) -> bool {
        !Requester::SUFFIXES.iter().any(|suffix| self.who.ends_with(suffix))
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let File { format, entry } = serde_json::from_str(text)?;
        if format != FORMAT {
            bail!("it has format {format}, expected {FORMAT}\nhint: a newer version of the hub wrote it");
        }
        Ok(entry)
    }

    pub(super) fn to_text(&self) -> Result<String> {
        let file = File { format: FORMAT, entry: self.clone() };
        Ok(serde_json::to_string_pretty(&file).context("writing the record of a configuration")? + "\n")
    }
}
