//! How a run shows itself: a bar on a terminal, plain lines elsewhere, and everything in a log that only root reads.
//!
//! Talk goes to standard error; standard output is for what the caller asked for.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;

use crate::apply::{Position, Watcher};
use crate::plan::Step;
use crate::receipt::Outcome;

/// Without a bar, a long step says what it is at when nothing was said for so long.
const LONGEST_SILENCE: Duration = Duration::from_secs(15);

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loudness {
    /// Problems and results.
    Quiet,
    /// What changes.
    Normal,
    /// What was looked at, too.
    Verbose,
}

/// Where talk goes.
#[derive(Debug, Clone)]
pub struct Talk {
    loudness: Loudness,
    bar: Option<ProgressBar>,
    /// When something was said last.
    last: Arc<Mutex<Instant>>,
}

impl Talk {
    /// Talk on standard error, with a bar when that is a terminal.
    pub fn new(loudness: Loudness) -> Self {
        let fancy = loudness == Loudness::Normal && std::io::stderr().is_terminal();
        Self { loudness, bar: fancy.then(bar), last: Arc::new(Mutex::new(Instant::now())) }
    }

    /// Something everybody wants to know.
    pub fn say(&self, text: &str) {
        tracing::info!("{text}");
        if self.loudness >= Loudness::Normal {
            self.print(text);
        }
    }

    /// Something for whoever sits here, and in no log.
    pub fn confide(&self, text: &str) {
        if self.loudness >= Loudness::Normal {
            self.print(text);
        }
    }

    /// Something that matters even to those who want quiet.
    pub fn warn(&self, text: &str) {
        tracing::warn!("{text}");
        self.print(&format!("warning: {text}"));
    }

    /// What is going on within a step.
    pub fn detail(&self, text: &str) {
        tracing::info!("{text}");
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None if self.loudness == Loudness::Verbose || (self.loudness == Loudness::Normal && self.was_silent()) => {
                self.print(&format!("    {text}"));
            }
            None => {}
        }
    }

    fn was_silent(&self) -> bool {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).elapsed() >= LONGEST_SILENCE
    }

    /// Takes the bar away, for a question or the end.
    pub fn pause(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn print(&self, text: &str) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        match &self.bar {
            Some(bar) if !bar.is_finished() => bar.suspend(|| say(text)),
            _ => say(text),
        }
    }
}

/// A line on standard error. That nobody reads it any more is no reason to stop half-way; the log has it, too.
pub fn say(text: &str) {
    if let Err(error) = writeln!(std::io::stderr(), "{text}") {
        tracing::debug!(%error, "nobody reads what is said");
    }
}

/// Before the number of steps is known, something that only shows that there is life.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    dress(&bar, "{spinner} {msg:.dim}");
    bar
}

fn dress(bar: &ProgressBar, template: &str) {
    // A template that can't be read would only cost the looks.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
}

impl Watcher for Talk {
    fn begins(&mut self, at: Position, step: &Step) {
        tracing::info!(step = step.id, "step begins");
        match &self.bar {
            Some(bar) => {
                if bar.is_finished() || bar.length().is_none() {
                    bar.reset();
                    dress(bar, "{bar:20} {pos}/{len}  {prefix}  {wide_msg:.dim}");
                }
                bar.set_length(at.total as u64);
                bar.set_position(at.before as u64);
                bar.set_prefix(step.title.clone());
                bar.set_message("");
            }
            None => {
                if let Some(text) = announced(at, step, self.loudness) {
                    self.print(&text);
                }
            }
        }
    }

    fn ends(&mut self, at: Position, step: &Step, outcome: Option<Outcome>) {
        tracing::info!(step = step.id, ?outcome, "step done");
        if let Some(bar) = &self.bar {
            return bar.set_position(at.number() as u64);
        }
        if self.loudness >= Loudness::Normal {
            self.print(&line(if outcome == Some(Outcome::Changed) { "changed" } else { "done   " }, at, step));
        }
    }

    fn satisfied(&mut self, step: &Step) {
        tracing::debug!(step = step.id, "step is satisfied");
        if self.loudness == Loudness::Verbose {
            self.print(&format!("is so           {}", step.title));
        }
    }
}

/// A step that begins, where it takes long; what is over in a moment is named when it is done.
fn announced(at: Position, step: &Step, loudness: Loudness) -> Option<String> {
    (step.action.takes_long() && loudness >= Loudness::Normal).then(|| line("begun  ", at, step))
}

fn line(verb: &str, at: Position, step: &Step) -> String {
    format!("{verb} {:>2}/{}  {}", at.number(), at.total, step.title)
}

/// Sends everything that is logged to `path`, readable by root alone, after what is there.
///
/// # Errors
/// When the file can't be opened.
pub fn log_to(path: &Path) -> Result<()> {
    let mut options = File::options();
    options.create(true).append(true).mode(0o600).custom_flags(nix::libc::O_NOFOLLOW);
    let file = options.open(path).with_context(|| format!("opening log `{}`", path.display()))?;
    // The installer's own steps in full; of others (HTTP, TLS) what is wrong.
    let filter = EnvFilter::new("warn,installer=debug,hub_core=debug,hub_system=info,hub_environment=info");
    tracing_subscriber::fmt().with_env_filter(filter).with_timer(SystemTime).with_ansi(false).with_writer(file).init();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Action;

    #[test]
    fn what_takes_long_is_named_while_one_waits_for_it() {
        let step = |action: Action| Step { id: "x".into(), title: "a step".into(), action, restarts: Vec::new() };
        let at = Position { before: 4, total: 12 };
        let long = step(Action::Environment { packages: Vec::new() });
        assert_eq!(announced(at, &long, Loudness::Normal).as_deref(), Some("begun    5/12  a step"));
        assert_eq!(announced(at, &long, Loudness::Quiet), None);
        assert_eq!(announced(at, &step(Action::Group { name: "hubd".into() }), Loudness::Verbose), None);
    }
}
