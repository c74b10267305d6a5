//! Processes by number and start time, so that a number the kernel gave to somebody else is never signalled.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// One process of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    pub(super) pid: i32,
    /// When it started, in ticks since the host booted.
    started: u64,
}

impl Process {
    /// The process with this number, if there is one that has not ended.
    pub(super) fn find(pid: i32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (state, started) = parse_stat(&stat)?;
        // A process that has ended stays listed until its parent asks for the result.
        (!matches!(state, 'Z' | 'X')).then_some(Self { pid, started })
    }

    pub(super) fn is_alive(&self) -> bool {
        Self::find(self.pid) == Some(*self)
    }

    /// Its directory in `/proc`.
    pub(super) fn directory(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.pid))
    }

    /// Its only child that is PID 1 of a PID namespace.
    pub(super) fn child_init(&self) -> Result<Option<Self>> {
        let path = self.directory().join(format!("task/{}/children", self.pid));
        let Ok(children) = fs::read_to_string(&path) else { return Ok(None) };
        for child in children.split_whitespace() {
            let pid: i32 = child.parse().with_context(|| format!("reading `{}`", path.display()))?;
            if is_init(pid) {
                return Ok(Self::find(pid));
            }
        }
        Ok(None)
    }

    /// Sends a signal; a process that has ended meanwhile is fine.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        if !self.is_alive() {
            return Ok(());
        }
        match kill(Pid::from_raw(self.pid), signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("sending {signal} to process {}", self.pid)),
        }
    }

    /// Waits until it has ended.
    pub(super) fn wait(&self, what: &str, timeout: Duration) -> Result<()> {
        wait_until(what, timeout, || Ok((!self.is_alive()).then_some(())))
    }
}

/// Asks again and again until there is an answer.
///
/// # Errors
/// When there is none within `timeout`; the error says `what` was waited for.
pub(super) fn wait_until<T>(what: &str, timeout: Duration, mut answer: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(answer) = answer()? {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            bail!("waited {} s for {what}", timeout.as_secs());
        }
        thread::sleep(POLL_INTERVAL);
    }
}

fn is_init(pid: i32) -> bool {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { return false };
    let Some(numbers) = status.lines().find_map(|line| line.strip_prefix("NSpid:")) else { return false };
    let numbers: Vec<&str> = numbers.split_whitespace().collect();
    numbers.len() > 1 && numbers.last() == Some(&"1")
}

/// State and start time from `/proc/PID/stat`. The name in it may hold blanks and brackets.
fn parse_stat(stat: &str) -> Option<(char, u64)> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stat_of_a_process_with_an_odd_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3";
        assert_eq!(parse_stat(stat), Some(('S', 98765)));
    }

    #[test]
    fn tells_a_reused_number_from_the_process_it_knew() {
        let own = i32::try_from(std::process::id()).unwrap();
        let this = Process::find(own).unwrap();
        assert!(this.is_alive());
        assert!(!Process { started: this.started + 1, ..this }.is_alive());
    }

    #[test]
    fn error_says_what_was_waited_for() {
        let error = wait_until::<()>("the moon", Duration::ZERO, || Ok(None)).unwrap_err();
        assert_eq!(error.to_string(), "waited 0 s for the moon");
    }
}
