//! What is noted about a job while it is done: its record, and its log.

use std::fs::File;
use std::time::{Duration, Instant};

use anyhow::Result;
use hub_core::control::environment::{BuildState, Record};
use hub_core::packages::{Asked, compare};

use crate::jobs::store::{JobStore, write_line};
use crate::pyenv::{BuildEvent, Generation};

/// How often it is noted how far a download is.
const DOWNLOAD_INTERVAL: Duration = Duration::from_millis(300);

/// One job and what is noted about it while it is done.
pub(super) struct Journal<'a> {
    store: &'a JobStore,
    pub(super) record: Record,
    log: Option<File>,
    begun: Instant,
    /// When it was noted last how far a download is.
    told: Option<Instant>,
}

impl<'a> Journal<'a> {
    /// Of the job that `record` is about, from now on.
    pub(super) fn begin(store: &'a JobStore, record: Record) -> Self {
        let log = store.open_log(record.number).map_err(|error| tracing::warn!("going on without a log: {error:#}")).ok();
        Self { store, record, log, begun: Instant::now(), told: None }
    }

    pub(super) fn hear(&mut self, said: BuildEvent<'_>) {
        match said {
            BuildEvent::Phase(text) => {
                tracing::info!(number = self.record.number, "environment {}: {text}", self.record.number);
                text.clone_into(&mut self.record.phase);
                self.save();
                self.note(text);
            }
            BuildEvent::Detail(text) => self.write(&format!("          {text}")),
            BuildEvent::Downloading(download) => {
                self.record.download = Some(download.clone());
                // Each time is a file on the disk, and many small ones come at once.
                if download.packages.is_empty() || self.told.is_none_or(|told| told.elapsed() > DOWNLOAD_INTERVAL) {
                    self.told = Some(Instant::now());
                    self.save();
                }
            }
        }
    }

    pub(super) fn wants(&mut self, asked: &Asked) {
        self.record.asked.clone_from(&asked.packages);
        self.record.conda.clone_from(&asked.conda);
    }

    pub(super) fn note(&mut self, text: &str) {
        self.write(&format!("[{:5.1} s] {text}", self.begun.elapsed().as_secs_f64()));
    }

    /// A log or a record that can't be written (a full disk) is no reason not to go on, or back.
    fn write(&mut self, line: &str) {
        if let Some(log) = &mut self.log
            && let Err(error) = write_line(log, line)
        {
            tracing::warn!("{error:#}");
        }
    }

    pub(super) fn save(&mut self) {
        if let Err(error) = self.store.save(&self.record) {
            tracing::warn!("{error:#}");
        }
    }

    pub(super) fn compare(&mut self, from: Option<&Generation>, to: &Generation) -> Result<()> {
        let before = from.map(Generation::installed).transpose()?.unwrap_or_default();
        self.record.changes = compare(&before, &to.installed()?);
        Ok(())
    }

    pub(super) fn end(&mut self, done: Result<BuildState>) {
        let record = &mut self.record;
        record.seconds = Some(self.begun.elapsed().as_secs_f64());
        match done {
            Ok(state) => {
                record.state = state;
                "done".clone_into(&mut record.phase);
                tracing::info!(number = record.number, who = record.who, "environment: {} for {}: done", record.what, record.who);
            }
            Err(error) => {
                record.state = BuildState::Failed;
                let text = format!("{error:#}");
                let (reason, hint) =
                    text.split_once("\nhint: ").map_or((text.as_str(), None), |(reason, hint)| (reason, Some(hint)));
                record.reason = Some(reason.trim_end().to_owned());
                record.hint = hint.map(str::to_owned);
                tracing::warn!(
                    number = record.number,
                    who = record.who,
                    "environment: {} for {}: {reason}",
                    record.what,
                    record.who
                );
            }
        }
        let last = match (&self.record.reason, &self.record.hint) {
            (Some(reason), Some(hint)) => format!("failed: {reason}\nhint: {hint}"),
            (Some(reason), None) => format!("failed: {reason}"),
            _ => "done".to_owned(),
        };
        self.note(last.lines().next().unwrap_or_default());
        for line in last.lines().skip(1) {
            self.write(&format!("          {line}"));
        }
        self.save();
    }
}
