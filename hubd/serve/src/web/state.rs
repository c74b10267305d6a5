//! A server's state in words, the same for the page as it is loaded and for what the page is told later.

use std::time::{Duration, SystemTime};

use hub_core::config::format_bytes;
use hub_core::control::ServerPhase;
use serde::Serialize;

use crate::servers::{NOT_RUNNING, Remedy, View};

/// Share of the memory, percent, from which on people are told.
const TIGHT: u64 = 90;

/// What a page shows of a server.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct State {
    /// One word that pages and the script go by.
    pub(super) phase: &'static str,
    /// The state in a few words.
    pub(super) title: String,
    /// What is going on.
    pub(super) message: String,
    /// Why it was stopped, where that is known; only while it is.
    pub(super) stopped: String,
    /// "212 MB of 1 GB"
    pub(super) memory: String,
    /// Share of the memory in use, percent.
    pub(super) share: u64,
    /// What to do when the memory is nearly used up.
    pub(super) tight: &'static str,
    /// That something was ended because the memory was used up.
    pub(super) ended: String,
    /// That it is stopped soon because nobody uses it.
    pub(super) unused: String,
    /// "12 minutes"
    pub(super) uptime: String,
    /// "environment 3"
    pub(super) packages: String,
    /// What a restart would bring, when it would bring other packages.
    pub(super) renew: &'static str,
    /// Why it failed.
    pub(super) summary: String,
    /// What to do about that.
    pub(super) hint: String,
    /// The last log lines, oldest first.
    pub(super) log: String,
    /// That it runs without one's own packages and settings.
    pub(super) without_own: &'static str,
    /// Why it may help to start without them.
    pub(super) plain: &'static str,
    /// What does that.
    pub(super) plain_label: &'static str,
}

impl State {
    pub(super) fn of(view: &View) -> Self {
        let (phase, title) = phase_in_words(view.phase);
        let title = match view.position {
            Some(1) if view.phase == ServerPhase::Queued => "Next in line".to_owned(),
            Some(position) if view.phase == ServerPhase::Queued => format!("Number {position} in line"),
            _ => title.to_owned(),
        };
        let (memory, share) = match (view.memory_bytes, view.memory_limit_bytes) {
            (Some(used), Some(limit)) if limit > 0 => {
                (format!("{} of {}", format_bytes(used), format_bytes(limit)), used.saturating_mul(100) / limit)
            }
            (Some(used), _) => (format_bytes(used), 0),
            (None, Some(limit)) => (format!("up to {}", format_bytes(limit)), 0),
            (None, None) => (String::new(), 0),
        };
        let failure = view.failure.as_ref();
        let (plain, plain_label) = offer(view);
        Self {
            phase,
            title,
            message: view.message.clone(),
            stopped: match view.phase {
                ServerPhase::Stopped if view.message != NOT_RUNNING => view.message.clone(),
                _ => String::new(),
            },
            memory,
            share: share.min(100),
            tight: if phase == "running" && share >= TIGHT {
                "Nearly all of it is in use. Close notebooks that you don't need: when it runs out, one of them is stopped."
            } else {
                ""
            },
            ended: ended(view),
            unused: unused(view),
            uptime: view.uptime.map(in_words).unwrap_or_default(),
            packages: view.environment.map(|number| format!("environment {number}")).unwrap_or_default(),
            renew: match (view.environment, view.newest) {
                (Some(own), Some(newest)) if own < newest => "New packages are there: restart your server to use them.",
                (Some(own), Some(newest)) if own > newest => "The packages were changed back: restart your server to follow.",
                _ => "",
            },
            summary: failure.map(|failure| failure.summary.clone()).unwrap_or_default(),
            hint: failure.and_then(|failure| failure.hint.clone()).unwrap_or_default(),
            log: failure.map(|failure| failure.log.join("\n")).unwrap_or_default(),
            without_own: match view.phase {
                ServerPhase::Running if view.without_own => {
                    "Your server runs without your own packages and settings. They are still there: restart it to use them \
                     again."
                }
                ServerPhase::Queued | ServerPhase::Starting if view.without_own => {
                    "It starts without your own packages and settings. They are still there, and back after a restart."
                }
                _ => "",
            },
            plain,
            plain_label,
        }
    }

