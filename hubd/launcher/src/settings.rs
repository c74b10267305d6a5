//! Root's configuration as the launcher uses it: looked at again at each request, and kept when a later one is invalid.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Result, anyhow};
use hub_core::config::{self, Config, Loaded};

/// The configuration file and what was last read from it.
pub(super) struct Settings {
    path: PathBuf,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    version: Option<Version>,
    /// The last valid one.
    config: Option<Arc<Config>>,
    /// Why there is none.
    problem: String,
}

/// Tells one state of a file from another, also when it was replaced within one tick of the clock.
#[derive(PartialEq, Eq)]
struct Version {
    inode: u64,
    length: u64,
    modified: Option<SystemTime>,
}

impl Settings {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, seen: Mutex::default() }
    }

    /// The configuration in force: the file's, or, while that is invalid or missing, the last that was valid. The same
    /// `Arc` as before when nothing changed.
    ///
    /// # Errors
    /// When there never was a valid one, with every problem and its place.
    pub(super) fn current(&self) -> Result<Arc<Config>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let version = std::fs::metadata(&self.path).ok().map(|found| Version {
            inode: found.ino(),
            length: found.len(),
            modified: found.modified().ok(),
        });
        if version.is_none() || seen.version != version {
            self.read(&mut seen);
            seen.version = version;
        }
        seen.config.clone().ok_or_else(|| anyhow!("{}", seen.problem))
    }

    /// The configuration as the file has it now.
    ///
    /// # Errors
    /// When it is not valid now, whatever is in force.
    pub(super) fn reread(&self) -> Result<Arc<Config>> {
        self.current()?;
        config::read(&self.path)?;
        self.current()
    }

    fn read(&self, seen: &mut Seen) {
        match config::read(&self.path) {
            Ok(Loaded { config, .. }) => {
                tracing::info!(path = %self.path.display(), "read the configuration");
                seen.config = Some(Arc::new(config));
            }
            Err(error) => {
                let problem = format!("{:#}", anyhow!(error));
                // Once for each problem: a missing file is looked for at every request.
                if seen.problem != problem {
                    let consequence =
                        if seen.config.is_some() { "the last valid one stays in force" } else { "no server can start" };
                    tracing::error!("{consequence}: {problem}");
                }
                seen.problem = problem;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: Option<&str>) -> (tempfile::TempDir, PathBuf, Settings) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        (directory, path.clone(), Settings::new(path))
    }

    #[test]
    fn a_change_is_seen_at_the_next_look() {
        let (_directory, path, settings) = settings(Some("[limits]\ntasks = 100\n"));
        let first = settings.current().unwrap();
        assert_eq!(first.limits.tasks, 100);
        assert!(Arc::ptr_eq(&first, &settings.current().unwrap()));
        std::fs::write(&path, "[limits]\ntasks = 1000\n").unwrap();
        assert_eq!(settings.current().unwrap().limits.tasks, 1000);
    }

    #[test]
    fn an_invalid_change_leaves_the_last_valid_one_in_force() {
        let (_directory, path, settings) = settings(Some("[limits]\ntasks = 100\n"));
        settings.current().unwrap();
        std::fs::write(&path, "[limits]\ntasks = \"many\"\n").unwrap();
        assert_eq!(settings.current().unwrap().limits.tasks, 100);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(settings.current().unwrap().limits.tasks, 100);
        std::fs::write(&path, "[limits]\ntasks = 200\n").unwrap();
        assert_eq!(settings.current().unwrap().limits.tasks, 200);
    }

    #[test]
    fn without_a_valid_one_every_problem_is_told_with_its_place() {
        let (_directory, path, settings) = settings(Some("[limits]\ntasks = 1\n"));
        let error = settings.current().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}:2:9: 1 is out of range", path.display())), "{error}");
        std::fs::write(&path, "[limits]\ntasks = 64\n").unwrap();
        assert_eq!(settings.current().unwrap().limits.tasks, 64);
    }

    #[test]
    fn a_missing_file_is_not_a_default() {
        let (_directory, path, settings) = settings(None);
        let error = settings.current().unwrap_err().to_string();
        assert!(error.starts_with(&format!("reading the configuration `{}`: ", path.display())), "{error}");
    }
}
