//! What restic said, and what that means for people. Its exit codes say little before version 0.17, so its words count. Pure.

use std::io::{BufReader, Read};
use std::path::Path;

use hub_core::backup::Problem;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One backup in the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its name.
    #[serde(rename = "short_id")]
    pub id: String,
    /// When it was made.
    pub time: Timestamp,
    /// On which machine.
    pub hostname: String,
    #[serde(default)]
    tags: Vec<String>,
}

impl Snapshot {
    /// Which hub made it; two may have the same name.
    pub fn hub(&self) -> Option<&str> {
        self.tags.iter().find_map(|tag| tag.strip_prefix(TAG_OF_HUB))
    }
}

/// How the tag begins that says which hub made a backup.
pub(crate) const TAG_OF_HUB: &str = "hub-";

/// What a backup says at its end.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Summary {
    pub(crate) snapshot_id: String,
    pub(crate) total_files_processed: u64,
    pub(crate) total_bytes_processed: u64,
    pub(crate) data_added: u64,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// `None`: a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// restic says so when some files could not be read; everything else is in the backup.
const INCOMPLETE: i32 = 3;
/// A thousand people have 50 kB in each backup.
pub(crate) const LONGEST_LIST: u64 = 256 << 20;

/// What came of a backup.
pub(crate) fn summary(ended: &Ended, place: &str) -> Result<Summary, Problem> {
    if !matches!(ended.code, Some(0 | INCOMPLETE)) {
        return Err(problem(ended, place));
    }
    let found = ended.stdout.lines().rev().find(|line| line.contains("\"summary\""));
    found.and_then(|line| serde_json::from_str(line).ok()).ok_or_else(|| problem(ended, place))
}

/// What could not be read, by a line that a backup said; `None`: it says something else.
pub(crate) fn unread(line: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Line {
        item: String,
    }
    if !line.starts_with("{\"message_type\":\"error\"") {
        return None;
    }
    if let Ok(Line { item }) = serde_json::from_str(line) {
        return Some(item);
    }
    // The longest paths are in it twice, and the end of such a line is cut off.
    let (_, path) = line.split_once("\"Path\":\"").unwrap_or_default();
    Some(format!("/{}", path.split('"').next().unwrap_or_default().trim_start_matches('/')))
}

/// What could not be brought back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lost {
    /// Of each, what it is and why; for people, and only the first.
    pub first: Vec<String>,
    /// How many.
    pub count: u64,
    /// restic says more than one thing of a file.
    latest: String,
}

impl Lost {
    const TOLD: usize = 20;

    /// What restic complains about.
    pub(crate) fn hear(&mut self, line: &str) {
        let Some(said) = line.strip_prefix("ignoring error for ") else { return };
        let path = said.split(": ").next().unwrap_or_default();
        if path != self.latest {
            self.latest = path.to_owned();
            self.add(said);
        }
    }

    /// Something else.
    pub(crate) fn add(&mut self, said: &str) {
        self.count += 1;
        if self.first.len() < Self::TOLD {
            self.first.push(for_people(said));
        }
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.count += other.count;
        self.first.extend(other.first);
        self.first.truncate(Self::TOLD);
    }
}

/// What somebody chose a name for, so that it does nothing to a terminal and fits on some lines.
pub(crate) fn for_people(text: &str) -> String {
    const LONGEST: usize = 160;
    let shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() { format!("{shown}...") } else { shown }
}

/// Whether a restore did what it could. Its last line is its own, whatever files are called.
pub(crate) fn is_partial(ended: &Ended) -> bool {
    let last = ended.stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    ended.code == Some(1) && last.starts_with("Fatal: There were ") && last.ends_with(" errors")
}

/// restic's pattern for `path` and nothing else.
pub(crate) fn pattern(path: &Path) -> String {
    let mut pattern = String::new();
    for sign in path.display().to_string().chars() {
        if "*?[\\".contains(sign) {
            pattern.push('\\');
        }
        pattern.push(sign);
    }
    pattern
}

/// All backups in `list`, the oldest first; of no more than `most` bytes.
pub(crate) fn snapshots(ended: &Ended, list: impl Read, most: u64, place: &str) -> Result<Vec<Snapshot>, Problem> {
    if ended.code != Some(0) {
        return Err(problem(ended, place));
    }
    let mut list = BufReader::new(list).take(most);
    // As it is read: what is not needed of it, as thousands of paths, is never in memory.
    let mut snapshots: Vec<Snapshot> = match serde_json::from_reader(&mut list) {
        Ok(snapshots) => snapshots,
        Err(_) if list.limit() == 0 => {
            let what = format!("the list of the backups in `{place}` has more than {} MB", most >> 20);
            return Err(Problem::new(what, "keep fewer, with backup.keep_daily, keep_weekly and keep_monthly"));
        }
        Err(_) => return Err(problem(ended, place)),
    };
    snapshots.sort_by_key(|snapshot| snapshot.time);
    Ok(snapshots)
}