    /// Whether the state changes by itself soon.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self.phase, "queued" | "starting" | "stopping")
    }

    /// `hidden` unless the state is one of `phases`, separated by spaces; the script goes by the same words.
    pub(super) fn hidden_unless(&self, phases: &str) -> &'static str {
        if phases.split(' ').any(|phase| phase == self.phase) { "" } else { "hidden" }
    }
}

/// That the server is stopped soon.
pub(super) fn unused(view: &View) -> String {
    let Some(at) = view.stops_at else { return String::new() };
    let left = at.duration_since(SystemTime::now()).unwrap_or_default();
    let when = if left < Duration::from_secs(60) { "in a moment".to_owned() } else { format!("in {}", in_words(left)) };
    format!(
        "Nobody has used your server for a while, so it stops {when}. Saved files stay; what notebooks have in memory is lost."
    )
}

/// What the kernel ended for want of memory, of which Jupyter says only that a kernel died.
pub(super) fn ended(view: &View) -> String {
    let age = view.memory_kills.latest.and_then(|latest| latest.elapsed().ok()).map(in_words);
    let what = match (view.memory_kills.count, age) {
        (0, _) => return String::new(),
        (1, None) => "A notebook or program of yours was stopped".to_owned(),
        (1, Some(age)) => format!("A notebook or program of yours was stopped {age} ago"),
        (count, None) => format!("{count} notebooks or programs of yours were stopped"),
        (count, Some(age)) => format!("{count} notebooks or programs of yours were stopped, the last one {age} ago"),
    };
    let memory =
        view.memory_limit_bytes.map_or_else(|| "memory".to_owned(), |bytes| format!("{} of memory", format_bytes(bytes)));
    format!("{what}: your server had used up its {memory}. Saved files are safe. Load less data at a time.")
}

/// Why it may help to leave out one's own packages and settings, and the button that does it; nothing where it can't help.
fn offer(view: &View) -> (&'static str, &'static str) {
    let why = match (Remedy::of(view), view.phase) {
        (Remedy::Pointless, _) => return ("", ""),
        (Remedy::IsLikely, _) => {
            "It looks as if something that you installed or set yourself caused this. Nothing is lost if you start without it \
             once."
        }
        (Remedy::MayHelp, ServerPhase::Failed) => {
            "If you have installed something or changed a setting, that may be why. Nothing is lost if you start without it \
             once."
        }
        (Remedy::MayHelp, _) => "Is one of your own packages or settings causing trouble?",
    };
    match view.phase {
        ServerPhase::Running => (why, "Restart without my packages and settings"),
        _ => (why, "Start without my packages and settings"),
    }
}

/// A phase as the word that pages and the script go by, and in a few words.
pub(super) fn phase_in_words(phase: ServerPhase) -> (&'static str, &'static str) {
    match phase {
        ServerPhase::Stopped => ("stopped", "Not running"),
        ServerPhase::Queued => ("queued", "Waiting in line"),
        ServerPhase::Starting => ("starting", "Starting"),
        ServerPhase::Running => ("running", "Running"),
        ServerPhase::Stopping => ("stopping", "Stopping"),
        ServerPhase::Failed => ("failed", "Not running"),
    }
}

/// A span of time the way people say it.
pub(super) fn in_words(span: Duration) -> String {
    let minutes = span.as_secs() / 60;
    match minutes {
        0 => "less than a minute".to_owned(),
        1 => "a minute".to_owned(),
        2..60 => format!("{minutes} minutes"),
        60..120 => "an hour".to_owned(),
        120..2880 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}

/// A wait the way people say it.
pub(super) fn seconds_in_words(seconds: u64) -> String {
    match seconds {
        0 | 1 => "a second".to_owned(),
        2..120 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_times_like_people() {
        for (seconds, words) in [
            (0, "less than a minute"),
            (60, "a minute"),
            (119, "a minute"),
            (3599, "59 minutes"),
            (7199, "an hour"),
            (7200, "2 hours"),
            (172_800, "2 days"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words, "{seconds}");
        }
        for (seconds, words) in [(1, "a second"), (30, "30 seconds"), (121, "3 minutes")] {
            assert_eq!(seconds_in_words(seconds), words, "{seconds}");
        }
    }
}
