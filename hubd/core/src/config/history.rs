//! Every configuration that was ever put in force here, who did it, and whether the hub was well with it afterwards.
//!
//! One version is two files, the text and a record. A third file, the marker, is there from before the live file is
//! replaced until it is known what came of that: where it is found at boot, the power went in between.

mod entry;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;

use crate::paths::Paths;
use crate::sys::atomic::{self, Access};

pub use entry::{Entry, How, State};

/// Versions that are kept. The newest healthy one always is.
const MOST_ENTRIES: usize = 200;
/// Root's alone: a configuration says who may what.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// The versions below `/var/lib/hubd-installer/config-history/`. Whoever writes to it holds the configuration's lock.
#[derive(Debug, Clone)]
pub struct History {
    directory: PathBuf,
    marker: PathBuf,
}

impl History {
    /// The history of the machine at `paths`. Nothing is read yet, and nothing made.
    pub fn open(paths: &Paths) -> Self {
        Self { directory: paths.config_history(), marker: paths.config_pending() }
    }

    /// Every version, the oldest first. A record that can't be read is an error: guessing which configuration was well
    /// would be worse.
    ///
    /// # Errors
    /// When a record can't be read.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for number in self.numbers()? {
            entries.push(self.entry(number)?);
        }
        Ok(entries)
    }

    /// The text of version `number`, byte for byte.
    ///
    /// # Errors
    /// When there is no such version, or it can't be read.
    pub fn text(&self, number: u32) -> Result<String> {
        let path = self.file(number, "toml");
        match fs_err::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("there is no version {number} of the configuration\nhint: hubctl config history lists those there are")
            }
            text => text.with_context(|| format!("reading version {number} of the configuration")),
        }
    }

    /// The version that was last in force with a hub that was well.
    ///
    /// # Errors
    /// As [`History::entries`].
    pub fn last_healthy(&self) -> Result<Option<Entry>> {
        Ok(self.entries()?.into_iter().rev().find(|entry| entry.state == State::Healthy))
    }

    /// The version whose commit is under way, or was cut short by a kill or a power cut.
    ///
    /// # Errors
    /// When the marker, or the record it names, can't be read.
    pub fn pending(&self) -> Result<Option<Entry>> {
        let text = match fs_err::read_to_string(&self.marker) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let number = text.trim().parse().with_context(|| format!("reading a number in `{}`", self.marker.display()))?;
        Ok(Some(self.entry(number)?))
    }

    /// Notes that `text` is about to become the configuration, before it does. `who` is an account of the machine.
    ///
    /// # Errors
    /// When it can't be written; nothing is in force then.
    pub fn begin(&self, text: &str, who: &str, how: How, now: Timestamp) -> Result<Entry> {
        let entry = self.record(text, who, how, State::Pending, now)?;
        atomic::replace(&self.marker, format!("{}\n", entry.number).as_bytes(), Access::mode(FILE_MODE))?;
        Ok(entry)
    }

    /// Notes that the hub is well with `text`, however it became the configuration. Nothing to do when that is known.
    ///
    /// # Errors
    /// When the history can't be read or written.
    pub fn remember_healthy(&self, text: &str, who: &str, how: How, now: Timestamp) -> Result<()> {
        let last = self.last_healthy()?.map(|entry| self.text(entry.number)).transpose()?;
        if last.as_deref() != Some(text) {
            self.record(text, who, how, State::Healthy, now)?;
        }
        Ok(())
    }

    /// Notes that `text` took the place of `before`, where only packages differ: the hub is as well with one as with the other,
    /// so the new one is as healthy as the one before is known to be.
    ///
    /// # Errors
    /// When the history can't be read or written.
    pub fn note_packages(&self, before: &str, text: &str, who: &str, now: Timestamp) -> Result<()> {
        let last = self.last_healthy()?.map(|entry| self.text(entry.number)).transpose()?;
        let state = if last.as_deref() == Some(before) { State::Healthy } else { State::Pending };
        self.record(text, who, How::Env, state, now)?;
        self.prune(MOST_ENTRIES)
    }

    fn record(&self, text: &str, who: &str, how: How, state: State, now: Timestamp) -> Result<Entry> {
        self.ensure_directory()?;
        let number = self.numbers()?.last().map_or(1, |last| last + 1);
        let saved = Timestamp::from_second(now.as_second()).unwrap_or(now).to_string();
        let entry = Entry { number, saved, who: who.to_owned(), how, state, reason: None };
        // The text first: a record without one would be a version that can't be had back.
        atomic::replace(&self.file(number, "toml"), text.as_bytes(), Access::mode(FILE_MODE))?;
        self.write(&entry)?;
        Ok(entry)
    }

    /// Notes what came of version `number`.
    ///
    /// # Errors
    /// When there is no such version, or it can't be written.
    pub fn settle(&self, number: u32, state: State, reason: Option<&str>) -> Result<Entry> {
        let entry = Entry { state, reason: reason.map(str::to_owned), ..self.entry(number)? };
        self.write(&entry)?;
        self.unmark()?;
        self.prune(MOST_ENTRIES)?;
        Ok(entry)
    }

    /// Notes that nobody could find out what came of version `number`, and that it stays all the same.
    ///
    /// # Errors
    /// As [`History::settle`].
    pub fn leave_open(&self, number: u32, reason: &str) -> Result<Entry> {
        self.settle(number, State::Pending, Some(reason))
    }

    fn unmark(&self) -> Result<()> {
        match fs_err::remove_file(&self.marker) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn ensure_directory(&self) -> Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        if self.directory.is_dir() {
            return Ok(());
        }
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(DIRECTORY_MODE);
        builder.create(&self.directory).with_context(|| format!("making directory `{}`", self.directory.display()))
    }

    /// The numbers of all versions, the smallest first.
    fn numbers(&self) -> Result<Vec<u32>> {
        let files = match fs_err::read_dir(&self.directory) {
            Ok(files) => files,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut numbers = Vec::new();
        for file in files {
            let name = PathBuf::from(file?.file_name());
            let number = name.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            if let (Some(number), Some("json")) = (number, name.extension().and_then(|extension| extension.to_str())) {
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn entry(&self, number: u32) -> Result<Entry> {
        let path = self.file(number, "json");
        if !path.exists() {
            bail!("there is no version {number} of the configuration\nhint: hubctl config history lists those there are");
        }
        let text = fs_err::read_to_string(&path).context("reading the history of the configuration")?;
        Entry::parse(&text).with_context(|| format!("reading `{}`", path.display()))
    }

    fn write(&self, entry: &Entry) -> Result<()> {
        atomic::replace(&self.file(entry.number, "json"), entry.to_text()?.as_bytes(), Access::mode(FILE_MODE))
    }

    /// Four digits at least, so that a listing by name is one by number.
    fn file(&self, number: u32, extension: &str) -> PathBuf {
        self.directory.join(format!("{number:04}.{extension}"))
    }

    /// Forgets the oldest versions, so that about `most` are left: first those of people who are not root, of which a quarter
    /// stays at most. Somebody who changes an announcement over and over does not push out what root did.
    fn prune(&self, most: usize) -> Result<()> {
        let mut numbers = self.numbers()?;
        if numbers.len() <= most / 4 {
            return Ok(());
        }
        let kept = self.last_healthy()?.map(|entry| entry.number);
        let mut others = numbers.clone();
        others.retain(|number| self.entry(*number).is_ok_and(|entry| !entry.is_of_root()));
        let mut surplus: Vec<u32> = others[..others.len().saturating_sub(most / 4)].to_vec();
        numbers.retain(|number| !surplus.contains(number));
        surplus.extend(&numbers[..numbers.len().saturating_sub(most)]);
        for number in surplus.into_iter().filter(|number| Some(*number) != kept) {
            for extension in ["json", "toml"] {
                remove(&self.file(number, extension))?;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
