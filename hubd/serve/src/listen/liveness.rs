//! Whether a connection still gets on. The parts of one connection note here what they do, without looking at a clock;
//! its driver looks at the notes at every tick and decides when a silence has lasted too long.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use super::framing::Place;

/// How long a client may keep a connection waiting.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// To complete an encrypted connection's handshake.
    pub handshake: Duration,
    /// To send a whole head, and to begin its first one.
    pub head: Duration,
    /// To send the next bytes of a body that somebody waits for.
    pub body: Duration,
    /// To take the next bytes of an answer.
    pub answer: Duration,
    /// To begin its next request.
    pub idle: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            answer: Duration::from_secs(60),
            idle: Duration::from_secs(75),
        }
    }
}

impl Deadlines {
    /// How often to look: often enough that nothing lasts a quarter longer than it may.
    pub(super) fn tick(&self) -> Duration {
        let shortest = self.head.min(self.body).min(self.answer).min(self.idle);
        (shortest / 4).clamp(Duration::from_millis(10), Duration::from_millis(2500))
    }
}

/// What one connection is doing.
#[derive(Debug, Default)]
pub(super) struct Liveness {
    place: AtomicU8,
    reads: AtomicU32,
    waits_to_read: AtomicBool,
    writes: AtomicU32,
    waits_to_write: AtomicBool,
    heads: AtomicU32,
    answering: AtomicU32,
}

impl Liveness {
    pub(super) fn note_read(&self, place: Place) {
        self.waits_to_read.store(false, Relaxed);
        self.place.store(place as u8, Relaxed);
        self.reads.fetch_add(1, Relaxed);
    }

    pub(super) fn note_waits_to_read(&self) {
        self.waits_to_read.store(true, Relaxed);
    }

    pub(super) fn note_written(&self) {
        self.waits_to_write.store(false, Relaxed);
        self.writes.fetch_add(1, Relaxed);
    }

    pub(super) fn note_waits_to_write(&self) {
        self.waits_to_write.store(true, Relaxed);
    }

    /// A request is complete enough to be answered.
    pub(super) fn note_request(&self) {
        self.heads.fetch_add(1, Relaxed);
        self.answering.fetch_add(1, Relaxed);
    }

    /// The answer to a request has been handed over, or given up.
    pub(super) fn note_answered(&self) {
        self.answering.fetch_sub(1, Relaxed);
    }
}

/// What a connection waits for, and what would show that the wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// For a head; only its end counts.
    Head(u32),
    /// For the next bytes of a body.
    Body(u32),
    /// For the client to take bytes.
    Writing(u32),
    /// For the next request.
    Idle(u32),
    /// For ourselves, or for nothing.
    None,
}

/// Counts how long the present wait has lasted.
pub(super) struct Watchdog {
    deadlines: Deadlines,
    tick: Duration,
    wait: Wait,
    lasted: Duration,
}

/// What the client kept waiting for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    Head,
    Body,
    Writing,
    Idle,
}

impl Watchdog {
    pub(super) fn new(deadlines: Deadlines) -> Self {
        Self { deadlines, tick: deadlines.tick(), wait: Wait::Head(0), lasted: Duration::ZERO }
    }

    /// Looks at the notes; to be called once every tick.
    pub(super) fn look(&mut self, liveness: &Liveness) -> Option<Overdue> {
        let wait = current_wait(liveness);
        if wait != self.wait {
            (self.wait, self.lasted) = (wait, Duration::ZERO);
            return None;
        }
        self.lasted += self.tick;
        let (limit, overdue) = match wait {
            Wait::Head(_) => (self.deadlines.head, Overdue::Head),
            Wait::Body(_) => (self.deadlines.body, Overdue::Body),
            Wait::Writing(_) => (self.deadlines.answer, Overdue::Writing),
            Wait::Idle(_) => (self.deadlines.idle, Overdue::Idle),
            Wait::None => return None,
        };
        (self.lasted >= limit).then_some(overdue)
    }
}

