//! Which person owns which unix account. Stored, unique in every direction, and no uid is ever given twice: what a
//! former owner left on the disk must not become somebody else's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hub_core::accounts::Username;
use hub_core::sys::atomic::{self, Access};
use serde::{Deserialize, Serialize};

use super::candidate::is_account_name;
use crate::lock::{LockGuard, wait_for_lock};

/// Format of the file.
const VERSION: u32 = 1;
/// Numbers for accounts of the hub: above what people get by hand, below what systemd and containers use for themselves.
const UIDS: std::ops::RangeInclusive<u32> = 20_000..=59_999;
/// How long somebody else may hold the table.
const LOCK_DEADLINE: std::time::Duration = std::time::Duration::from_secs(30);

/// The account of one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Who.
    pub name: Username,
    /// The account's name.
    pub account: String,
    /// The account's number.
    pub uid: u32,
    /// When it was made, seconds since 1970.
    pub created: u64,
}

/// Every account that the hub ever made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    records: BTreeMap<Username, Record>,
    retired: Vec<Record>,
}

/// Why a table can't be used, or a record not be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Written by something newer.
    #[error("the accounts table has version {0}, this program knows version {VERSION}")]
    Version(u32),
    /// Not JSON, or not ours.
    #[error("the accounts table can't be read: {0}\nhint: put back a copy of it; an empty one would give old uids to new people")]
    Format(String),
    /// A name, an account or a uid is there twice.
    #[error("{what} is in the accounts table already, for {owner:?}")]
    Twice {
        /// `uid 20000`, ...
        what: String,
        /// Whose it is.
        owner: String,
    },
    /// Not the name of an account that we make.
    #[error("{0:?} is not the name of an account of the hub")]
    Account(String),
    /// A uid that the hub never gives.
    #[error("uid {0} is not one of the hub's; expected {first} to {last}", first = UIDS.start(), last = UIDS.end())]
    Uid(u32),
    /// Forty thousand people later.
    #[error("all uids from {first} to {last} have been given away", first = UIDS.start(), last = UIDS.end())]
    Full,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    accounts: Vec<Record>,
    retired: Vec<Record>,
}

