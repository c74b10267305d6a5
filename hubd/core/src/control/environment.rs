//! What is asked about the shared Python environment and what is answered. Also what `hubctl env --json` prints, and, for
//! [`Record`], what is kept on disk: stable.

pub mod apt;
mod change;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use self::apt::{AptPackage, AptPlan, AptRequest};
pub use self::change::Change;
use super::Refusal;
use crate::accounts::Username;
use crate::packages::{Conda, Download, KernelName, Requirement};
use crate::packages::{Installed, VersionChange};

/// How a line of an exported lock begins that says what was asked for.
pub const ASKED: &str = "# asked for: ";

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case", deny_unknown_fields)]
pub enum Asker {
    /// Root of this machine.
    Host {
        /// The account behind sudo, where there is one.
        account: Option<String>,
    },
    /// An administrator, from inside the hub.
    Admin {
        /// Who.
        name: Username,
    },
    /// An operator of this machine, who is not root.
    Operator {
        /// The unix account.
        account: String,
    },
    /// The hub itself, by a timer.
    Timer,
}

impl fmt::Display for Asker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { account: Some(account) } | Self::Operator { account } => write!(formatter, "{account} on the host"),
            Self::Host { account: None } => formatter.write_str("root on the host"),
            Self::Admin { name } => formatter.write_str(name.as_str()),
            Self::Timer => formatter.write_str("the hub itself"),
        }
    }
}

/// What is asked. It names packages and numbers, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum EnvironmentRequest {
    /// Which generation is current, who runs on which, is one being built?
    Status,
    /// Every generation that is kept.
    List,
    /// The packages of a generation; `None`: of the current one.
    Show {
        /// Which.
        number: Option<u32>,
    },
    /// The lock of a generation; `None`: of the current one.
    Export {
        /// Which.
        number: Option<u32>,
        /// Of conda's packages: addresses with hashes, and not an `environment.yml`.
        #[serde(default)]
        explicit: bool,
    },
    /// What differs between two generations.
    Diff {
        /// The one before; `None`: the one kept before `to`.
        from: Option<u32>,
        /// The one after; `None`: the current one.
        to: Option<u32>,
    },
    /// Everything that was asked for, the latest last.
    History,
    /// Build a generation; the answer comes when that has begun.
    Build {
        /// What is to be different.
        change: Change,
    },
    /// How something goes that was begun.
    Progress {
        /// The number of its record.
        number: u32,
        /// How many bytes of its log are known already.
        after: u64,
    },
    /// Give new servers an earlier generation.
    Rollback {
        /// Which; `None`: the one before the current.
        to: Option<u32>,
    },
    /// Delete generations that nobody needs.
    Collect,
    /// Is everything as it should be?
    Check,
    /// The kernels that are environments of their own.
    Kernels,
    /// The same as for everybody's environment, of a kernel.
    Kernel {
        /// Which.
        name: KernelName,
        /// What is asked of it.
        about: Box<EnvironmentRequest>,
    },
    /// Remove a kernel from everybody's menus and from the disk; only asked of a kernel.
    RemoveKernel,
    /// Packages of the distribution.
    Apt {
        /// What is asked of them.
        about: AptRequest,
    },
}

impl EnvironmentRequest {
    /// What it is called in logs; `None`: it only looks something up.
    pub fn act(&self) -> Option<String> {
        match self {
            Self::Build { change } => Some(change.to_string()),
            Self::Rollback { to: Some(to) } => Some(format!("rollback {to}")),
            Self::Rollback { to: None } => Some("rollback".to_owned()),
            Self::Collect => Some("gc".to_owned()),
            Self::RemoveKernel => Some("remove-kernel".to_owned()),
            Self::Apt { about: AptRequest::Plan { change } } => Some(format!("plan {change}")),
            Self::Apt { about: AptRequest::Perform { plan } } => Some(format!("apt, as planned in {plan}")),
            Self::Kernel { name, about } => about.act().map(|act| format!("--kernel {name} {act}")),
            _ => None,
        }
    }

    /// The kernel that it is about, if any, and what is asked of that, or of everybody's environment.
    pub fn target(&self) -> (Option<&KernelName>, &Self) {
        match self {
            Self::Kernel { name, about } => (Some(name), about),
            other => (None, other),
        }
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum EnvironmentReply {
    /// Answers [`EnvironmentRequest::Status`].
    Status(EnvironmentStatus),
    /// Answers [`EnvironmentRequest::List`].
    Generations {
        /// By number.
        generations: Vec<GenerationInfo>,
    },
    /// Answers [`EnvironmentRequest::Show`].
    Packages {
        /// The generation.
        number: u32,
        /// What administrators asked for.
        asked: Vec<Requirement>,
        /// And of conda's packages.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conda: Option<Conda>,
        /// Everything in it, by name.
        packages: Vec<Installed>,
    },
    /// Answers [`EnvironmentRequest::Export`].
    Lock {
        /// The generation.
        number: u32,
        /// Its lock: every package with its version and hashes.
        text: String,
    },
    /// Answers [`EnvironmentRequest::Diff`].
    Diff {
        /// The one before.
        from: u32,
        /// The one after.
        to: u32,
        /// By name.
        changes: Vec<VersionChange>,
    },
    /// Answers [`EnvironmentRequest::History`].
    History {
        /// The latest last.
        records: Vec<Record>,
    },
    /// Answers [`EnvironmentRequest::Kernels`].
    Kernels {
        /// By name.
        kernels: Vec<KernelInfo>,
    },
    /// Answers [`AptRequest::List`].
    AptPackages {
        /// In the order of the configuration.
        packages: Vec<AptPackage>,
        /// Every package that came because of these, by name.
        brought: Vec<String>,
    },
    /// Answers whatever is not done at once.
    Started {
        /// The number of its record; a build's generation has the same.
        number: u32,
    },
    /// Answers [`EnvironmentRequest::Progress`].
    Progress {
        /// What is known of it so far.
        record: Record,
        /// What its log says after the bytes that were known.
        log: String,
        /// How many bytes of it are known now.
        known: u64,
    },
    /// Answers [`EnvironmentRequest::Check`].
    Checked {
        /// What is not as it should be, for people.
        problems: Vec<String>,
    },
    /// It could not be done.
    Refused(Refusal),
}

/// How the shared environment is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentStatus {
    /// The generation that new servers get.
    pub current: Option<u32>,
    /// The interpreter it stands on, and its version.
    pub python: Option<String>,
    /// What the configuration asks for.
    pub asked: Vec<Requirement>,
    /// And of conda's packages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conda: Option<Conda>,
    /// Whether the current generation holds what the configuration asks for.
    pub is_as_asked: bool,
    /// Whether the current generation has what this version of the hub brings; for everybody's environment.
    #[serde(default = "yes")]
    pub is_of_this_version: bool,
    /// The build that is running or waiting.
    pub building: Option<Record>,
    /// Who runs on which generation; `None`: systemd did not say.
    pub servers: Option<Vec<ServersOf>>,
}

fn yes() -> bool {
    true
}

/// The servers of one generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServersOf {
    /// The generation.
    pub number: u32,
    /// Whose servers.
    pub names: Vec<Username>,
}

