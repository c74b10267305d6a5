//! Where upgrades are asked for and asked about: in `hubctl` on the host, and in the launcher for administrators inside
//! the hub. Whether somebody may ask was decided before.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Archive, Left, Record, Source, Task, Version};
use crate::control::RefusalKind;
use crate::control::environment::Asker;
use crate::paths::Paths;

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
    Refused {
        /// What kind of no.
        kind: RefusalKind,
        /// Why.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

/// Answers for `asker`.
pub fn answer(paths: &Paths, asker: &Asker, request: &UpgradeRequest) -> UpgradeReply {
    let archive = Archive::new(paths);
    let refused = |kind, message: String, hint: Option<&str>| {
        let hint = hint.map(str::to_owned);
        UpgradeReply::Refused { kind, message, hint }
    };
    let task = match request {
        UpgradeRequest::Progress { after } => {
            let read = || Ok((archive.record()?.map(Box::new), archive.outcome()?.map(Box::new), archive.read_log(*after)?));
            return match read() {
                Ok((record, outcome, (log, known))) => UpgradeReply::Progress { record, outcome, log, known },
                Err(error) => failed(&error),
            };
        }
        UpgradeRequest::Prepare { source: Source::File(_) } if !matches!(asker, Asker::Host { .. } | Asker::Timer) => {
            let hint =
                "with full sudo on the machine: sudo hubctl upgrade FILE; hubctl upgrade takes releases from upgrade.source";
            return refused(RefusalKind::NotAllowed, "a release in a file needs full root".to_owned(), Some(hint));
        }
        UpgradeRequest::Prepare { source } => Task::Prepare(source.clone()),
        UpgradeRequest::Perform { version } => Task::Perform(version.clone()),
    };
    let now = Timestamp::now();
    let when = Timestamp::from_second(now.as_second()).unwrap_or(now).to_string();
    match archive.submit(asker.to_string(), when, task) {
        Ok(Left::Begun(number)) => UpgradeReply::Begun { number },
        Ok(Left::Busy(record)) => {
            let message = format!("an upgrade is under way, asked for by {} at {}", record.who, record.when);
            refused(RefusalKind::Busy, message, Some("hubctl upgrade --status tells how it went"))
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> UpgradeReply {
    UpgradeReply::Refused { kind: RefusalKind::Failed, message: format!("{error:#}"), hint: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_inside_the_hub_names_a_file() {
        let root = tempfile::tempdir().unwrap();
        let asker = Asker::Admin { name: "ada".parse().unwrap() };
        let request = UpgradeRequest::Prepare { source: Source::File("/home/ada/hubd.tar.gz".into()) };
        let answer = answer(&Paths::under(root.path()), &asker, &request);
        assert!(matches!(answer, UpgradeReply::Refused { kind: RefusalKind::NotAllowed, .. }), "{answer:?}");
        assert!(root.path().read_dir().unwrap().next().is_none(), "something was left");
    }
}
