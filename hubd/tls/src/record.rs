//! How getting certificates went, on disk: written by `hubd-certificates`, shown by the hub. Nothing in it is secret.

use std::path::Path;

use anyhow::{Context, Result, bail};
use hub_core::sys::atomic::{Access, replace};
use hub_core::sys::entrusted;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;
/// The authority's words are kept, and not a book.
const LONGEST_PROBLEM: usize = 2000;
/// Waits after the first, second, ... failure in a row; after that always the last. Authorities count failures by the
/// hour and the name, and five in an hour are too many.
const PATIENCE: [SignedDuration; 6] = [
    SignedDuration::from_mins(20),
    SignedDuration::from_hours(1),
    SignedDuration::from_hours(2),
    SignedDuration::from_hours(4),
    SignedDuration::from_hours(12),
    SignedDuration::from_hours(24),
];

/// How getting certificates went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Of this format.
    pub version: u32,
    /// What the certificate depends on, in one line.
    pub settings: String,
    /// When it was tried last.
    pub attempted: Timestamp,
    /// Failures in a row since the last success.
    pub failures: u32,
    /// Why it failed last, in the authority's own words where it had any.
    pub problem: Option<String>,
    /// The authority said not to ask again before this moment.
    #[serde(default)]
    pub told_to_wait_until: Option<Timestamp>,
    /// A name led nowhere then, as seen from this machine.
    #[serde(default)]
    pub led_nowhere: bool,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            version: VERSION,
            settings: String::new(),
            attempted: Timestamp::UNIX_EPOCH,
            failures: 0,
            problem: None,
            told_to_wait_until: None,
            led_nowhere: false,
        }
    }
}

impl Record {
    /// Reads the record; `None` when there is none yet.
    ///
    /// # Errors
    /// When it can't be read or was written by a later version.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        let Some(text) = entrusted::text(path, super::LARGEST).with_context(|| format!("reading `{}`", path.display()))? else {
            return Ok(None);
        };
        let record: Self = serde_json::from_str(&text).with_context(|| format!("reading `{}`", path.display()))?;
        if record.version != VERSION {
            bail!("`{}` has version {}, expected {VERSION}", path.display(), record.version);
        }
        Ok(Some(record))
    }

    /// Writes the record.
    ///
    /// # Errors
    /// When the directory is not there or the disk is full.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).context("writing the record of certificates")?;
        replace(path, &text, Access::mode(0o640))
    }

    /// The record after an attempt that worked.
    pub fn succeeded(settings: &str, now: Timestamp) -> Self {
        Self { settings: settings.to_owned(), attempted: now, ..Self::default() }
    }

    /// The record after one more that did not.
    pub fn failed(previous: Option<&Self>, settings: &str, now: Timestamp, problem: &str, wait: Option<Timestamp>) -> Self {
        let before = previous.filter(|record| record.settings == settings).map_or(0, |record| record.failures);
        Self {
            settings: settings.to_owned(),
            attempted: now,
            failures: before.saturating_add(1),
            problem: Some(problem.chars().take(LONGEST_PROBLEM).collect()),
            told_to_wait_until: wait,
            ..Self::default()
        }
    }

    /// The same once all names lead somewhere: what it failed by is over, so that there is nothing left to wait for.
    pub fn with_names(self) -> Self {
        let failures = if self.led_nowhere && self.told_to_wait_until.is_none() { 0 } else { self.failures };
        Self { failures, ..self }
    }

    /// The moment before which nothing is tried again; `None`: now is as good as any.
    pub fn not_before(&self, now: Timestamp) -> Option<Timestamp> {
        // One from the future was written while the clock was wrong.
        if self.failures == 0 || self.attempted > now {
            return None;
        }
        let patience = self.attempted.checked_add(patience(self.failures)).unwrap_or(self.attempted);
        Some(self.told_to_wait_until.map_or(patience, |told| told.max(patience))).filter(|moment| *moment > now)
    }
}

/// How long to wait after so many failures in a row.
fn patience(failures: u32) -> SignedDuration {
    let index = usize::try_from(failures).unwrap_or(usize::MAX).saturating_sub(1);
    PATIENCE.get(index).or(PATIENCE.last()).copied().unwrap_or(SignedDuration::from_hours(24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record.json");
        assert_eq!(Record::load(&path).unwrap(), None);
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let first = Record::failed(None, "acme", now, "no such host", None);
        let second = Record::failed(Some(&first), "acme", now, "no such host", Some("2026-11-22T00:00:00Z".parse().unwrap()));
        second.save(&path).unwrap();
        assert_eq!(Record::load(&path).unwrap(), Some(second.clone()));
        assert_eq!((first.failures, second.failures), (1, 2));
        assert_eq!(second.not_before(now), Some("2026-11-22T00:00:00Z".parse().unwrap()));
        assert_eq!(Record::failed(Some(&second), "lan", now, "", None).failures, 1);
        assert_eq!(Record::succeeded("acme", now).not_before(now), None);
    }

    #[test]
    fn a_name_that_leads_somewhere_at_last_is_worth_another_attempt() {
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let wait = Some("2026-11-22T00:00:00Z".parse().unwrap());
        let failed = |led_nowhere, wait| Record { led_nowhere, ..Record::failed(None, "acme", now, "no such host", wait) };
        assert_eq!(failed(true, None).with_names().not_before(now), None);
        assert!(failed(false, None).with_names().not_before(now).is_some());
        assert_eq!(failed(true, wait).with_names().not_before(now), wait, "an authority's word counts for more");
    }

    #[test]
    fn the_format_of_version_1_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record.json");
        let text = r#"{"version":1,"settings":"acme","attempted":"2026-11-20T12:00:00Z","failures":2,"problem":"refused"}"#;
        std::fs::write(&path, text).unwrap();
        let record = Record::load(&path).unwrap().unwrap();
        assert_eq!((record.failures, record.problem.as_deref()), (2, Some("refused")));
        std::fs::write(&path, text.replace("\"version\":1", "\"version\":2")).unwrap();
        assert!(Record::load(&path).unwrap_err().to_string().ends_with("has version 2, expected 1"));
    }
}
