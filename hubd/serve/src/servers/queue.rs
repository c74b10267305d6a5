//! Who may start now. First come, first served; how many at a time follows the machine's measured load, so that a class
//! that logs in at once starts quickly one after the other instead of slowly all together. Pure: values in, values out.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use hub_core::accounts::Username;

use super::load::Sample;

/// What a fresh server needs until it answers, with a first kernel, in bytes: measured 67 MB and 51 MB.
const MEMORY_PER_START: u64 = 120 << 20;
/// What the system and the hub themselves use of the reserve, in bytes. The rest of the reserve shows as available
/// although students can't have it.
const MEMORY_OF_SYSTEM: u64 = 200 << 20;
/// How long the machine may be out of memory before those who wait are told so.
pub(super) const MEMORY_PATIENCE: Duration = Duration::from_secs(120);
/// Share of processor time below which more servers may start: those that start wait for the disk.
const IDLE: f64 = 0.75;
/// Share of processor time above which no more than the usual number starts.
const BUSY: f64 = 0.9;
/// Share of time some process waits for memory above which one server starts at a time.
const THRASHING: f64 = 0.3;
/// Share of time some process waits for the disk above which more starts would only wait with it.
const DISK_FULL: f64 = 0.5;

/// Who waits and who starts.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    starting: BTreeSet<Username>,
}

/// Somebody who waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) name: Username,
    /// When they came.
    pub(super) since: Instant,
    /// Whether the server takes memory that is free; one that is started anew has its own.
    pub(super) takes_memory: bool,
}

impl Queue {
    /// Puts `name` at the end, unless it is in already.
    pub(super) fn enter(&mut self, name: &Username, since: Instant, takes_memory: bool) {
        if !self.starting.contains(name) && !self.waiting.iter().any(|other| other.name == *name) {
            self.waiting.push_back(Waiting { name: name.clone(), since, takes_memory });
        }
    }

    /// Counts `name` among those that start without waiting.
    pub(super) fn hold(&mut self, name: &Username) {
        self.starting.insert(name.clone());
    }

    /// Takes `name` out, wherever it is.
    pub(super) fn leave(&mut self, name: &Username) {
        self.waiting.retain(|other| other.name != *name);
        self.starting.remove(name);
    }

    /// Lets those in front start until `slots` are taken; those who take memory, while there is `room` for so many more.
    pub(super) fn admit(&mut self, slots: usize, room: usize) -> Vec<Username> {
        let mut admitted = Vec::new();
        let mut room = room;
        while self.starting.len() < slots
            && let Some(index) = self.waiting.iter().position(|next| room > 0 || !next.takes_memory)
            && let Some(next) = self.waiting.remove(index)
        {
            room = room.saturating_sub(usize::from(next.takes_memory));
            self.starting.insert(next.name.clone());
            admitted.push(next.name);
        }
        admitted
    }

    /// Who waits, in order.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.iter()
    }

    /// Place in the queue, 1 is next.
    pub(super) fn position(&self, name: &Username) -> Option<usize> {
        self.waiting.iter().position(|other| other.name == *name).map(|index| index + 1)
    }

    /// How many start at this moment.
    pub(super) fn starting(&self) -> usize {
        self.starting.len()
    }

    /// Whether nobody waits and nobody starts.
    pub(super) fn is_quiet(&self) -> bool {
        self.waiting.is_empty() && self.starting.is_empty()
    }
}

/// How many servers may start at a time, learnt from samples of the machine's load.
#[derive(Debug)]
pub(super) struct Slots {
    fixed: Option<usize>,
    cores: usize,
    extra: usize,
}

impl Slots {
    /// `fixed` by the configuration, or one more than there are `cores`, to begin with: the one more keeps the
    /// processors busy while another waits for systemd or the disk.
    pub(super) fn new(fixed: Option<usize>, cores: usize) -> Self {
        Self { fixed, cores: cores.max(1), extra: 0 }
    }

    /// The number for the moment.
    pub(super) fn count(&self, sample: &Sample) -> usize {
        match self.fixed {
            Some(fixed) => fixed.max(1),
            None if sample.memory_pressure.is_some_and(|share| share > THRASHING) => 1,
            None => self.cores + 1 + self.extra,
        }
    }

    /// Takes a new sample into account: one more for each sample in which all slots were taken and processors were
    /// idle all the same, up to twice the usual number; back to the usual number when they are busy.
    pub(super) fn learn(&mut self, sample: &Sample, starting: usize) {
        let usual = self.cores + 1;
        let idle = sample.busy.is_some_and(|share| share < IDLE);
        let disk_has_room = sample.disk_pressure.is_none_or(|share| share < DISK_FULL);
        if sample.busy.is_some_and(|share| share > BUSY) {
            self.extra = 0;
        } else if idle && disk_has_room && starting >= usual + self.extra {
            self.extra = (self.extra + 1).min(usual);
        }
    }
}

