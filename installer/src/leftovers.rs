//! What an uninstall leaves for the next install: homes, people and who owned what, in one documented place.
//!
//! `/var/lib/hubd-uninstalled/` holds `manifest.json`, the people database and the launcher's table of accounts. The homes
//! stay where they were, as root:root 0700, so that no account made later inherits them by its number.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hub_core::accounts::Username;
use hub_core::paths::Paths;
use hub_core::sys::atomic::{self, Access};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;

/// The content of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftovers {
    version: u32,
    /// One for each person who had an account.
    pub homes: Vec<Home>,
    /// The hub's other files and directories that stay where they were.
    pub kept: Vec<PathBuf>,
}

/// The home of one person, without an account behind it. The next install finds the owner in the launcher's table beside
/// this manifest; this is for people, and for a purge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// Whose, as they log in.
    pub name: Username,
    /// The unix account that owned it.
    pub account: String,
    /// The number of that account; files below the top still carry it.
    pub uid: u32,
    /// Where it is.
    pub path: PathBuf,
}

impl Default for Leftovers {
    fn default() -> Self {
        Self { version: VERSION, homes: Vec::new(), kept: Vec::new() }
    }
}

impl Leftovers {
    /// Adds a home, or replaces what was known of it.
    pub fn put(&mut self, home: Home) {
        self.homes.retain(|known| known.name != home.name);
        self.homes.push(home);
    }

    /// Adds something that stays.
    pub fn keep(&mut self, path: &Path) {
        if !self.kept.iter().any(|known| known == path) {
            self.kept.push(path.to_owned());
        }
    }

    /// What stays, without what lies in a directory that stays.
    pub fn kept_tops(&self) -> Vec<PathBuf> {
        let within = |path: &PathBuf| self.kept.iter().any(|other| other != path && path.starts_with(other));
        self.kept.iter().filter(|path| !within(path)).cloned().collect()
    }

    /// Writes the manifest.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn save(&self, paths: &Paths) -> Result<()> {
        crate::files::ensure_private_directory(&paths.uninstalled())?;
        let mut text = serde_json::to_vec_pretty(self).context("writing the manifest of homes")?;
        text.push(b'\n');
        atomic::replace(&paths.uninstalled_manifest(), &text, Access::mode(0o600))
    }
}

/// What an earlier uninstall left; `None`: nothing.
///
/// # Errors
/// When the manifest can't be read or understood.
pub fn load(paths: &Paths) -> Result<Option<Leftovers>> {
    let path = paths.uninstalled_manifest();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("reading `{}`", path.display())),
    };
    let found: Leftovers = serde_json::from_str(&text).with_context(|| format!("reading `{}`", path.display()))?;
    if found.version != VERSION {
        bail!("`{}` has format {}, expected {VERSION}", path.display(), found.version);
    }
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_released_format_is_still_read() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        assert_eq!(load(&paths).unwrap(), None);
        std::fs::create_dir_all(paths.uninstalled()).unwrap();
        std::fs::write(paths.uninstalled_manifest(), include_str!("../fixtures/manifest-1.json")).unwrap();
        let mut found = load(&paths).unwrap().unwrap();
        assert_eq!(found.homes[0].account, "jupyter-ada");
        assert_eq!(found.homes[0].uid, 20_000);
        assert_eq!(found.kept, [Paths::default().config_directory()]);
        found.save(&paths).unwrap();
        assert_eq!(load(&paths).unwrap().as_ref(), Some(&found));
        let moved = Home { path: "/srv/homes/jupyter-ada".into(), ..found.homes[0].clone() };
        found.put(moved.clone());
        assert_eq!(found.homes, [moved]);
        let (directory, file) = (paths.config_directory(), paths.config_file());
        let mut found = Leftovers::default();
        found.keep(&file);
        found.keep(&directory);
        found.keep(&directory);
        assert_eq!((found.kept.len(), found.kept_tops()), (2, vec![directory]));
    }
}
