//! How backups are doing: a record that root writes and the hub reads, and what to say about it. Pure but for reading the file.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use crate::accounts::Username;
use crate::config::Backup;
use crate::paths::Paths;
use crate::sys::atomic::{self, Access};
use crate::sys::entrusted;

const FORMAT: u32 = 1;
/// More than any record has.
const LARGEST: u64 = 64 << 10;
/// In which a hub that finds no record makes a backup.
const FIRST_PATIENCE: Duration = Duration::from_secs(3600);
/// A day, and half of one for a backup that takes long or was made up for.
const OLD: SignedDuration = SignedDuration::from_hours(36);
/// From a backup that did not work to the next attempt.
const PAUSE: SignedDuration = SignedDuration::from_hours(1);

/// How backups went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    format: u32,
    /// When they were set up.
    pub since: Timestamp,
    /// The latest attempt.
    pub last: Option<Attempt>,
    /// The latest one that there is a backup of.
    pub success: Option<Attempt>,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it began.
    pub began: Timestamp,
    /// When it ended; `None`: it is under way, or was cut short.
    pub ended: Option<Timestamp>,
    /// The name of what was made.
    pub snapshot: Option<String>,
    /// How many files are in it.
    #[serde(default)]
    pub files: u64,
    /// Their bytes.
    #[serde(default)]
    pub bytes: u64,
    /// Bytes that were new.
    #[serde(default)]
    pub added: u64,
    /// Files that could not be read, and are not in it.
    #[serde(default)]
    pub unread: u64,
    /// What is not in it, and whose that is; the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacking: Vec<Lacking>,
    /// Why it did not work.
    pub problem: Option<Problem>,
}

/// What of somebody is not in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lacking {
    /// Whose; `None`: nobody's, as in the class folder.
    pub person: Option<Username>,
    /// Why.
    pub why: Why,
    /// How many files.
    pub files: u64,
    /// One of them, or what is the matter with all of them; for people.
    pub example: String,
}

/// Why something is not in a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Files say that they are much larger than what the disk has of them.
    Holes,
    /// Files could not be read.
    Unread,
    /// All of the home was left out.
    Home,
}

impl fmt::Display for Lacking {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = self.person.as_ref().map_or_else(|| "the hub".to_owned(), ToString::to_string);
        let Self { files: count, example, .. } = self;
        match self.why {
            Why::Holes => write!(formatter, "{} of {whose} with large holes, such as `{example}`", files(*count)),
            Why::Unread => write!(formatter, "{} of {whose} that could not be read, such as `{example}`", files(*count)),
            Why::Home => write!(formatter, "all files of {whose}: {example}"),
        }
    }
}

/// What is wrong with backups, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{what}")]
pub struct Problem {
    /// What is the matter; a sentence without its period.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

impl Problem {
    /// With what to do about it.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

impl Attempt {
    /// One that begins now.
    pub fn begun(began: Timestamp) -> Self {
        Self { began, ended: None, snapshot: None, files: 0, bytes: 0, added: 0, unread: 0, lacking: Vec::new(), problem: None }
    }
}

/// `1 file`, `3 files`.
pub fn files(count: u64) -> impl fmt::Display {
    format!("{count} {}", if count == 1 { "file" } else { "files" })
}

impl Record {
    /// Backups were set up just now.
    pub fn new(since: Timestamp) -> Self {
        Self { format: FORMAT, since, last: None, success: None }
    }

    /// What there is; `None`: nothing was set up.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn load(paths: &Paths) -> Result<Option<Self>> {
        let path = paths.backup_record();
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
        let mut text = serde_json::to_vec_pretty(self).context("writing the record of backups")?;
        text.push(b'\n');
        atomic::replace(&paths.backup_record(), &text, Access::mode(0o640))
    }

