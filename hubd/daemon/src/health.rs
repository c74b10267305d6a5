//! What systemd is told: ready, how it goes, alive, on the way down. Outside systemd all of it goes nowhere.

use std::time::Duration;

use anyhow::{Context, Result};
use sd_notify::NotifyState;
use tokio::time::{interval, timeout};

/// How often the status line is brought up to date where systemd watches nothing.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);
/// Longest wait for one proof of life.
const PROOF_TIMEOUT: Duration = Duration::from_secs(5);

/// Tells systemd; a line that can't be delivered is logged and nothing more.
pub fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("telling systemd {states:?}: {error}");
    }
}

/// Tells systemd that the hub can't start, in the one line that `systemctl status` has room for.
pub fn tell_problem(error: &anyhow::Error) {
    let text = format!("{error:#}");
    let line = text.lines().next().unwrap_or_default();
    tell(&[NotifyState::Status(line)]);
}

/// As often as systemd wants it, and only while `prove` succeeds, says that the hub is alive. `prove` has to go through
/// what must not hang and returns the status line.
pub async fn keep_alive(prove: impl AsyncFn() -> Result<String>) {
    // A third of what systemd allows: one late round does not cost the service its life.
    let pause = sd_notify::watchdog_enabled().map_or(STATUS_INTERVAL, |allowed| allowed / 3);
    let mut rounds = interval(pause);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        let proof = timeout(PROOF_TIMEOUT.min(pause), prove()).await.context("waiting for a sign of life");
        match proof.and_then(|proof| proof) {
            Ok(status) => tell(&[NotifyState::Watchdog, NotifyState::Status(&status)]),
            Err(error) => tracing::error!("the watchdog gets no sign of life: {error:#}"),
        }
    }
}
