//! Which programs of a server the kernel ended because its memory was used up. The server itself lives on, and all that
//! Jupyter says is that a kernel died, so this is the only place where the reason is known.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use hub_core::accounts::Username;

use hub_core::launcher::protocol::UnitState;

/// What is known about one server since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryKills {
    /// How many programs were ended.
    pub count: u64,
    /// When the hub noticed the latest; `None`: none, or before the hub itself was started.
    pub latest: Option<SystemTime>,
}

/// So many programs may be ended within [`WINDOW`]. Of each the kernel writes some forty lines into the machine's journal, so that
/// a server which goes on like that pushes out what else is in there.
const MOST: u64 = 50;
const WINDOW: Duration = Duration::from_secs(600);
/// How long a server stays down that has gone on like that.
pub(super) const REST: Duration = Duration::from_secs(300);

/// Follows the kernel's count, which begins anew with each start of the server.
#[derive(Debug, Default)]
pub(super) struct Tally {
    started: Option<u64>,
    kills: MemoryKills,
}

/// How many programs were ended of late in whose servers, starts and stops in between or not.
#[derive(Debug, Default)]
pub(super) struct Bursts(BTreeMap<Username, (Instant, u64)>);

impl Bursts {
    /// Whether, with `new` ones just now, so many programs of `name`'s were ended that the server is not to go on.
    pub(super) fn is_too_much(&mut self, name: &Username, new: u64, now: Instant) -> bool {
        self.0.retain(|_, (since, _)| now.duration_since(*since) < WINDOW);
        if new == 0 {
            return false;
        }
        let (_, count) = self.0.entry(name.clone()).or_insert((now, 0));
        *count += new;
        *count >= MOST
    }
}

impl Tally {
    /// Takes in what the kernel counts for `unit`, and tells how many are new. `now` is `None` where the count may be old:
    /// at the first look after the hub was started.
    pub(super) fn learn(&mut self, unit: &UnitState, now: Option<SystemTime>) -> u64 {
        if self.started != unit.started {
            *self = Self { started: unit.started, kills: MemoryKills::default() };
        }
        let new = unit.memory_kills.saturating_sub(self.kills.count);
        if new > 0 {
            self.kills = MemoryKills { count: unit.memory_kills, latest: now };
        }
        if now.is_some() { new } else { 0 }
    }

    pub(super) fn kills(&self) -> MemoryKills {
        self.kills
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hub_core::launcher::protocol::Active;

    use super::*;

    fn unit(started: u64, memory_kills: u64) -> UnitState {
        UnitState {
            name: "ada".parse().unwrap(),
            unit: "hubd-user-ada.service".to_owned(),
            active: Active::Active,
            result: "success".to_owned(),
            exit_status: None,
            main_pid: Some(7),
            memory_bytes: None,
            memory_limit_bytes: Some(1 << 30),
            memory_kills,
            started: Some(started),
            environment: None,
            without_own: false,
            endpoint: None,
        }
    }

    #[test]
    fn counts_what_is_new_and_begins_anew_with_each_start() {
        let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        let mut tally = Tally::default();
        assert_eq!((tally.learn(&unit(1, 0), at(5)), tally.kills()), (0, MemoryKills::default()));
        assert_eq!((tally.learn(&unit(1, 2), at(10)), tally.kills()), (2, MemoryKills { count: 2, latest: at(10) }));
        assert_eq!((tally.learn(&unit(1, 2), at(15)), tally.kills()), (0, MemoryKills { count: 2, latest: at(10) }));
        assert_eq!((tally.learn(&unit(1, 3), at(20)), tally.kills()), (1, MemoryKills { count: 3, latest: at(20) }));
        assert_eq!((tally.learn(&unit(30, 0), at(35)), tally.kills()), (0, MemoryKills::default()));
    }

    #[test]
    fn what_was_there_before_the_hub_is_counted_without_a_time() {
        let mut tally = Tally::default();
        assert_eq!((tally.learn(&unit(1, 4), None), tally.kills()), (0, MemoryKills { count: 4, latest: None }));
    }

    #[test]
    fn many_at_once_are_too_much_and_a_few_again_and_again_are_not() {
        let (begin, bob) = (Instant::now(), "bob".parse().unwrap());
        let mut bursts = Bursts::default();
        assert!(!bursts.is_too_much(&bob, MOST - 1, begin));
        assert!(!bursts.is_too_much(&"ada".parse().unwrap(), 1, begin));
        assert!(bursts.is_too_much(&bob, 1, begin + WINDOW / 2));
        let mut bursts = Bursts::default();
        assert!((0..100).all(|round| !bursts.is_too_much(&bob, MOST / 4, begin + WINDOW / 3 * round)));
    }
}
