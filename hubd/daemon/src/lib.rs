//! What all daemons of the hub do alike: set up logging, tell systemd how it goes, and wait a little before they give up, so that
//! a mistake in the configuration does not fill the journal.

pub mod health;
mod journal;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
pub use sd_notify::NotifyState;

/// How long a daemon that can't start says why before it ends and systemd starts it again.
const PAUSE_BEFORE_NEXT_TRY: Duration = Duration::from_secs(5);

/// Does `work` as the daemon that the journal calls `name`, until systemd ends it.
pub fn run(name: &str, work: impl FnOnce() -> Result<()>) -> ExitCode {
    let variable = |name: &str| std::env::var(name).ok();
    journal::set_up(&journal::Wishes { stream: variable("JOURNAL_STREAM"), filter: variable("HUBD_LOG") }, name);
    let is_supervised = variable("NOTIFY_SOCKET").is_some();
    let Err(error) = work() else { return ExitCode::SUCCESS };
    tracing::error!("{name} ends: {error:#}");
    if is_supervised {
        health::tell_problem(&error);
        std::thread::sleep(PAUSE_BEFORE_NEXT_TRY);
        health::tell(&[NotifyState::Stopping]);
    }
    ExitCode::FAILURE
}
