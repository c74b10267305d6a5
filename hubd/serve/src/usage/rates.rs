//! Processor time per time: what each server does at the moment, from what the kernel has counted for it so far.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use hub_core::accounts::Username;

/// How far back something is known.
const KEPT: Duration = Duration::from_secs(60);

/// What was counted at some moments, the latest last.
#[derive(Debug, Default)]
pub(super) struct Rates(VecDeque<(Instant, BTreeMap<Username, Duration>)>);

impl Rates {
    /// Takes in what is counted at `now`.
    pub(super) fn learn(&mut self, now: Instant, counted: BTreeMap<Username, Duration>) {
        self.0.push_back((now, counted));
        // One of a minute ago stays, so that a whole minute is known.
        while self.0.get(1).is_some_and(|(then, _)| now.saturating_duration_since(*then) >= KEPT) {
            self.0.pop_front();
        }
    }

    /// Processors that `name`'s server kept busy between the last two looks; `None`: it was not there at both.
    pub(super) fn now(&self, name: &Username) -> Option<f64> {
        self.since(self.0.len().checked_sub(2)?, name)
    }

    /// The same over the last minute, or as much of it as is known.
    pub(super) fn minute(&self, name: &Username) -> Option<f64> {
        let first = self.0.iter().position(|(_, counted)| counted.contains_key(name))?;
        self.since(first, name)
    }

    fn since(&self, first: usize, name: &Username) -> Option<f64> {
        let ((then, before), (now, after)) = (self.0.get(first)?, self.0.back()?);
        let span = now.saturating_duration_since(*then).as_secs_f64();
        // A server that was started anew is counted anew.
        let used = after.get(name)?.checked_sub(*before.get(name)?)?;
        (span > 0.0).then(|| used.as_secs_f64() / span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Username {
        text.parse().unwrap()
    }

    #[test]
    fn a_rate_is_between_two_looks() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        let look = |rates: &mut Rates, at: u64, used: &[(&str, u64)]| {
            let counted = used.iter().map(|(who, seconds)| (name(who), Duration::from_secs(*seconds))).collect();
            rates.learn(start + Duration::from_secs(at), counted);
        };
        assert_eq!(rates.now(&name("ada")), None);
        look(&mut rates, 0, &[("ada", 100)]);
        assert_eq!((rates.now(&name("ada")), rates.minute(&name("ada"))), (None, None), "one look says nothing");
        look(&mut rates, 5, &[("ada", 105), ("bob", 7)]);
        assert_eq!((rates.now(&name("ada")), rates.now(&name("bob"))), (Some(1.0), None));
        look(&mut rates, 10, &[("ada", 105), ("bob", 17)]);
        assert_eq!((rates.now(&name("ada")), rates.minute(&name("ada"))), (Some(0.0), Some(0.5)));
        assert_eq!((rates.now(&name("bob")), rates.minute(&name("bob"))), (Some(2.0), Some(2.0)));
        look(&mut rates, 15, &[("ada", 1)]);
        assert_eq!((rates.now(&name("ada")), rates.now(&name("bob"))), (None, None), "started anew, gone");
        for at in 4..100 {
            look(&mut rates, at * 5, &[("ada", at)]);
        }
        assert_eq!(rates.0.len(), 13, "a minute and no more is kept");
        assert_eq!(rates.minute(&name("ada")), Some(0.2));
    }
}
