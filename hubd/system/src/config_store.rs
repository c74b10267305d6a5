//! The configuration as a file that one at a time changes: `hubctl config`, jobs about the environment, the installer, an upgrade.
//! Only whoever has the turn can write it, and whoever finds the turn taken learns who has it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hub_core::accounts::lookup;
use hub_core::config;
use hub_core::paths::Paths;
use hub_core::sys::atomic::{self, Access};
use serde::{Deserialize, Serialize};

use crate::lock::{self, LockGuard};

/// Whose group may read the configuration beside root.
const HUB_GROUP: &str = "hubd";
const MODE: u32 = 0o640;
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// The configuration of one machine.
#[derive(Debug, Clone)]
pub struct ConfigStore {
    paths: Paths,
}

/// The right to change the configuration, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    paths: Paths,
    /// `None`: whoever upgrades the hub holds it, and this program is a part of that.
    _guard: Option<LockGuard>,
}

/// Who has the turn, as they say it themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Their account on the machine.
    pub account: String,
    /// The number of the process.
    pub process: u32,
    /// Since when, RFC 3339.
    pub since: String,
}

/// Somebody else changes the configuration. `None`: they do not say who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy(pub Option<Holder>);

impl ConfigStore {
    /// That of the machine at `paths`.
    pub fn new(paths: &Paths) -> Self {
        Self { paths: paths.clone() }
    }

    /// Takes the turn, if nobody has it, and leaves a note about `holder` for others.
    ///
    /// # Errors
    /// When the lock can't be opened or made.
    pub fn try_turn(&self, holder: Option<&Holder>) -> Result<Result<Turn, Busy>> {
        let path = self.paths.config_lock();
        let Some(mut guard) = lock::try_lock(&path)? else {
            // Whoever has it may not have signed yet.
            return Ok(Err(Busy(serde_json::from_str(&lock::note(&path)?).ok())));
        };
        // Without a holder as well: what stands there is about whoever had it before.
        let note = holder.map_or(Ok(String::new()), serde_json::to_string);
        guard.leave_note(&note.context("writing a note into the configuration's lock")?)?;
        Ok(Ok(Turn { paths: self.paths.clone(), _guard: Some(guard) }))
    }

    /// Takes the turn, and waits for whoever has it: at most `patience`, for somebody may have it open in an editor.
    ///
    /// # Errors
    /// As [`ConfigStore::try_turn`], and when they still have it then.
    pub fn wait_for_turn(&self, patience: Duration) -> Result<Turn> {
        let end = Instant::now() + patience;
        loop {
            match self.try_turn(None)? {
                Ok(turn) => return Ok(turn),
                Err(_) if Instant::now() < end => std::thread::sleep(LOOK_INTERVAL),
                Err(busy) => bail!("{busy}\nhint: try again when that is done"),
            }
        }
    }

    /// As [`ConfigStore::wait_for_turn`], for the installer: in an upgrade, whoever started it has the turn.
    ///
    /// # Errors
    /// As [`ConfigStore::wait_for_turn`].
    pub fn turn_of_installer(&self, patience: Duration) -> Result<Turn> {
        match self.try_turn(None)? {
            Ok(turn) => Ok(turn),
            Err(_) if self.paths.upgrade_pending().exists() => Ok(Turn { paths: self.paths.clone(), _guard: None }),
            Err(busy) => {
                tracing::info!("waiting for whoever has the configuration: {busy}");
                self.wait_for_turn(patience)
            }
        }
    }
}

impl Turn {
    /// Makes `text` the configuration: a reader, or a power cut, sees the one before or this one. Puts nothing in force.
    ///
    /// # Errors
    /// When it is no valid configuration, or can't be written; the one before is untouched then.
    pub fn save(&self, text: &str) -> Result<()> {
        let path = self.paths.config_file();
        config::parse(text, &path.display().to_string())?;
        let mut access = Access::mode(MODE);
        match lookup::group_by_name(HUB_GROUP)? {
            Some(gid) => access = access.owned_by(0, gid),
            None => tracing::debug!("there is no group `{HUB_GROUP}`, so the configuration stays its writer's"),
        }
        atomic::replace(&path, text.as_bytes(), access).context("saving the configuration")
    }
}

impl std::fmt::Display for Busy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(Holder { account, process, .. }) => {
                write!(formatter, "`{account}` (process {process}) is changing the configuration")
            }
            None => formatter.write_str("somebody is changing the configuration"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, ConfigStore) {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        for directory in [paths.config_directory(), paths.upgrade_state(), paths.config_lock().parent().unwrap().to_owned()] {
            std::fs::create_dir_all(directory).unwrap();
        }
        (root, ConfigStore::new(&paths))
    }

    #[test]
    fn one_at_a_time_has_the_turn_and_the_others_learn_who() {
        let (_root, store) = store();
        let holder = Holder { account: "debian".to_owned(), process: 4711, since: "2026-09-07T09:58:30Z".to_owned() };
        let turn = store.try_turn(Some(&holder)).unwrap().unwrap();
        assert_eq!(store.try_turn(None).unwrap().unwrap_err(), Busy(Some(holder)));
        let error = store.wait_for_turn(Duration::ZERO).unwrap_err().to_string();
        assert_eq!(error, "`debian` (process 4711) is changing the configuration\nhint: try again when that is done");
        drop(turn);
        let _turn = store.wait_for_turn(Duration::ZERO).unwrap();
        assert_eq!(store.try_turn(None).unwrap().unwrap_err(), Busy(None), "that is who had it before");
    }

    #[test]
    fn the_installer_of_an_upgrade_has_the_turn_of_whoever_upgrades() {
        let (_root, store) = store();
        let _turn = store.try_turn(None).unwrap().unwrap();
        assert!(store.turn_of_installer(Duration::ZERO).is_err(), "somebody else has it");
        std::fs::write(store.paths.upgrade_pending(), "").unwrap();
        store.turn_of_installer(Duration::ZERO).unwrap().save("[roles]\nadmins = [\"ada\"]\n").unwrap();
    }

    #[test]
    fn what_is_no_configuration_takes_the_place_of_none() {
        let (_root, store) = store();
        let turn = store.try_turn(None).unwrap().unwrap();
        turn.save("[roles]\nadmins = [\"ada\"]\n").unwrap();
        assert!(turn.save("[roles]\nadmins = 3\n").is_err());
        assert_eq!(std::fs::read_to_string(store.paths.config_file()).unwrap(), "[roles]\nadmins = [\"ada\"]\n");
    }
}
