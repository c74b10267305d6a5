//! What was found last: root writes it, the hub shows it to administrators. It goes with a reboot, after which all is looked at anew.

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Finding;
use crate::paths::Paths;
use crate::sys::atomic::{self, Access};
use crate::sys::entrusted;

const FORMAT: u32 = 1;
/// More than any record has.
const LARGEST: u64 = 1 << 20;

/// What was found last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    format: u32,
    /// When it was looked.
    pub when: Timestamp,
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
}

impl Record {
    /// Of a look at `when`.
    pub fn new(when: Timestamp, findings: Vec<Finding>) -> Self {
        Self { format: FORMAT, when, findings }
    }

    /// What there is; `None`: nobody looked since the machine started.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn load(paths: &Paths) -> Result<Option<Self>> {
        let path = paths.findings();
        let text = entrusted::text(&path, LARGEST).with_context(|| format!("reading `{}`", path.display()))?;
        let Some(text) = text else { return Ok(None) };
        let record: Self = serde_json::from_str(&text).with_context(|| format!("reading `{}`", path.display()))?;
        if record.format != FORMAT {
            bail!("`{}` has format {}, expected {FORMAT}", path.display(), record.format);
        }
        Ok(Some(record))
    }

    /// Keeps it; the group of the directory, which is the hub's, reads it.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn save(&self, paths: &Paths) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(self).context("writing what was found")?;
        text.push(b'\n');
        atomic::replace(&paths.findings(), &text, Access::mode(0o640))
    }

    /// What of this is not in `other`.
    pub fn beyond<'a>(&'a self, other: Option<&Self>) -> Vec<&'a Finding> {
        let is_known =
            |finding: &Finding| other.is_some_and(|other| other.findings.iter().any(|known| known.key() == finding.key()));
        self.findings.iter().filter(|finding| !is_known(finding)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_and_what_ends_is_told_apart_from_what_goes_on() {
        let of = |abouts: &[&str]| {
            let findings = abouts.iter().map(|about| Finding::problem("unit-down", format!("{about} is down now")).about(*about));
            Record::new(Timestamp::UNIX_EPOCH, findings.collect())
        };
        let (before, now) = (of(&["a", "b"]), of(&["b", "c"]));
        let abouts = |found: Vec<&Finding>| found.iter().map(|finding| finding.about.clone()).collect::<Vec<_>>();
        assert_eq!(abouts(now.beyond(Some(&before))), ["c"]);
        assert_eq!(abouts(before.beyond(Some(&now))), ["a"]);
        assert_eq!(abouts(now.beyond(None)), ["b", "c"]);
    }

    #[test]
    fn what_is_kept_is_read_back() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        assert_eq!(Record::load(&paths).unwrap(), None);
        std::fs::create_dir_all(paths.findings().parent().unwrap()).unwrap();
        let record = Record::new("2026-11-20T12:00:00Z".parse().unwrap(), vec![Finding::warning("clock", "it is behind")]);
        record.save(&paths).unwrap();
        assert_eq!(Record::load(&paths).unwrap(), Some(record));
    }
}
