//! How upgrades are asked for and asked about, and what is answered.

use serde::{Deserialize, Serialize};

use super::{Record, Source, Version};
use crate::refusal::Refusal;

/// What is asked. From inside the hub it names versions and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum UpgradeRequest {
    /// Get a release, verify it, find out what it would change.
    Prepare {
        /// Which.
        source: Source,
    },
    /// Upgrade to the release that was prepared.
    Perform {
        /// Its version.
        version: Version,
    },
    /// How does the latest one go, or did it?
    Progress {
        /// How many bytes of the log are known.
        after: u64,
    },
}

impl UpgradeRequest {
    /// What it does, in the words of `hubctl`; `None`: nothing.
    pub fn act(&self) -> Option<String> {
        match self {
            Self::Prepare { source } => Some(format!("prepare {source}")),
            Self::Perform { version } => Some(format!("upgrade to {version}")),
            Self::Progress { .. } => None,
        }
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum UpgradeReply {
    /// It is being done.
    Begun {
        /// The number of its record.
        number: u32,
    },
    /// How it goes.
    Progress {
        /// The latest; `None`: there was none yet.
        record: Option<Box<Record>>,
        /// The latest that changed the installed version or was taken back; `None`: there was none yet.
        #[serde(default)]
        outcome: Option<Box<Record>>,
        /// More of the log, in whole lines.
        log: String,
        /// How many bytes of it are known now.
        known: u64,
    },
    /// No.
    Refused(Refusal),
}