fn current_wait(liveness: &Liveness) -> Wait {
    let place = liveness.place.load(Relaxed);
    let is_at = |wanted: Place| place == wanted as u8;
    let heads = liveness.heads.load(Relaxed);
    let is_answering = liveness.answering.load(Relaxed) > 0;
    if liveness.waits_to_write.load(Relaxed) {
        Wait::Writing(liveness.writes.load(Relaxed))
    } else if is_at(Place::Body) && liveness.waits_to_read.load(Relaxed) {
        Wait::Body(liveness.reads.load(Relaxed))
    } else if is_answering {
        Wait::None
    } else if is_at(Place::Head) || heads == 0 {
        Wait::Head(heads)
    } else {
        Wait::Idle(heads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watchdog() -> (Liveness, Watchdog) {
        let second = Duration::from_secs(1);
        let deadlines =
            Deadlines { handshake: second, head: 4 * second, body: 8 * second, answer: 12 * second, idle: 16 * second };
        (Liveness::default(), Watchdog::new(deadlines))
    }

    /// Ticks until something is overdue; a tick is a second here.
    fn overdue_after(watchdog: &mut Watchdog, liveness: &Liveness, mut each: impl FnMut(&Liveness)) -> Option<(u32, Overdue)> {
        (1..100).find_map(|tick| {
            each(liveness);
            watchdog.look(liveness).map(|overdue| (tick, overdue))
        })
    }

    #[test]
    fn a_slow_head_is_overdue_however_steadily_it_comes() {
        let (liveness, mut watchdog) = watchdog();
        assert_eq!(overdue_after(&mut watchdog, &liveness, |liveness| liveness.note_read(Place::Head)), Some((4, Overdue::Head)));
    }

    #[test]
    fn a_connection_that_never_says_anything_is_overdue() {
        let (liveness, mut watchdog) = watchdog();
        assert_eq!(overdue_after(&mut watchdog, &liveness, Liveness::note_waits_to_read), Some((4, Overdue::Head)));
    }

    #[test]
    fn a_body_may_be_slow_but_not_silent() {
        let (liveness, mut watchdog) = watchdog();
        liveness.note_request();
        let trickle = |liveness: &Liveness| {
            liveness.note_read(Place::Body);
            liveness.note_waits_to_read();
        };
        assert_eq!(overdue_after(&mut watchdog, &liveness, trickle), None);
        assert_eq!(overdue_after(&mut watchdog, &liveness, |_| {}), Some((8, Overdue::Body)));
    }

    #[test]
    fn a_body_that_nobody_reads_is_not_the_clients_fault() {
        let (liveness, mut watchdog) = watchdog();
        liveness.note_request();
        liveness.note_read(Place::Body);
        assert_eq!(overdue_after(&mut watchdog, &liveness, |_| {}), None);
    }

    #[test]
    fn an_answer_that_takes_its_time_is_not_the_clients_fault() {
        let (liveness, mut watchdog) = watchdog();
        liveness.note_read(Place::Between);
        liveness.note_request();
        liveness.note_waits_to_read();
        assert_eq!(overdue_after(&mut watchdog, &liveness, |_| {}), None);
        liveness.note_answered();
        assert_eq!(overdue_after(&mut watchdog, &liveness, |_| {}), Some((17, Overdue::Idle)));
    }

    #[test]
    fn a_client_that_takes_nothing_is_overdue() {
        let (liveness, mut watchdog) = watchdog();
        liveness.note_read(Place::Between);
        liveness.note_request();
        let dribble = |liveness: &Liveness| {
            liveness.note_written();
            liveness.note_waits_to_write();
        };
        assert_eq!(overdue_after(&mut watchdog, &liveness, dribble), None);
        assert_eq!(overdue_after(&mut watchdog, &liveness, |_| {}), Some((12, Overdue::Writing)));
    }
}
