//! Whose backups are whose, in a repository that several hubs use: each has a random name that it keeps, for names of machines are given
//! twice. A hub that was brought back elsewhere has its own, so that two of them never let each other's backups go, and knows whose
//! it goes on with.

use std::io::ErrorKind;

use anyhow::{Context, Result};
use hub_core::paths::Paths;
use hub_core::sys::atomic::{self, Access};

use crate::Problem;
use crate::said::Snapshot;

const BYTES: usize = 8;

/// Which hub this one is to its backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    own: String,
    /// Those that it goes on with, after a restore.
    earlier: Vec<String>,
}

impl Identity {
    /// This hub's; made where there is none yet.
    ///
    /// # Errors
    /// When it can be neither read nor made.
    pub fn of(paths: &Paths) -> Result<Self> {
        match fs_err::read_to_string(paths.backup_hub()) {
            Ok(text) => {
                let mut names = text.lines().map(str::to_owned);
                let own = names.next().filter(|own| !own.is_empty());
                let own = own.with_context(|| format!("`{}` is empty", paths.backup_hub().display()))?;
                Ok(Self { own, earlier: names.collect() })
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let mut bytes = [0; BYTES];
                getrandom::fill(&mut bytes).context("asking the system for randomness")?;
                let own = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                let new = Self { own, earlier: Vec::new() };
                new.save(paths)?;
                Ok(new)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Its own name.
    pub fn own(&self) -> &str {
        &self.own
    }

    /// Whether it made `snapshot`, or goes on with the hub that did.
    pub fn knows(&self, snapshot: &Snapshot) -> bool {
        snapshot.hub().is_some_and(|hub| hub == self.own || self.earlier.iter().any(|earlier| earlier == hub))
    }

    /// From now on it goes on with the hub that made `snapshot`.
    ///
    /// # Errors
    /// When that can't be written.
    pub fn follow(&mut self, snapshot: &Snapshot, paths: &Paths) -> Result<()> {
        match snapshot.hub() {
            Some(hub) if !self.knows(snapshot) => {
                self.earlier.push(hub.to_owned());
                self.save(paths)
            }
            _ => Ok(()),
        }
    }

    fn save(&self, paths: &Paths) -> Result<()> {
        fs_err::create_dir_all(paths.backup_state())?;
        let names: String = std::iter::once(&self.own).chain(&self.earlier).map(|name| format!("{name}\n")).collect();
        atomic::replace(&paths.backup_hub(), names.as_bytes(), Access::mode(0o600))
    }

    /// The backup that is called `name`, or the newest. Where `only_known`, and where none is named and any are, they are this hub's.
    ///
    /// # Errors
    /// When there is none, or it can't be told which hub's is meant.
    pub fn choose<'a>(
        &self,
        snapshots: &'a [Snapshot],
        name: Option<&str>,
        only_known: bool,
        place: &str,
    ) -> Result<&'a Snapshot, Problem> {
        let hint = "sudo hubctl backup list says which there are";
        if let Some(name) = name {
            return match snapshots.iter().find(|snapshot| snapshot.id == name) {
                None => Err(Problem::new(format!("there is no backup {name} in `{place}`"), hint)),
                Some(found) if only_known && !self.knows(found) => {
                    Err(Problem::new(format!("backup {name} is another hub's, of machine {}", found.hostname), hint))
                }
                Some(found) => Ok(found),
            };
        }
        if let Some(found) = snapshots.iter().rfind(|snapshot| self.knows(snapshot)) {
            return Ok(found);
        }
        let Some(newest) = snapshots.last().filter(|_| !only_known) else {
            return Err(Problem::new(format!("there is no backup of this hub in `{place}` yet"), hint));
        };
        match snapshots.iter().rfind(|snapshot| snapshot.hub() != newest.hub()) {
            None => Ok(newest),
            Some(other) => {
                let what = format!(
                    "backups of several hubs are in `{place}`: {} is the newest of one, {} of another",
                    newest.id, other.id
                );
                Err(Problem::new(
                    what,
                    "name the one you mean: sudo hubctl backup restore BACKUP; sudo hubctl backup list says whose they are",
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(id: &str, hub: &str) -> Snapshot {
        let text = format!(r#"{{"short_id":"{id}","time":"2026-11-30T03:00:00Z","hostname":"hub","tags":["hubd","hub-{hub}"]}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_hub_keeps_its_name_and_another_has_another() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (one, other) = (Paths::under(one.path()), Paths::under(other.path()));
        let first = Identity::of(&one).unwrap();
        assert_eq!(Identity::of(&one).unwrap(), first);
        assert!(first.own().len() == 16 && Identity::of(&other).unwrap().own() != first.own());
        let mut moved = Identity::of(&other).unwrap();
        let of_first = snapshot("aaaaaaaa", first.own());
        assert!(!moved.knows(&of_first));
        for _ in 0..2 {
            moved.follow(&of_first, &other).unwrap();
            assert!(moved.knows(&of_first) && moved.own() != first.own());
            assert_eq!((Identity::of(&other).unwrap(), moved.earlier.len()), (moved.clone(), 1));
        }
    }

    #[test]
    fn in_a_shared_repository_everybody_has_their_own() {
        let us = Identity { own: "us".to_owned(), earlier: vec!["before".to_owned()] };
        let list = [snapshot("1", "before"), snapshot("2", "us"), snapshot("3", "them"), snapshot("4", "others")];
        let chosen = |list: &[Snapshot], name: Option<&str>, only_known| {
            us.choose(list, name, only_known, "/mnt").map(|found| found.id.clone()).map_err(|problem| problem.what)
        };
        for only_known in [true, false] {
            assert_eq!(chosen(&list, None, only_known), Ok("2".to_owned()));
            assert_eq!(chosen(&list, Some("1"), only_known), Ok("1".to_owned()));
            assert!(chosen(&list, Some("5"), only_known).unwrap_err().contains("no backup 5"));
        }
        assert!(chosen(&list, Some("3"), true).unwrap_err().contains("backup 3 is another hub's, of machine hub"));
        assert_eq!(chosen(&list, Some("3"), false), Ok("3".to_owned()));
        // A fresh machine.
        assert_eq!(chosen(&list[2..3], None, false), Ok("3".to_owned()));
        assert!(chosen(&list[2..], None, false).unwrap_err().contains("4 is the newest of one, 3 of another"));
        assert!(chosen(&list[2..], None, true).unwrap_err().contains("no backup of this hub"));
        assert!(chosen(&[], None, false).is_err());
    }
}
