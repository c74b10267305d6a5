//! One step of a build: a program in a unit without rights, what it says, and an eye on the disk meanwhile.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hub_system::command::Command;
use hub_system::transient::{Attachment, TransientRun};
use nix::sys::statvfs::statvfs;

use super::downloads::Downloads;
use super::{BuildEvent, ProgressSink, STOP_TIMEOUT, SYSTEMCTL};
use crate::pyenv::advice;
use crate::pyenv::unit::{self, Places, Step};

/// systemd ends a step at its deadline by itself; this only covers systemd not answering.
const GRACE: Duration = Duration::from_secs(60);
/// Lines of a program that an error repeats.
const LAST_LINES: usize = 30;
/// Lines of a solver that explains itself.
const MOST_REASONS: usize = 80;
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// A build ends before the disk that others need is full: at this much, or a twentieth of a small disk.
const LEAST_FREE: u64 = 200 << 20;

/// Runs `step` with `new` to write to.
pub(super) fn run(step: &Step, places: &Places<'_>, new: &Path, progress: ProgressSink<'_>) -> Result<()> {
    let unit = TransientRun::new(Attachment::Piped, &format!("Python environment of the hub: {}", step.title))
        .unit(unit::UNIT)
        .properties(unit::properties(places, new, step.network));
    let unit = unit::environment(places).into_iter().fold(unit, |unit, (name, value)| unit.env(name, &value));
    let (program, arguments) = step.arguments.split_first().context("a step without a program")?;
    let command = unit.command(unit::STEP_TIMEOUT + GRACE, Path::new(program), arguments);
    let (ended, full) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut downloads = Downloads::default();
    let output = thread::scope(|scope| {
        scope.spawn(|| watch_disk(new, &ended, &full));
        let output = command.output_with(|line| {
            if let Some(download) = downloads.hear(line) {
                progress(BuildEvent::Downloading(&download));
            }
            // uv lists every package it installed; what counts is in the lock file.
            if !line.starts_with(" + ") {
                progress(BuildEvent::Detail(line));
            }
        });
        ended.store(true, Ordering::Relaxed);
        output
    })?;
    if full.load(Ordering::Relaxed) {
        bail!(
            "the disk is almost full, so the build was stopped\nhint: make room below `/opt`, then ask again; hubctl env gc may help"
        );
    }
    if output.success() {
        return Ok(());
    }
    let said = format!("{}{}", output.stdout, output.stderr);
    let last: Vec<&str> = said.trim_end().lines().filter(|line| !line.starts_with(" + ")).collect();
    let last = last[last.len().saturating_sub(LAST_LINES)..].join("\n");
    let hint = advice::hint(&said, places.is_bundle_only).map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    // The resolver's own words say it best; conda's begin with what is wanted.
    if let Some(start) = said.find("Cannot solve the request") {
        let lines: Vec<&str> = said[start..].trim_end().lines().take(MOST_REASONS).collect();
        bail!("{}{hint}", lines.join("\n"));
    }
    if said.contains("No solution found") {
        bail!("{}{hint}", last.trim_start_matches("error: "));
    }
    let how = output.code.map_or("a signal ended it".to_owned(), |code| format!("exit code {code}"));
    bail!("{how}\n{last}{hint}")
}

/// Ends the step when the disk is almost full.
fn watch_disk(place: &Path, ended: &AtomicBool, full: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        match is_full(place) {
            Ok(false) => {}
            Ok(true) => {
                full.store(true, Ordering::Relaxed);
                let stopped = Command::new(SYSTEMCTL, STOP_TIMEOUT).args(["stop", "--quiet", unit::UNIT]).output();
                if let Err(error) = stopped {
                    tracing::warn!("ending a build that fills the disk: {error:#}");
                }
                return;
            }
            Err(error) => tracing::debug!("looking at the disk: {error:#}"),
        }
        thread::sleep(LOOK_INTERVAL);
    }
}

fn is_full(place: &Path) -> Result<bool> {
    let disk = statvfs(place).with_context(|| format!("looking at the disk of `{}`", place.display()))?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.fragment_size());
    Ok(bytes(disk.blocks_available()) < LEAST_FREE.min(bytes(disk.blocks()) / 20))
}
