//! How many attempts an account has had of late, kept where `hubd serve` can't reach it: whoever has taken that over can ask without
//! its throttle, and not more often than here.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Wrong passwords that are free, for one account.
const FREE: f64 = 100.0;
/// After so long one more is: 8,640 a day. More than the throttle of the web front lets through for all but the longest attacks.
const REGAIN: Duration = Duration::from_secs(10);
/// Most accounts that are counted at a time. An account is forgotten after [`FREE`] times [`REGAIN`], a quarter of an hour.
const MOST: usize = 20_000;

/// The counts, in a file that goes with the machine's boot.
pub(crate) struct Attempts {
    file: PathBuf,
}

/// What is left to an account.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Left {
    free: f64,
    /// When that was reckoned, in seconds since the machine was started.
    at: f64,
}

impl Left {
    fn now(self, now: f64) -> f64 {
        (self.free + (now - self.at).max(0.0) / REGAIN.as_secs_f64()).min(FREE)
    }
}

/// Since the machine was started.
pub(crate) fn since_boot() -> Duration {
    // The kernel has always had this clock.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}

impl Attempts {
    pub(crate) fn new(file: PathBuf) -> Self {
        Self { file }
    }

    /// Counts an attempt for `account` as a wrong one, before it is made. `Some`: it may not be made; after how long one may.
    ///
    /// # Errors
    /// When it can't be counted: then it may not be made either.
    pub(crate) fn spend(&self, account: &str, now: Duration) -> Result<Option<Duration>> {
        let now = now.as_secs_f64();
        self.change(|counts| {
            counts.retain(|_, left| left.now(now) < FREE);
            let free = counts.get(account).map_or(FREE, |left| left.now(now));
            if free < 1.0 || counts.len() >= MOST && !counts.contains_key(account) {
                return Some(REGAIN.mul_f64((1.0 - free).max(1.0)));
            }
            counts.insert(account.to_owned(), Left { free: free - 1.0, at: now });
            None
        })
    }

    /// The latest attempt for `account` was none with a wrong password.
    ///
    /// # Errors
    /// When it can't be counted.
    pub(crate) fn give_back(&self, account: &str) -> Result<()> {
        self.change(|counts| {
            if let Some(left) = counts.get_mut(account) {
                left.free = (left.free + 1.0).min(FREE);
            }
        })
    }

    fn change<T>(&self, work: impl FnOnce(&mut BTreeMap<String, Left>) -> T) -> Result<T> {
        let place = self.file.display();
        let mut file = self.open().with_context(|| format!("opening `{place}`"))?;
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(|| format!("reading `{place}`"))?;
        let mut counts = if text.is_empty() {
            BTreeMap::new()
        } else {
            serde_json::from_str(&text).with_context(|| format!("`{place}` is damaged; remove it"))?
        };
        let outcome = work(&mut counts);
        let text = serde_json::to_vec(&counts)?;
        file.rewind()
            .and_then(|()| file.set_len(0))
            .and_then(|()| file.write_all(&text))
            .with_context(|| format!("writing `{place}`"))?;
        Ok(outcome)
    }

    /// The file, which nobody else has while this one does.
    fn open(&self) -> Result<Flock<File>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&self.file)?;
        Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn wrong_attempts_are_used_up_and_come_back() {
        let place = tempfile::tempdir().unwrap();
        let attempts = Attempts::new(place.path().join("attempts"));
        for number in 0..100 {
            assert_eq!(attempts.spend("cara", HOUR).unwrap(), None, "{number}");
        }
        assert!(attempts.spend("cara", HOUR).unwrap().is_some_and(|wait| wait <= REGAIN));
        assert_eq!(attempts.spend("dora", HOUR).unwrap(), None, "another account");
        // In a process of its own, as each attempt is.
        let attempts = Attempts::new(place.path().join("attempts"));
        assert!(attempts.spend("cara", HOUR).unwrap().is_some());
        assert_eq!(attempts.spend("cara", HOUR + REGAIN).unwrap(), None);
        assert!(attempts.spend("cara", HOUR + REGAIN).unwrap().is_some());
        assert_eq!(attempts.spend("dora", 2 * HOUR).unwrap(), None);
        let kept = std::fs::read_to_string(place.path().join("attempts")).unwrap();
        assert!(!kept.contains("cara"), "what came back whole is forgotten: {kept}");
    }

    #[test]
    fn a_right_password_costs_nothing() {
        let place = tempfile::tempdir().unwrap();
        let attempts = Attempts::new(place.path().join("attempts"));
        for _ in 0..300 {
            assert_eq!(attempts.spend("cara", HOUR).unwrap(), None);
            attempts.give_back("cara").unwrap();
        }
    }

    #[test]
    fn what_can_not_be_counted_is_not_tried() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("attempts"), "{").unwrap();
        assert!(Attempts::new(place.path().join("attempts")).spend("cara", HOUR).is_err());
    }
}