/// Whether it did what it was to do.
pub(crate) fn done(ended: &Ended, place: &str) -> Result<(), Problem> {
    if ended.code == Some(0) { Ok(()) } else { Err(problem(ended, place)) }
}

/// Words of restic, what they mean, and what to do. The first that fits counts.
const KNOWN: &[(&[&str], &str, &str)] = &[
    (
        &["wrong password or no key found"],
        "the password is not the one of the backups in {place}",
        "it was printed when these backups were set up; put it into the file that backup.password_file in the configuration names, \
         or give it with --password-file",
    ),
    (
        &["unsupported repository version", "only repository version", "repository version 3"],
        "the backups in {place} were made by a newer restic than the one on this machine",
        "use a newer distribution (restic version says which restic this one has)",
    ),
    (
        &["no space left on device", "disk quota exceeded", "enospc"],
        "there is no room left in {place}; earlier backups are intact",
        "make room there, or keep fewer with backup.keep_daily, keep_weekly and keep_monthly; then: sudo hubctl backup create",
    ),
    (
        &["repository is already locked", "unable to create lock in backend"],
        "the backups in {place} are in use, or something there was interrupted",
        "wait until that is done; if nothing is: restic unlock takes the lock away",
    ),
    (
        &["is there a repository at the following location", "unable to open config file", "repository does not exist"],
        "there are no backups in {place}",
        "is its disk connected and mounted there? To begin: sudo hubctl backup init",
    ),
    (
        &[
            "unexpected file size",
            "repository contains errors",
            "unexpected eof",
            "invalid data returned",
            "ciphertext verification failed",
            "id mismatch",
            "not found in index",
            "does not match id",
            "checksum mismatch",
        ],
        "a file of the backups in {place} is damaged or incomplete; what it held is lost to them, and nothing else is",
        "look at the disk; sudo hubctl backup check says what is damaged. Backups made in another place from now on are whole: sudo \
         hubctl backup init ANOTHER",
    ),
    (
        &["no matching id found", "no snapshot found", "unable to find snapshot", "failed to find snapshot"],
        "there is no such backup in {place}",
        "sudo hubctl backup list says which there are",
    ),
    (
        &["not found in snapshot", "no such file or directory in snapshot", "cannot dump file"],
        "that is not in this backup",
        "sudo hubctl backup list says which others there are",
    ),
    (&["read-only file system"], "{place} is read-only", "mount that disk so that it can be written"),
    (
        &[
            "permission denied (publickey",
            "host key verification failed",
            "could not resolve hostname",
            "connection refused",
            "no route to host",
            "connection timed out",
            "no such host",
            "ssh command exited",
            "unable to start the sftp session",
        ],
        "{place} can't be reached",
        "root of this machine must get there without being asked for anything: try sudo ssh USER@HOST once",
    ),
    (
        &["access denied", "invalidaccesskeyid", "signaturedoesnotmatch", "no credentials"],
        "{place} refused access",
        "its keys, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, belong into /etc/hubd/backup.env, for root alone",
    ),
    (
        &["was already loaded", "already exists.", "has a fragment file"],
        "something else is at work on the backups of this machine",
        "wait until it is done: systemctl status hubd-backup-work.service",
    ),
];

/// What went wrong.
pub(crate) fn problem(ended: &Ended, place: &str) -> Problem {
    let said = format!("{}\n{}", ended.stdout, ended.stderr);
    let lower = said.to_lowercase();
    for (words, what, hint) in KNOWN {
        if words.iter().any(|word| lower.contains(word)) {
            return Problem::new(what.replace("{place}", &format!("`{place}`")), *hint);
        }
    }
    let is_words = |line: &&str| !line.trim().is_empty() && !line.starts_with("{\"message_type\":\"status\"");
    let last: Vec<&str> = ended.stderr.lines().filter(is_words).collect();
    let last = last[last.len().saturating_sub(3)..].join("; ");
    let how = ended.code.map_or("a signal ended it".to_owned(), |code| format!("exit code {code}"));
    Problem::new(format!("restic failed ({how}): {last}"), "journalctl --unit hubd-backup says more")
}

#[cfg(test)]
mod tests;
