//! What the installer did, step by step, in plain data that any later version can read and undo.
//!
//! Saved before and after each step, so that a power cut at any moment leaves a receipt that knows what may be there.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hub_core::paths::Paths;
use hub_core::sys::atomic::{self, Access};
use hub_system::lock::{self, LockGuard};
use serde::{Deserialize, Serialize};

use crate::undo::Undo;

/// The version of the format that this program writes; it reads this one and all before it.
const VERSION: u32 = 1;

/// Everything the installer did on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub(crate) version: u32,
    /// The version of the product that was installed last.
    pub product: String,
    /// Whether the latest install came to its end.
    pub complete: bool,
    /// Units that have yet to start anew with what is on disk.
    #[serde(default)]
    pub restarts: Vec<String>,
    /// In the order they were first done; undone backwards.
    pub steps: Vec<StepRecord>,
}

/// What came of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The same for the same step in every version.
    pub id: String,
    /// For people.
    pub title: String,
    /// How far it came.
    pub state: State,
    /// What it meant for the machine.
    pub outcome: Outcome,
    /// How to undo it; `None`: nothing to undo, or undone.
    #[serde(default)]
    pub undo: Option<Undo>,
}

/// How far a step came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Begun; the machine may be as before, as after, or in between.
    Started,
    /// At its end.
    Done,
}

/// What a step meant for the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was so before the first install; never undone.
    AlreadyThere,
    /// It was absent before.
    Created,
    /// It was different before.
    Changed,
}

impl Default for Receipt {
    fn default() -> Self {
        Self {
            version: VERSION,
            product: env!("CARGO_PKG_VERSION").to_owned(),
            complete: false,
            restarts: Vec::new(),
            steps: Vec::new(),
        }
    }
}

impl Receipt {
    /// Reads a receipt of this or an earlier version.
    ///
    /// # Errors
    /// When it is not a receipt, or one that a later version wrote.
    pub fn parse(text: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Header {
            version: u32,
        }
        let header: Header = serde_json::from_str(text).context("looking for the version of the receipt")?;
        if header.version > VERSION {
            bail!(
                "the receipt has format {}, this program knows up to {VERSION}\n\
                 hint: use the hub-installer that was installed last, or a later one",
                header.version
            );
        }
        serde_json::from_str(text).context("reading the receipt")
    }

    /// The record of step `id`.
    pub fn step(&self, id: &str) -> Option<&StepRecord> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// Puts `record` in the place of the one with the same id, or at the end.
    pub fn put(&mut self, record: StepRecord) {
        match self.steps.iter_mut().find(|step| step.id == record.id) {
            Some(place) => *place = record,
            None => self.steps.push(record),
        }
    }

    /// Every file that was written and still belongs to the hub, with the digest it was left with.
    pub fn files(&self) -> impl Iterator<Item = (&Path, Option<&str>)> {
        self.steps.iter().filter_map(|step| step.undo.as_ref()?.file())
    }
}

/// The receipt on disk, and the right to change it: one installer at a time.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    _lock: LockGuard,
}

impl Store {
    /// Takes the lock, making the installer's directory if need be. `None`: another installer is at work.
    ///
    /// # Errors
    /// When the directory can't be made or the lock not be taken.
    pub fn open(paths: &Paths) -> Result<Option<Self>> {
        let directory = paths.installer_state();
        crate::files::ensure_private_directory(&directory)?;
        let lock = lock::try_lock(&directory.join("lock"))?;
        Ok(lock.map(|lock| Self { path: paths.receipt(), _lock: lock }))
    }

    /// Writes the receipt; it is on disk when this returns.
    ///
    /// # Errors
    /// When the disk is full or the directory gone.
    pub fn save(&self, receipt: &Receipt) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(receipt).context("writing the receipt")?;
        text.push(b'\n');
        atomic::replace(&self.path, &text, Access::mode(0o600))
    }
}

/// The receipt of earlier runs; `None`: there was none.
///
/// # Errors
/// When it can't be read or understood.
pub fn load(paths: &Paths) -> Result<Option<Receipt>> {
    let path = paths.receipt();
    match std::fs::read_to_string(&path) {
        Ok(text) => Receipt::parse(&text).with_context(|| format!("receipt `{}`", path.display())).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading receipt `{}`", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION_1: &str = include_str!("../fixtures/receipt-1.json");

    #[test]
    fn every_released_format_is_still_read() {
        let receipt = Receipt::parse(VERSION_1).unwrap();
        assert!(receipt.complete);
        assert_eq!(receipt.steps.len(), 11);
        let undo: Vec<_> = receipt.steps.iter().filter_map(|step| step.undo.clone()).collect();
        assert_eq!(undo.len(), 10, "every kind of undo is in the fixture");
        assert_eq!(receipt.step("group:hubd").unwrap().undo, Some(Undo::DeleteGroup { name: "hubd".into() }));
        assert!(receipt.files().any(|file| file == (Path::new("/opt/hubd/bin/hubd"), Some("aa11"))));
        assert_eq!(receipt.restarts, ["hubd.service"]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let receipt = Receipt::parse(VERSION_1).unwrap();
        assert_eq!(Receipt::parse(&serde_json::to_string(&receipt).unwrap()).unwrap(), receipt);
    }

    #[test]
    fn refuses_a_later_format_with_a_way_out() {
        let error = Receipt::parse(r#"{"version": 2, "unheard": "of"}"#).unwrap_err().to_string();
        assert!(error.contains("format 2") && error.contains("hint:"), "{error}");
    }

    #[test]
    fn second_installer_is_kept_out() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        let first = Store::open(&paths).unwrap().unwrap();
        assert!(Store::open(&paths).unwrap().is_none());
        let receipt = Receipt { complete: true, ..Receipt::default() };
        first.save(&receipt).unwrap();
        assert_eq!(load(&paths).unwrap(), Some(receipt));
    }
}
