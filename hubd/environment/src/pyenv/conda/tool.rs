//! Which py-rattler speaks to channels, and how it gets here: on first need, by uv, from the index that everything else
//! comes from, as a directory of root's own that no build can write to.

use std::path::{Path, PathBuf};

use anyhow::Result;
use hub_core::paths::Paths;

use crate::pyenv::unit::{Places, Step, sources};

/// The pinned version.
const VERSION: &str = "0.28.0";
/// The SHA-256 of its wheels for Linux, on x86-64 and on arm64. Any Python from 3.10 on can load them.
const WHEELS: [&str; 2] = [
    "4f4ab1d34d5394e7ce130a86e59009c95ace4f5757d9c3af04de1351bcea47eb",
    "61b24202374188e72130f1b3dc63b455befaafc3e49e5481a38b6a6c8828c1e0",
];

/// Where the tool is, or will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pyenv) struct Tool {
    /// Its own directory.
    pub(in crate::pyenv) directory: PathBuf,
    store: PathBuf,
}

impl Tool {
    pub(in crate::pyenv) fn new(paths: &Paths) -> Self {
        let store = paths.tools();
        Self { directory: store.join(format!("py-rattler-{VERSION}")), store }
    }

    /// Where it is made: what the build reads, what it writes, and what root copies of that.
    pub(in crate::pyenv) fn workplaces(&self) -> [PathBuf; 3] {
        ["input", "new", "sealed"].map(|suffix| self.store.join(format!("0.{suffix}")))
    }

    /// What uv is asked for: this version, and no other content than one of these wheels.
    pub(in crate::pyenv) fn requirement() -> String {
        let hashes = WHEELS.map(|sha256| format!(" \\\n    --hash=sha256:{sha256}"));
        format!("py-rattler=={VERSION}{}\n", hashes.concat())
    }

    /// Puts it where the build sees the environment.
    pub(in crate::pyenv) fn step(places: &Places<'_>, python: &Path) -> Step {
        let told = |option: &str, path: &Path| format!("--{option}={}", path.display());
        let mut arguments = vec![
            places.uv.display().to_string(),
            "pip".to_owned(),
            "install".to_owned(),
            "--no-deps".to_owned(),
            "--only-binary=:all:".to_owned(),
            "--require-hashes".to_owned(),
            told("python", python),
            told("target", places.environment),
            told("find-links", &places.input.join("wheels")),
            told("requirements", &places.input.join("requirements.txt")),
        ];
        arguments.extend(sources(places));
        Step { title: format!("fetching what reads conda channels (py-rattler {VERSION})"), network: true, arguments }
    }

    /// Versions that an earlier release of the hub pinned.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub(in crate::pyenv) fn outdated(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs_err::read_dir(&self.store)? {
            found.extend(Some(entry?.path()).filter(|path| *path != self.directory));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_one_version_and_known_content() {
        let requirement = Tool::requirement();
        let mut words = requirement.split_whitespace().filter(|word| *word != "\\");
        assert_eq!(words.next(), Some("py-rattler==0.28.0"));
        let hashes: Vec<&str> = words.map(|word| word.strip_prefix("--hash=sha256:").unwrap()).collect();
        assert_eq!(hashes, WHEELS);
        crate::pyenv::lock::parse(&requirement).unwrap();
        let places = Places {
            input: Path::new("/in"),
            environment: Path::new("/opt/hubd/env"),
            uv: Path::new("/uv"),
            service: None,
            bundle: Some(Path::new("/b/wheels")),
            is_bundle_only: true,
            is_local: true,
            denied: hub_core::config::Denied::default(),
            beside: None,
        };
        let step = Tool::step(&places, Path::new("/usr/bin/python3"));
        for argument in [
            "--require-hashes",
            "--only-binary=:all:",
            "--requirements=/in/requirements.txt",
            "--find-links=/b/wheels",
            "--no-index",
        ] {
            assert!(step.arguments.iter().any(|one| one == argument), "{:?}", step.arguments);
        }
    }

    #[test]
    fn what_an_earlier_release_pinned_goes() {
        let root = tempfile::tempdir().unwrap();
        let tool = Tool::new(&Paths::under(root.path()));
        let old = root.path().join("opt/hubd/tools/py-rattler-0.1.0");
        for directory in [&tool.directory, &old] {
            std::fs::create_dir_all(directory).unwrap();
        }
        assert_eq!(tool.outdated().unwrap(), [old]);
    }
}
