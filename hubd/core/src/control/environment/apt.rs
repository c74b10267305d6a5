//! What is asked about packages of the distribution, and what is answered. As in the module above: stable.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::packages::PackageName;

/// What is asked. It names packages and numbers, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum AptRequest {
    /// What is asked for, and what of it is there?
    List,
    /// Find out what a change would take; nothing is changed.
    Plan {
        /// What is to be different.
        change: AptChange,
    },
    /// Do what was planned, and nothing else.
    Perform {
        /// The number of the plan's record.
        plan: u32,
    },
}

/// What is to be different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub enum AptChange {
    /// These are there, too.
    Install {
        /// Which.
        packages: Vec<PackageName>,
    },
    /// These are no longer asked for.
    Remove {
        /// Which.
        packages: Vec<PackageName>,
    },
    /// What the configuration says.
    Configured,
}

impl AptChange {
    /// What is asked for afterwards, when it was `before`.
    pub fn apply(&self, before: &[PackageName]) -> Vec<PackageName> {
        let mut after = before.to_vec();
        match self {
            Self::Install { packages } => {
                for package in packages {
                    if !after.contains(package) {
                        after.push(package.clone());
                    }
                }
            }
            Self::Remove { packages } => after.retain(|one| !packages.contains(one)),
            Self::Configured => {}
        }
        after
    }
}

impl fmt::Display for AptChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, packages) = match self {
            Self::Install { packages } => ("apt install", packages.as_slice()),
            Self::Remove { packages } => ("apt remove", packages.as_slice()),
            Self::Configured => ("apt apply", &[][..]),
        };
        formatter.write_str(verb)?;
        packages.iter().try_for_each(|package| write!(formatter, " {package}"))
    }
}

/// What a change of packages of the distribution takes; the packages themselves are among the record's changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AptPlan {
    /// What is to be different.
    pub change: AptChange,
    /// What is asked for afterwards.
    pub asked: Vec<PackageName>,
    /// Bytes to download.
    pub download_bytes: u64,
    /// Bytes that the disk has less of afterwards; negative: more.
    pub disk_bytes: i64,
}

/// A package of the distribution that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AptPackage {
    /// Its name.
    pub name: PackageName,
    /// Its version; `None`: it is not installed.
    pub version: Option<String>,
    /// Whether it came because the hub asked for it, and goes when it is no longer asked for.
    pub is_brought: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_leaves_what_it_is_not_about() {
        let list = |names: &[&str]| -> Vec<PackageName> { names.iter().map(|name| name.parse().unwrap()).collect() };
        let before = list(&["ffmpeg", "graphviz"]);
        for (change, after) in [
            (
                AptChange::Install { packages: list(&["r-base-core", "ffmpeg", "r-base-core"]) },
                &["ffmpeg", "graphviz", "r-base-core"][..],
            ),
            (AptChange::Remove { packages: list(&["ffmpeg", "missing"]) }, &["graphviz"]),
            (AptChange::Configured, &["ffmpeg", "graphviz"]),
        ] {
            assert_eq!(change.apply(&before), list(after), "{change}");
        }
    }

    #[test]
    fn nothing_but_names_can_be_asked_for() {
        let ask = |package: &str| {
            let text = format!(r#"{{"ask":"plan","change":{{"change":"install","packages":[{package:?}]}}}}"#);
            serde_json::from_str::<AptRequest>(&text)
        };
        assert!(ask("r-base-core").is_ok());
        for evil in ["--allow-downgrades", "-oAPT::Update::Pre-Invoke::=id", "./evil.deb", "sudo-", "a b", "a=1"] {
            assert!(ask(evil).is_err(), "{evil}");
        }
        assert!(serde_json::from_str::<AptRequest>(r#"{"ask":"perform","plan":3,"force":true}"#).is_err());
    }
}