impl Table {
    /// Reads what [`Table::render`] wrote.
    ///
    /// # Errors
    /// When it is anything else, or contradicts itself. Never an empty table instead: that would hand out uids again.
    pub fn parse(text: &str) -> Result<Self, TableError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let unreadable = |error: serde_json::Error| TableError::Format(error.to_string());
        let Version { version } = serde_json::from_str(text).map_err(unreadable)?;
        if version != VERSION {
            return Err(TableError::Version(version));
        }
        let document: Document = serde_json::from_str(text).map_err(unreadable)?;
        let mut table = Self::default();
        for record in document.retired {
            table.check_account(&record)?;
            table.retired.push(record);
        }
        for record in document.accounts {
            table.insert(record)?;
        }
        Ok(table)
    }

    /// The table as text, one line per account.
    ///
    /// # Errors
    /// None that can happen; serialising is fallible by type.
    pub fn render(&self) -> Result<String> {
        let lines = |records: &mut dyn Iterator<Item = &Record>| -> Result<String> {
            let lines: Vec<String> = records.map(serde_json::to_string).collect::<Result<_, _>>()?;
            Ok(if lines.is_empty() { "[]".to_owned() } else { format!("[\n{}\n]", lines.join(",\n")) })
        };
        let (accounts, retired) = (lines(&mut self.records.values())?, lines(&mut self.retired.iter())?);
        Ok(format!("{{\"version\": {VERSION},\n\"accounts\": {accounts},\n\"retired\": {retired}}}\n"))
    }

    /// `name`'s account.
    pub fn find(&self, name: &Username) -> Option<&Record> {
        self.records.get(name)
    }

    /// Whose account `uid` is.
    pub fn owner(&self, uid: u32) -> Option<&Username> {
        self.records.values().find(|record| record.uid == uid).map(|record| &record.name)
    }

    /// Whose account the one called `account` is.
    pub fn owner_of_account(&self, account: &str) -> Option<&Username> {
        self.records().find(|record| record.account == account).map(|record| &record.name)
    }

    /// How many accounts were made at `moment` (seconds since 1970) or later, also those that are no more.
    pub fn made_since(&self, moment: u64) -> usize {
        self.every().filter(|record| record.created >= moment).count()
    }

    /// Everybody, by name.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// Whether an account of the hub is, or was, called so.
    pub fn knows_account(&self, account: &str) -> bool {
        self.every().any(|record| record.account == account)
    }

    /// The next number that nobody ever had here and for which `is_taken` says no.
    ///
    /// # Errors
    /// When there is none, or `is_taken` can't tell.
    pub fn next_uid(&self, mut is_taken: impl FnMut(u32) -> Result<bool>) -> Result<u32> {
        let given: BTreeSet<u32> = self.every().map(|record| record.uid).collect();
        let first = given.last().map_or(*UIDS.start(), |last| last + 1);
        for uid in first..=*UIDS.end() {
            if !is_taken(uid)? {
                return Ok(uid);
            }
        }
        Err(TableError::Full.into())
    }

    /// Adds an account.
    ///
    /// # Errors
    /// When its name, account or uid is there already, or was.
    pub fn insert(&mut self, record: Record) -> Result<(), TableError> {
        self.check_account(&record)?;
        let twice = |what: String, other: &Record| TableError::Twice { what, owner: other.name.to_string() };
        if let Some(other) = self.records.get(&record.name) {
            return Err(twice(format!("name {:?}", record.name.as_str()), other));
        }
        if let Some(other) = self.every().find(|other| other.uid == record.uid) {
            return Err(twice(format!("uid {}", record.uid), other));
        }
        if let Some(other) = self.every().find(|other| other.account == record.account) {
            return Err(twice(format!("account {:?}", record.account), other));
        }
        self.records.insert(record.name.clone(), record);
        Ok(())
    }

    /// `name` had an account of the hub since `created`, elsewhere: whoever was called so then is who is called so now.
    pub fn known_since(&mut self, name: &Username, created: u64) {
        if let Some(record) = self.records.get_mut(name) {
            record.created = record.created.min(created);
        }
    }

    /// Takes `name`'s account off the list; its uid and its name are never given again.
    pub fn retire(&mut self, name: &Username) -> Option<Record> {
        let record = self.records.remove(name)?;
        self.retired.push(record.clone());
        Some(record)
    }

    fn every(&self) -> impl Iterator<Item = &Record> {
        self.records.values().chain(&self.retired)
    }

    fn check_account(&self, record: &Record) -> Result<(), TableError> {
        if !UIDS.contains(&record.uid) {
            return Err(TableError::Uid(record.uid));
        }
        if !is_account_name(&record.account) {
            return Err(TableError::Account(record.account.clone()));
        }
        Ok(())
    }
}

/// The table on the disk.
#[derive(Debug, Clone)]
pub struct TableFile {
    path: PathBuf,
}

/// The right to change the table, until dropped.
#[derive(Debug)]
pub struct TableGuard {
    path: PathBuf,
    /// The table as it is now.
    pub table: Table,
    _lock: LockGuard,
}

impl TableFile {
    /// The table at `path`, see [`Paths::accounts`](hub_core::paths::Paths::accounts).
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The table as it is now; an empty one when there is none yet.
    ///
    /// # Errors
    /// When it is there and can't be used.
    pub fn read(&self) -> Result<Table> {
        read(&self.path)
    }

    /// Waits for the right to change the table.
    ///
    /// # Errors
    /// When somebody holds it too long, or the table can't be read.
    pub fn lock(&self) -> Result<TableGuard> {
        let lock = wait_for_lock(&self.path.with_extension("lock"), LOCK_DEADLINE)?;
        Ok(TableGuard { path: self.path.clone(), table: read(&self.path)?, _lock: lock })
    }
}

impl TableGuard {
    /// Puts the table on the disk, whole or not at all.
    ///
    /// # Errors
    /// When it can't be written; the old one is then untouched.
    pub fn save(&self) -> Result<()> {
        atomic::replace(&self.path, self.table.render()?.as_bytes(), Access::mode(0o600))
    }
}

fn read(path: &Path) -> Result<Table> {
    let text = match fs_err::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Table::default()),
        Err(error) => return Err(error).context("reading the accounts table"),
    };
    Table::parse(&text).with_context(|| format!("reading `{}`", path.display()))
}

#[cfg(test)]
mod tests;
