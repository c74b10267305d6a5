//! The interpreter that an environment is built on.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use hub_system::command::Command;

const PROBE_TIMEOUT: Duration = Duration::from_secs(20);
const PROBE: &str = "import os, sys; print('%d.%d.%d' % sys.version_info[:3], os.path.realpath(sys.executable))";
/// The minor versions of Python 3 that the lock file was made for and tested with.
const SUPPORTED: std::ops::RangeInclusive<u32> = 11..=13;

/// An interpreter and its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Python {
    /// The program itself, no link.
    pub interpreter: PathBuf,
    /// For example `3.11.2`.
    pub version: String,
}

impl Python {
    /// Asks the interpreter at `path`.
    ///
    /// # Errors
    /// When it can't be run, or is a version that the environment was not made for.
    pub fn probe(path: &Path) -> Result<Self> {
        let probe = || Self::parse(&Command::new(path, PROBE_TIMEOUT).args(["-I", "-S", "-c", PROBE]).run()?);
        probe().with_context(|| format!("asking `{}` for its version", path.display()))
    }

    /// The directory below `lib` that packages of this version are in, for example `python3.11`.
    pub fn directory(&self) -> String {
        let minor = self.version.rsplit_once('.').map_or(self.version.as_str(), |(minor, _)| minor);
        format!("python{minor}")
    }

    /// The middle of the names of bytecode for this version, for example `cpython-311`.
    pub(super) fn bytecode_tag(&self) -> String {
        format!("cpython-{}", self.directory().trim_start_matches("python").replace('.', ""))
    }

    fn parse(answer: &str) -> Result<Self> {
        let (version, interpreter) =
            answer.trim_end().split_once(' ').with_context(|| format!("expected a version and a path, got {answer:?}"))?;
        let minor = match version.split('.').collect::<Vec<_>>()[..] {
            ["3", minor, _] => minor.parse().ok(),
            _ => None,
        };
        if !minor.is_some_and(|minor: u32| SUPPORTED.contains(&minor)) {
            bail!("Python is {version}, expected 3.{} to 3.{}", SUPPORTED.start(), SUPPORTED.end());
        }
        Ok(Self { interpreter: interpreter.into(), version: version.to_owned() })
    }
}

impl fmt::Display for Python {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Python {}", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_answer_of_the_probe() {
        let python = Python::parse("3.11.2 /usr/bin/python3.11\n").unwrap();
        assert_eq!(python, Python { interpreter: "/usr/bin/python3.11".into(), version: "3.11.2".to_owned() });
        assert_eq!((python.directory().as_str(), python.bytecode_tag().as_str()), ("python3.11", "cpython-311"));
    }

    #[test]
    fn refuses_versions_without_a_tested_lock() {
        for version in ["3.10.12", "3.14.0", "2.7.18", "4.11.0", "3.x.1"] {
            let error = Python::parse(&format!("{version} /usr/bin/python3")).unwrap_err().to_string();
            assert_eq!(error, format!("Python is {version}, expected 3.11 to 3.13"));
        }
    }

    #[test]
    fn names_the_interpreter_that_is_not_there() {
        let error = Python::probe(Path::new("/nonexistent/python3")).unwrap_err();
        assert_eq!(error.to_string(), "asking `/nonexistent/python3` for its version");
    }
}