/// One generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationInfo {
    /// Its number.
    pub number: u32,
    /// Whether new servers get it.
    pub is_current: bool,
    /// How many packages are in it.
    pub packages: usize,
    /// What administrators asked for.
    pub asked: Vec<Requirement>,
    /// And of conda's packages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conda: Option<Conda>,
    /// When it was asked for, RFC 3339, UTC; `None`: it came with the hub.
    pub when: Option<String>,
    /// By whom.
    pub who: Option<String>,
}

/// A kernel that is an environment of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelInfo {
    /// Its name.
    pub name: KernelName,
    /// The generation that new kernels are; `None`: the configuration asks for it, and it was not built yet.
    pub current: Option<u32>,
    /// What the configuration asks for; `None`: it does not name this kernel.
    pub asked: Option<Vec<Requirement>>,
    /// And of conda's packages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conda: Option<Conda>,
    /// Whether the current generation holds what the configuration asks for.
    pub is_as_asked: bool,
    /// Whether its Python was replaced, so that it is to be built anew.
    #[serde(default)]
    pub is_outdated: bool,
}

/// How far something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildState {
    /// Asked for, not begun.
    Waiting,
    /// Under way.
    Building,
    /// New servers got it.
    Done,
    /// There was nothing to change.
    Unchanged,
    /// It is known what it takes; nothing was changed.
    Planned,
    /// It did not work; nobody was affected.
    Failed,
}

/// One thing that was asked for, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this record.
    pub format: u32,
    /// Its number, and that of the generation that it makes.
    pub number: u32,
    /// The kernel that it is about; `None`: everybody's environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelName>,
    /// What it takes, where it is about packages of the distribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apt: Option<Box<AptPlan>>,
    /// What, as it would be typed behind `hubctl env`.
    pub what: String,
    /// Who asked.
    pub who: String,
    /// When, RFC 3339, UTC.
    pub when: String,
    /// How far it is.
    pub state: BuildState,
    /// What is being done just now, for people.
    pub phase: String,
    /// What is asked for on top of what the hub needs.
    pub asked: Vec<Requirement>,
    /// And of conda's packages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conda: Option<Conda>,
    /// The generation that new servers got before.
    pub from: Option<u32>,
    /// The generation that they get since.
    pub to: Option<u32>,
    /// What differs between the two.
    pub changes: Vec<VersionChange>,
    /// Generations that were deleted.
    #[serde(default)]
    pub deleted: Vec<u32>,
    /// Why it did not work.
    pub reason: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// How far the download is that is under way, or how far it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download: Option<Download>,
    /// How long it took.
    pub seconds: Option<f64>,
    /// Bytes in its files.
    pub bytes: Option<u64>,
    /// Bytes that it does not share with the generation before.
    pub own_bytes: Option<u64>,
    /// Everything that was said meanwhile.
    pub log: PathBuf,
}

impl Record {
    /// Whether nothing comes after this.
    pub fn is_over(&self) -> bool {
        !matches!(self.state, BuildState::Waiting | BuildState::Building)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_packages_can_be_asked_for() {
        let ask = |package: &str| {
            let text = format!(r#"{{"ask":"build","change":{{"change":"install","packages":[{package:?}]}}}}"#);
            serde_json::from_str::<EnvironmentRequest>(&text)
        };
        assert!(ask("pandas>=2").is_ok());
        for evil in ["--index-url=https://evil.example", "/etc/shadow", "a\nb", "a @ file:///x"] {
            assert!(ask(evil).is_err(), "{evil}");
        }
        for (name, good) in [("pytorch", true), ("../../etc", false), ("python3", false)] {
            let text = format!(r#"{{"ask":"kernel","name":{name:?},"about":{{"ask":"status"}}}}"#);
            assert_eq!(serde_json::from_str::<EnvironmentRequest>(&text).is_ok(), good, "{name}");
        }
        let text = r#"{"ask":"build","change":{"change":"configured"},"path":"/tmp"}"#;
        assert!(serde_json::from_str::<EnvironmentRequest>(text).is_err());
    }
}
