//! `tests/run --flakes`: parts again and again, for what fails now and then. It goes on where it was cut short: what each run came to is
//! a line in a file of the commit, and the artefacts of the first that failed stay beside it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use fs_err as fs;
use hub_system::command::Command;

use super::artefacts;
use super::part::{Part, Work};
use crate::context::repository;
use crate::scenario;

const GIT_DEADLINE: Duration = Duration::from_secs(60);
/// How often a part is run that waits for something or races with it.
const OFTEN: u32 = 60;
/// How often any other.
const SELDOM: u32 = 10;

/// What came of the runs of one commit.
#[derive(Debug)]
pub(super) struct Flakes {
    directory: PathBuf,
    times: Option<u32>,
}

/// Of one part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    runs: u32,
    failures: u32,
}

impl Flakes {
    /// Of the commit that is checked out, and of what has changed since; `times`: how often each part is run instead.
    ///
    /// # Errors
    /// When git does not know it, or there is no room.
    pub(super) fn of_this_commit(times: Option<u32>) -> Result<Self> {
        let root = repository().display().to_string();
        let describe = ["git", "-C", &root, "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty"];
        let commit = Command::new("/usr/bin/env", GIT_DEADLINE).args(describe).run().context("asking git for the commit")?;
        let directory = artefacts("flakes").join(commit.trim());
        fs::create_dir_all(&directory)?;
        Ok(Self { directory, times })
    }

    /// Those of `parts` that were not run often enough yet. Only scenarios wait and race.
    ///
    /// # Errors
    /// When the results so far can't be read.
    pub(super) fn left<'a>(&self, parts: &[&'a Part]) -> Result<Vec<&'a Part>> {
        let results = self.results()?;
        let counts = counts(&results);
        let runs = |part: &Part| counts.get(part.name).map_or(0, |count| count.runs);
        let wanted = |part: &Part| self.times.unwrap_or(if scenario::RACING.contains(&part.name) { OFTEN } else { SELDOM });
        let scenarios = parts.iter().filter(|part| matches!(part.work, Work::Scenario(_)));
        Ok(scenarios.filter(|part| runs(part) < wanted(part)).copied().collect())
    }

    /// Notes how a run ended; returns where its artefacts are from now on.
    ///
    /// # Errors
    /// When it can't be written.
    pub(super) fn note(&self, part: &str, is_ok: bool, seconds: f64) -> Result<PathBuf> {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(self.file())?;
        let line = format!("{part}\t{}\t{seconds:.1}\n", if is_ok { "ok" } else { "failed" });
        file.write_all(line.as_bytes())?;
        let (left, kept) = (artefacts(part), self.directory.join(part));
        if is_ok || kept.exists() {
            return Ok(left);
        }
        fs::rename(left, &kept)?;
        Ok(kept)
    }

    /// How many runs there were of all parts together.
    ///
    /// # Errors
    /// When the results can't be read.
    pub(super) fn runs(&self) -> Result<u32> {
        Ok(counts(&self.results()?).values().map(|count| count.runs).sum())
    }

    /// All results of the commit as a table, and how many runs failed.
    ///
    /// # Errors
    /// When they can't be read.
    pub(super) fn table(&self) -> Result<(String, u32)> {
        let results = self.results()?;
        let counts = counts(&results);
        let mut table = format!("{:<22} {:>5} {:>9}  first failure\n", "part", "runs", "failures");
        for (part, count) in &counts {
            let kept = self.directory.join(part);
            let place = if count.failures == 0 { String::new() } else { kept.join("log.txt").display().to_string() };
            table.push_str(format!("{part:<22} {:>5} {:>9}  {place}", count.runs, count.failures).trim_end());
            table.push('\n');
        }
        Ok((table, counts.values().map(|count| count.failures).sum()))
    }

    fn results(&self) -> Result<String> {
        if self.file().exists() { Ok(fs::read_to_string(self.file())?) } else { Ok(String::new()) }
    }

    fn file(&self) -> PathBuf {
        self.directory.join("results.tsv")
    }
}

/// By part; a line that was cut short is none.
fn counts(results: &str) -> BTreeMap<&str, Count> {
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    for line in results.lines() {
        let [part, outcome @ ("ok" | "failed"), _] = line.split('\t').collect::<Vec<_>>()[..] else { continue };
        let count = counts.entry(part).or_default();
        count.runs += 1;
        count.failures += u32::from(outcome == "failed");
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::super::part::all;
    use super::*;

    #[test]
    fn a_second_call_goes_on_and_counts_what_the_first_one_saw() {
        let directory = tempfile::tempdir().unwrap();
        let flakes = Flakes { directory: directory.path().to_owned(), times: None };
        let parts = all();
        let some: Vec<&Part> = parts.iter().filter(|part| ["unit", "survive", "locks"].contains(&part.name)).collect();
        let names = |parts: Vec<&Part>| parts.iter().map(|part| part.name).collect::<Vec<_>>();
        assert_eq!(names(flakes.left(&some).unwrap()), ["survive", "locks"]);
        fs::create_dir(flakes.directory.join("survive")).unwrap();
        for run in 0..SELDOM {
            flakes.note("locks", true, 1.5).unwrap();
            flakes.note("survive", run != 3, 40.0).unwrap();
        }
        assert_eq!(names(flakes.left(&some).unwrap()), ["survive"]);
        let (table, failures) = flakes.table().unwrap();
        assert_eq!(failures, 1);
        assert!(table.contains("\nlocks                     10         0\nsurvive                   10         1  /"), "{table}");
        fs::OpenOptions::new().append(true).open(flakes.file()).unwrap().write_all(b"survive\tfai").unwrap();
        assert_eq!(counts(&flakes.results().unwrap())["survive"], Count { runs: 10, failures: 1 });
        let fewer = Flakes { times: Some(3), ..flakes };
        assert!(fewer.left(&some).unwrap().is_empty());
    }
}
