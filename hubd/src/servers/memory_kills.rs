//! Which programs of a server the kernel ended because its memory was used up. The server itself lives on, and all that
//! Jupyter says is that a kernel died, so this is the only place where the reason is known.

use std::time::SystemTime;

use crate::launcher::protocol::UnitState;

/// What is known about one server since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryKills {
    /// How many programs were ended.
    pub count: u64,
    /// When the hub noticed the latest; `None`: none, or before the hub itself was started.
    pub latest: Option<SystemTime>,
}

/// Follows the kernel's count, which begins anew with each start of the server.
#[derive(Debug, Default)]
pub(super) struct Tally {
    started: Option<u64>,
    kills: MemoryKills,
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

    use super::*;
    use crate::launcher::protocol::Active;

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
}