/// How many servers the machine's memory has room for beside the `starting` ones, which have not yet taken theirs.
/// `reserve` is what students can never have, in bytes. A machine that does not tell its memory has room.
pub(super) fn memory_room(sample: &Sample, reserve: u64, starting: usize) -> usize {
    let Some(available) = sample.memory_available else { return usize::MAX };
    let for_students = available.saturating_sub(reserve.saturating_sub(MEMORY_OF_SYSTEM));
    let room = usize::try_from(for_students / MEMORY_PER_START).unwrap_or(usize::MAX);
    room.saturating_sub(starting)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Username {
        text.parse().unwrap()
    }

    fn names(texts: &[&str]) -> Vec<Username> {
        texts.iter().map(|text| name(text)).collect()
    }

    fn queue(waiting: &[&str]) -> Queue {
        let mut queue = Queue::default();
        for text in waiting {
            queue.enter(&name(text), Instant::now(), true);
        }
        queue
    }

    #[test]
    fn first_come_first_served() {
        let mut queue = queue(&["ada", "bob", "eve"]);
        assert_eq!(queue.position(&name("eve")), Some(3));
        assert_eq!(queue.admit(2, usize::MAX), names(&["ada", "bob"]));
        assert_eq!(queue.position(&name("eve")), Some(1));
        assert_eq!(queue.admit(2, usize::MAX), []);
        queue.leave(&name("bob"));
        assert_eq!(queue.admit(2, usize::MAX), names(&["eve"]));
        assert_eq!((queue.starting(), queue.is_quiet()), (2, false));
    }

    #[test]
    fn nobody_is_in_twice() {
        let mut queue = queue(&["ada", "ada"]);
        assert_eq!(queue.admit(5, usize::MAX), names(&["ada"]));
        queue.enter(&name("ada"), Instant::now(), true);
        assert_eq!((queue.position(&name("ada")), queue.starting()), (None, 1));
    }

    #[test]
    fn who_gives_up_makes_room_for_those_behind() {
        let mut queue = queue(&["ada", "bob", "eve"]);
        queue.leave(&name("ada"));
        assert_eq!((queue.position(&name("bob")), queue.position(&name("eve"))), (Some(1), Some(2)));
        queue.leave(&name("bob"));
        queue.leave(&name("eve"));
        assert!(queue.is_quiet());
    }

    #[test]
    fn a_server_found_half_started_takes_a_slot() {
        let mut queue = queue(&["ada"]);
        queue.hold(&name("bob"));
        assert_eq!(queue.admit(1, usize::MAX), []);
    }

    #[test]
    fn who_takes_no_memory_waits_for_a_turn_only() {
        let mut queue = queue(&["ada", "bob"]);
        queue.enter(&name("eve"), Instant::now(), false);
        queue.enter(&name("fay"), Instant::now(), false);
        assert_eq!(queue.admit(2, 0), names(&["eve", "fay"]));
        assert_eq!((queue.admit(2, 9), queue.position(&name("ada"))), (vec![], Some(1)));
        assert_eq!(queue.admit(9, 1), names(&["ada"]));
    }

    #[test]
    fn the_configuration_fixes_the_number() {
        let mut slots = Slots::new(Some(7), 2);
        slots.learn(&Sample { busy: Some(0.0), ..Sample::default() }, 7);
        assert_eq!(slots.count(&Sample { memory_pressure: Some(0.9), ..Sample::default() }), 7);
    }

    #[test]
    fn idle_processors_let_more_start_and_busy_ones_the_usual_number() {
        let sample = |busy| Sample { busy: Some(busy), ..Sample::default() };
        let mut slots = Slots::new(None, 2);
        assert_eq!(slots.count(&sample(0.2)), 3);
        slots.learn(&sample(0.2), 2);
        assert_eq!(slots.count(&sample(0.2)), 3, "a slot was free, so more slots would not help");
        slots.learn(&sample(0.2), 3);
        assert_eq!(slots.count(&sample(0.2)), 4);
        for _ in 0..9 {
            slots.learn(&sample(0.2), 99);
        }
        assert_eq!(slots.count(&sample(0.2)), 6);
        slots.learn(&sample(0.8), 6);
        assert_eq!(slots.count(&sample(0.8)), 6);
        slots.learn(&sample(0.95), 6);
        assert_eq!(slots.count(&sample(0.95)), 3);
    }

    #[test]
    fn a_full_disk_queue_or_no_figures_leave_the_usual_number() {
        let mut slots = Slots::new(None, 4);
        slots.learn(&Sample { busy: Some(0.1), disk_pressure: Some(0.8), ..Sample::default() }, 5);
        slots.learn(&Sample::default(), 5);
        assert_eq!(slots.count(&Sample::default()), 5);
    }

    #[test]
    fn a_machine_that_thrashes_starts_one_at_a_time() {
        assert_eq!(Slots::new(None, 8).count(&Sample { memory_pressure: Some(0.5), ..Sample::default() }), 1);
    }

    #[test]
    fn memory_room_leaves_the_reserve_alone() {
        let room = |available: u64, reserve: u64, starting| {
            memory_room(&Sample { memory_available: Some(available << 20), ..Sample::default() }, reserve << 20, starting)
        };
        assert_eq!(room(4096, 512, 0), 31);
        assert_eq!(room(4096, 512, 3), 28);
        assert_eq!(room(431, 512, 0), 0);
        assert_eq!(room(432, 512, 0), 1);
        assert_eq!(room(432, 512, 1), 0);
        assert_eq!(memory_room(&Sample::default(), 512 << 20, 9), usize::MAX);
    }
}
