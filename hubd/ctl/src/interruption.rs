//! Ctrl-C, a lost terminal, a polite kill: what hubctl does then while somebody's text is open. An editor is left to deal
//! with the keys itself; where a question stands, hubctl says where the text is kept and ends; a save is never cut short.

use std::io::Write;
use std::process::exit;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

use super::failure::Exit;

/// A key that ends the editor reaches hubctl, too; how much later at most.
const ECHO: Duration = Duration::from_secs(1);

/// What happens to hubctl from outside.
#[derive(Debug, Clone)]
pub struct Interruptions {
    real: bool,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    doing: Doing,
    kept: Option<String>,
    watched: bool,
    /// Somebody wants hubctl to end, as soon as the editor has.
    ending: bool,
    /// A key came while an editor had the terminal.
    heard: bool,
    /// When a key ended an editor of which nothing was heard here yet.
    owed: Option<Instant>,
}

/// What is going on.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// Nothing that could not be ended.
    #[default]
    Asking,
    /// A program has the terminal.
    Editing(u32),
    /// The configuration is being replaced, or an editor started: a moment that has to pass.
    Unbroken,
}

impl Interruptions {
    /// The signals of this process; they do what they always do until [`Interruptions::watch`].
    pub fn of_this_process() -> Self {
        Self { real: true, state: Arc::default() }
    }

    /// Nothing ever happens.
    pub fn none() -> Self {
        Self { real: false, state: Arc::default() }
    }

    /// From now on an interruption cuts nothing short, and says what is `kept`, and where.
    ///
    /// # Errors
    /// When signals can't be listened to.
    pub(super) fn watch(&self, kept: Option<String>) -> Result<()> {
        {
            let mut state = self.lock();
            state.kept = kept.or(state.kept.take());
            if std::mem::replace(&mut state.watched, true) || !self.real {
                return Ok(());
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().context("listening to signals")?;
        let mut signals = {
            let _context = runtime.enter();
            let listen = |kind| signal(kind).context("listening to signals");
            (
                listen(SignalKind::hangup())?,
                listen(SignalKind::terminate())?,
                listen(SignalKind::interrupt())?,
                listen(SignalKind::quit())?,
            )
        };
        let state = Arc::clone(&self.state);
        thread::spawn(move || {
            runtime.block_on(async {
                loop {
                    let received = tokio::select! {
                        _ = signals.0.recv() => Signal::SIGHUP,
                        _ = signals.1.recv() => Signal::SIGTERM,
                        _ = signals.2.recv() => Signal::SIGINT,
                        _ = signals.3.recv() => Signal::SIGQUIT,
                    };
                    react(&state, received);
                }
            });
        });
        Ok(())
    }

    /// Notes what is going on from now on.
    pub(super) fn now(&self, doing: Doing) {
        let mut state = self.lock();
        if matches!(doing, Doing::Editing(_)) {
            state.heard = false;
        }
        state.doing = doing;
    }

    /// Notes that the editor was ended by a key, which reaches hubctl as well, sooner or later.
    pub(super) fn editor_was_interrupted(&self) {
        let mut state = self.lock();
        if !std::mem::take(&mut state.heard) {
            state.owed = Some(Instant::now());
        }
    }

    /// Whether somebody wanted hubctl to end while an editor had the terminal.
    pub(super) fn are_ending(&self) -> bool {
        self.lock().ending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn react(state: &Mutex<State>, received: Signal) {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let is_key = matches!(received, Signal::SIGINT | Signal::SIGQUIT);
    let doing = state.doing;
    match doing {
        Doing::Unbroken => {}
        // The terminal tells the editor itself.
        Doing::Editing(_) if is_key => state.heard = true,
        Doing::Editing(editor) => {
            state.ending = true;
            let editor = i32::try_from(editor).map(Pid::from_raw);
            // An editor that has just ended needs no signal.
            if let Some(Err(error)) = editor.ok().map(|editor| kill(editor, received)) {
                tracing::debug!(%error, "passing a signal on to the editor");
            }
        }
        // The key that ended the editor, heard of late.
        Doing::Asking if is_key && state.owed.take().is_some_and(|ended| ended.elapsed() < ECHO) => {}
        Doing::Asking => {
            match writeln!(std::io::stderr(), "\n{}", state.kept.as_deref().unwrap_or_default()) {
                // Nobody is left to read it.
                Ok(()) | Err(_) => exit(Exit::Failed as i32),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interruptions() -> Interruptions {
        Interruptions { real: true, state: Arc::default() }
    }

    #[test]
    fn a_key_that_ended_the_editor_is_heard_once_and_means_no_more() {
        let interruptions = interruptions();
        interruptions.now(Doing::Editing(u32::MAX));
        interruptions.editor_was_interrupted();
        interruptions.now(Doing::Asking);
        // Would end this process if it were taken for an answer to the question.
        react(&interruptions.state, Signal::SIGINT);
        assert!(interruptions.lock().owed.is_none(), "the next one counts");
    }

    #[test]
    fn a_key_that_was_heard_in_time_is_not_expected_again() {
        let interruptions = interruptions();
        interruptions.now(Doing::Editing(u32::MAX));
        react(&interruptions.state, Signal::SIGINT);
        interruptions.editor_was_interrupted();
        assert!(interruptions.lock().owed.is_none());
        assert!(!interruptions.are_ending());
    }
}