    /// Whether a backup is to be made at `now`, where `config` wants them.
    pub fn is_due(&self, config: &Backup, now: &Zoned) -> bool {
        if let Some(last) = &self.last
            && (last.problem.is_some() || last.ended.is_none())
        {
            let since = now.timestamp().duration_since(last.ended.unwrap_or(last.began));
            // A clock that was set back is no reason to wait.
            return since >= PAUSE || since < SignedDuration::ZERO;
        }
        let turn = turn(config, now);
        let latest = self.success.as_ref().map_or(self.since, |success| success.began);
        turn.is_some_and(|turn| latest < turn || latest > now.timestamp())
    }
}

/// The latest moment before `now` at which one is to begin.
fn turn(config: &Backup, now: &Zoned) -> Option<Timestamp> {
    let (hour, minute) = (i8::try_from(config.at.hour).ok()?, i8::try_from(config.at.minute).ok()?);
    let at = |day: jiff::civil::Date| day.at(hour, minute, 0, 0).to_zoned(now.time_zone().clone()).ok();
    let today = at(now.date())?;
    let turn = if today <= *now { today } else { at(now.date().yesterday().ok()?)? };
    Some(turn.timestamp())
}

/// What is wrong with backups at `now`; `None`: nothing, or nobody wants any.
pub fn problem(config: &Backup, record: Option<&Record>, now: Timestamp) -> Option<Problem> {
    config.repository.as_ref()?;
    if !config.enabled {
        return None;
    }
    let Some(record) = record else {
        return Some(Problem::new("there is no backup yet", "on the machine: sudo hubctl backup create"));
    };
    if let Some(problem) = record.last.as_ref().and_then(|last| last.problem.as_ref()) {
        return Some(Problem::new(format!("the latest backup failed: {}", problem.what), problem.hint.clone()));
    }
    let latest = record.success.as_ref().map_or(record.since, |success| success.began);
    let age = now.duration_since(latest);
    if age > OLD {
        let hint = "on the machine: systemctl status hubd-backup.timer; sudo hubctl backup create";
        let what = match &record.success {
            None => "there is no backup yet".to_owned(),
            Some(_) => format!("the latest backup is {} hours old", age.as_hours()),
        };
        return Some(Problem::new(what, hint));
    }
    let unread = record.success.as_ref().map_or(0, |success| success.unread);
    (unread > 0).then(|| {
        let what = format!("{} could not be read, so they are missing from the latest backup", files(unread));
        Problem::new(what, "on the machine: sudo hubctl backup status says whose, journalctl --unit hubd-backup names them")
    })
}

/// The same, of a hub that has been `up` for so long. Where nothing was ever recorded, as after a new install that found the
/// configuration of the one before, the timer makes a backup within a quarter of an hour.
pub fn problem_of_hub(config: &Backup, record: Option<&Record>, now: Timestamp, up: Duration) -> Option<Problem> {
    if record.is_none() && up < FIRST_PATIENCE { None } else { problem(config, record, now) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn wanted(text: &str) -> Backup {
        config::parse(&format!("[backup]\n{text}"), "config.toml").unwrap().backup
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn done(began: &str) -> Attempt {
        Attempt { ended: Some(at(began)), snapshot: Some("5a458f8c".to_owned()), ..Attempt::begun(at(began)) }
    }

    fn record(last: Option<Attempt>, success: Option<&str>) -> Record {
        Record { last, success: success.map(done), ..Record::new(at("2026-11-01T12:00:00Z")) }
    }

    #[test]
    fn one_is_due_once_a_day_at_its_time_here_and_made_up_for() {
        let config = wanted("repository = \"/mnt/disk/hubd\"\nat = \"03:00\"");
        // In Berlin it is an hour later.
        let zoned = |text: &str| -> Zoned { format!("{text}[Europe/Berlin]").parse().unwrap() };
        for (success, now, is_due) in [
            ("2026-11-20T02:05:00Z", "2026-11-20T23:00:00+01:00", false),
            ("2026-11-20T02:05:00Z", "2026-11-21T02:59:00+01:00", false),
            ("2026-11-20T02:05:00Z", "2026-11-21T03:00:00+01:00", true),
            ("2026-11-20T02:05:00Z", "2026-11-21T10:00:00+01:00", true),
            // The clock was set back.
            ("2027-11-20T02:05:00Z", "2026-11-21T10:00:00+01:00", true),
        ] {
            let record = record(Some(done(success)), Some(success));
            assert_eq!(record.is_due(&config, &zoned(now)), is_due, "{success} {now}");
        }
        let fresh = Record::new(at("2026-11-20T12:00:00Z"));
        assert!(!fresh.is_due(&config, &zoned("2026-11-20T14:00:00+01:00")), "in the middle of the day it was set up");
        assert!(fresh.is_due(&config, &zoned("2026-11-21T03:00:00+01:00")));
    }

    #[test]
    fn what_did_not_work_is_tried_again_an_hour_later() {
        let config = wanted("repository = \"/mnt/disk/hubd\"");
        let failed = Attempt {
            ended: Some(at("2026-11-20T03:10:00Z")),
            problem: Some(Problem::new("x", "y")),
            ..Attempt::begun(at("2026-11-20T03:00:00Z"))
        };
        let cut_short = Attempt::begun(at("2026-11-20T03:10:00Z"));
        for last in [failed, cut_short] {
            let record = record(Some(last), Some("2026-11-19T03:00:00Z"));
            let due = |text: &str| record.is_due(&config, &text.parse().unwrap());
            assert!(!due("2026-11-20T04:09:00Z[UTC]") && due("2026-11-20T04:10:00Z[UTC]"));
        }
    }

    #[test]
    fn what_is_wrong_is_told_where_backups_are_wanted() {
        let now = at("2026-11-20T12:00:00Z");
        let fresh = "2026-11-20T03:00:00Z";
        let failed = Attempt { problem: Some(Problem::new("the disk is full", "make room")), ..done(fresh) };
        let unread = Record { success: Some(Attempt { unread: 2, ..done(fresh) }), ..record(Some(done(fresh)), None) };
        let told = |text: &str, record: Option<&Record>| problem(&wanted(text), record, now).map(|problem| problem.what);
        for (record, expected) in [
            (None, Some("there is no backup yet")),
            (Some(record(None, None)), Some("there is no backup yet")),
            (Some(record(Some(done(fresh)), Some(fresh))), None),
            (Some(record(Some(done(fresh)), Some("2026-11-18T03:00:00Z"))), Some("the latest backup is 57 hours old")),
            (Some(record(Some(failed), Some(fresh))), Some("the latest backup failed: the disk is full")),
            (Some(unread), Some("2 files could not be read, so they are missing from the latest backup")),
        ] {
            assert_eq!(told("repository = \"/mnt/disk/hubd\"", record.as_ref()).as_deref(), expected);
            assert_eq!(told("", record.as_ref()), None);
            assert_eq!(told("repository = \"/mnt/disk/hubd\"\nenabled = false", record.as_ref()), None);
        }
    }

    #[test]
    fn what_is_left_out_is_told_with_whose_it_is() {
        let lacking = |person: Option<&str>, why, files| Lacking {
            person: person.map(|name| name.parse().unwrap()),
            why,
            files,
            example: "data/x".to_owned(),
        };
        let told = |lacking: Lacking| lacking.to_string();
        assert_eq!(told(lacking(Some("bob"), Why::Holes, 2)), "2 files of bob with large holes, such as `data/x`");
        assert_eq!(told(lacking(None, Why::Unread, 1)), "1 file of the hub that could not be read, such as `data/x`");
        assert_eq!(told(lacking(Some("bob"), Why::Home, 0)), "all files of bob: data/x");
    }

    #[test]
    fn a_new_hub_has_time_for_its_first() {
        let config = wanted("repository = \"/mnt/disk/hubd\"");
        let now = at("2026-11-20T12:00:00Z");
        let told = |record: Option<&Record>, minutes: u64| {
            problem_of_hub(&config, record, now, Duration::from_secs(60 * minutes)).map(|problem| problem.what)
        };
        assert_eq!(told(None, 59), None);
        assert_eq!(told(None, 60).as_deref(), Some("there is no backup yet"));
        assert_eq!(told(Some(&record(None, None)), 1).as_deref(), Some("there is no backup yet"), "asked for 19 days ago");
    }

    #[test]
    fn every_released_format_is_still_read() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        assert_eq!(Record::load(&paths).unwrap(), None);
        std::fs::create_dir_all(paths.backup_state()).unwrap();
        std::fs::write(paths.backup_record(), include_str!("backup/fixtures/record-1.json")).unwrap();
        let record = Record::load(&paths).unwrap().unwrap();
        assert_eq!(record.success.as_ref().and_then(|success| success.snapshot.as_deref()), Some("5a458f8c"));
        record.save(&paths).unwrap();
        assert_eq!(Record::load(&paths).unwrap(), Some(record));
    }
}
