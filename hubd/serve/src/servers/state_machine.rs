//! The life of one server as a pure function: a state and an event give the next state and what has to be done.
//! Knows no clock, no socket and no other server.

use hub_core::launcher::protocol::{Active, UnitState};

use super::Failure;

/// Where a server is in its life, with what the hub needs to remember there.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ServerState {
    /// Not running, and nobody asked for it.
    Stopped,
    /// Waits for its turn.
    Queued,
    /// The launcher was asked to start it and has not answered yet.
    Launching,
    /// systemd runs it; the program inside does not answer yet.
    Waking(UnitState),
    /// It answers.
    Running(UnitState),
    /// It runs, and is started anew as soon as its turn has come. Until then nothing of it is lost.
    Replacing(UnitState),
    /// On its way down.
    Stopping {
        /// What comes after.
        then: Then,
        /// The launcher still owes the answer to a start; only then can the stop be asked for, or the two could
        /// overtake each other.
        launching: bool,
    },
    /// It ended by itself, or never came up.
    Failed(Failure),
}

/// What comes after a stop.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Then {
    /// It stays stopped.
    Stopped,
    /// Somebody wants it again.
    Start,
    /// It was stopped because it did not work.
    Failed(Failure),
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event {
    /// Somebody wants the server.
    Ensure,
    /// Somebody wants it stopped.
    Stop,
    /// Somebody wants it to be started anew, whatever it does.
    Restart,
    /// Its turn to start has come.
    Admitted,
    /// Its turn did not come: the machine has no room.
    TurnedAway(Failure),
    /// systemd runs it.
    Launched(UnitState),
    /// The launcher could not start it.
    NotLaunched(Failure),
    /// It answered a request.
    Answered,
    /// It runs, but something is wrong with it: it has to go.
    GaveUp(Failure),
    /// It runs no more; `None`: it ended in good order.
    Ended(Option<Failure>),
    /// The launcher has stopped it.
    Halted,
    /// The launcher could not stop it.
    NotHalted(Failure),
    /// What systemd says at this moment, asked for no particular reason.
    Seen {
        /// `None`: systemd knows nothing of it.
        unit: Option<UnitState>,
        /// It has been up for long enough that it must have answered somebody.
        settled: bool,
    },
}

/// What has to be done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Effect {
    /// Give it a place in the queue.
    Enqueue,
    /// It holds a place among those that start, without having queued.
    Hold,
    /// Take it from the queue and from those that start.
    Dequeue,
    /// It waits for its turn, and takes no more memory than it has.
    EnqueueInPlace,
    /// Ask the launcher to start it, anew if that was wanted.
    Launch,
    /// Ask it until it answers.
    Await(UnitState),
    /// Ask the launcher to stop it.
    Halt,
    /// Find out how it ended.
    Inquire,
    /// Nothing may be sent to it any more.
    Depart,
}

impl ServerState {
    /// What `event` makes of this state. Events that mean nothing here change nothing.
    pub(super) fn step(self, event: Event) -> (Self, Vec<Effect>) {
        use Effect::{Await, Depart, Dequeue, Enqueue, EnqueueInPlace, Halt, Hold, Inquire, Launch};
        match (self, event) {
            (Self::Stopped | Self::Failed(_), Event::Ensure | Event::Restart) => (Self::Queued, vec![Enqueue]),
            (Self::Stopping { launching, .. }, Event::Ensure | Event::Restart) => {
                (Self::Stopping { then: Then::Start, launching }, vec![])
            }

            // The launcher does one thing for each person at a time. A start that this overtakes finds it running.
            (Self::Launching | Self::Waking(_), Event::Restart) => (Self::Launching, vec![Launch]),
            (Self::Running(unit), Event::Restart) => (Self::Replacing(unit), vec![Depart, EnqueueInPlace]),
            (Self::Replacing(_), Event::Admitted) => (Self::Launching, vec![Launch]),
            (Self::Replacing(_), Event::Stop) => (stopping(Then::Stopped, false), vec![Dequeue, Halt]),

            (Self::Queued, Event::Stop) => (Self::Stopped, vec![Dequeue]),
            (Self::Launching, Event::Stop) => (stopping(Then::Stopped, true), vec![Dequeue]),
            (Self::Waking(_), Event::Stop) => (stopping(Then::Stopped, false), vec![Dequeue, Halt]),
            (Self::Running(_), Event::Stop) => (stopping(Then::Stopped, false), vec![Depart, Halt]),
            (Self::Stopping { launching, .. }, Event::Stop) => (stopping(Then::Stopped, launching), vec![]),
            (Self::Failed(_), Event::Stop) => (stopping(Then::Stopped, false), vec![Halt]),

            (Self::Queued, Event::Admitted) => (Self::Launching, vec![Launch]),
            (Self::Queued, Event::TurnedAway(failure)) => (Self::Failed(failure), vec![Dequeue]),

            (Self::Launching, Event::Launched(unit)) => (Self::Waking(unit.clone()), vec![Await(unit)]),
            (Self::Launching, Event::NotLaunched(failure)) => (Self::Failed(failure), vec![Dequeue]),
            // Also when the launcher gave no answer in time: it may have started it all the same.
            (Self::Stopping { then, launching: true }, Event::Launched(_) | Event::NotLaunched(_)) => {
                (stopping(then, false), vec![Halt])
            }

            // What systemd said at the start knows nothing of the memory it uses now.
            (Self::Waking(unit), Event::Answered) => (Self::Running(unit), vec![Dequeue, Inquire]),
            (Self::Waking(_), Event::GaveUp(failure)) => (stopping(Then::Failed(failure), false), vec![Dequeue, Halt]),
            (Self::Waking(_), Event::Ended(failure)) => (ended(failure), vec![Dequeue]),
            (Self::Running(_), Event::Ended(failure)) => (ended(failure), vec![Depart]),

            (Self::Stopping { then, launching: false }, Event::Halted) => match then {
                Then::Stopped => (Self::Stopped, vec![]),
                Then::Start => (Self::Queued, vec![Enqueue]),
                Then::Failed(failure) => (Self::Failed(failure), vec![]),
            },
            (Self::Stopping { then: Then::Failed(first), launching: false }, Event::NotHalted(_)) => {
                (Self::Failed(first), vec![])
            }
            (Self::Stopping { launching: false, .. }, Event::NotHalted(failure)) => (Self::Failed(failure), vec![]),

            (Self::Running(old), Event::Seen { unit, .. }) => match unit {
                Some(unit) if is_up(&unit) => (Self::Running(UnitState { endpoint: old.endpoint, ..unit }), vec![]),
                Some(unit) if unit.active == Active::Deactivating => (Self::Running(old), vec![]),
                _ => (Self::Running(old), vec![Inquire]),
            },
            (state @ (Self::Stopped | Self::Queued | Self::Failed(_)), Event::Seen { unit: Some(unit), settled }) => {
                let leave = if state == Self::Queued { vec![Dequeue] } else { vec![] };
                match (is_up(&unit) && unit.endpoint.is_some(), settled) {
                    (false, _) => (state, vec![]),
                    (true, true) => (Self::Running(unit), leave),
                    (true, false) => (Self::Waking(unit.clone()), [leave, vec![Hold, Await(unit)]].concat()),
                }
            }

            (state, _) => (state, vec![]),
        }
    }
}

fn stopping(then: Then, launching: bool) -> ServerState {
    ServerState::Stopping { then, launching }
}

fn ended(failure: Option<Failure>) -> ServerState {
    failure.map_or(ServerState::Stopped, ServerState::Failed)
}

fn is_up(unit: &UnitState) -> bool {
    matches!(unit.active, Active::Active | Active::Activating)
}

#[cfg(test)]
mod tests {
    use hub_core::launcher::protocol::Endpoint;

    use super::Effect::{Await, Depart, Dequeue, Enqueue, EnqueueInPlace, Halt, Hold, Inquire, Launch};
    use super::*;

    fn unit(active: Active) -> UnitState {
        UnitState {
            name: "ada".parse().unwrap(),
            unit: "hubd-user-ada.service".to_owned(),
            active,
            result: "success".to_owned(),
            exit_status: None,
            main_pid: Some(7),
            memory_bytes: None,
            memory_limit_bytes: None,
            memory_kills: 0,
            started: Some(1),
            environment: Some(1),
            without_own: false,
            endpoint: (active == Active::Active).then(|| Endpoint { socket: "/run/s".into(), uid: 1001 }),
        }
    }

    fn up() -> UnitState {
        unit(Active::Active)
    }

    fn failure(summary: &str) -> Failure {
        Failure { summary: summary.to_owned(), hint: None, log: vec![], is_inside: true }
    }

    fn seen(active: Option<Active>) -> Event {
        Event::Seen { unit: active.map(unit), settled: false }
    }

    /// Every transition that changes a state or asks for something; whatever is not here must change nothing.
    fn transitions() -> Vec<(ServerState, Event, ServerState, Vec<Effect>)> {
        use ServerState::{Failed, Launching, Queued, Replacing, Running, Stopped, Waking};
        let broken = || failure("broken");
        vec![
            (Stopped, Event::Ensure, Queued, vec![Enqueue]),
            (Failed(broken()), Event::Ensure, Queued, vec![Enqueue]),
            (stopping(Then::Stopped, false), Event::Ensure, stopping(Then::Start, false), vec![]),
            (stopping(Then::Stopped, true), Event::Ensure, stopping(Then::Start, true), vec![]),
            (Stopped, Event::Restart, Queued, vec![Enqueue]),
            (Failed(broken()), Event::Restart, Queued, vec![Enqueue]),
            (Launching, Event::Restart, Launching, vec![Launch]),
            (Waking(up()), Event::Restart, Launching, vec![Launch]),
            (Running(up()), Event::Restart, Replacing(up()), vec![Depart, EnqueueInPlace]),
            (stopping(Then::Stopped, false), Event::Restart, stopping(Then::Start, false), vec![]),
            (Replacing(up()), Event::Admitted, Launching, vec![Launch]),
            (Replacing(up()), Event::Stop, stopping(Then::Stopped, false), vec![Dequeue, Halt]),
            (Queued, Event::Stop, Stopped, vec![Dequeue]),
            (Launching, Event::Stop, stopping(Then::Stopped, true), vec![Dequeue]),
            (Waking(up()), Event::Stop, stopping(Then::Stopped, false), vec![Dequeue, Halt]),
            (Running(up()), Event::Stop, stopping(Then::Stopped, false), vec![Depart, Halt]),
            (stopping(Then::Start, false), Event::Stop, stopping(Then::Stopped, false), vec![]),
            (stopping(Then::Failed(broken()), false), Event::Stop, stopping(Then::Stopped, false), vec![]),
            (Failed(broken()), Event::Stop, stopping(Then::Stopped, false), vec![Halt]),
            (Queued, Event::Admitted, Launching, vec![Launch]),
            (Queued, Event::TurnedAway(broken()), Failed(broken()), vec![Dequeue]),
            (Launching, Event::Launched(up()), Waking(up()), vec![Await(up())]),
            (Launching, Event::NotLaunched(broken()), Failed(broken()), vec![Dequeue]),
            (stopping(Then::Start, true), Event::Launched(up()), stopping(Then::Start, false), vec![Halt]),
            (stopping(Then::Stopped, true), Event::NotLaunched(broken()), stopping(Then::Stopped, false), vec![Halt]),
            (Waking(up()), Event::Answered, Running(up()), vec![Dequeue, Inquire]),
            (Waking(up()), Event::GaveUp(broken()), stopping(Then::Failed(broken()), false), vec![Dequeue, Halt]),
            (Waking(up()), Event::Ended(Some(broken())), Failed(broken()), vec![Dequeue]),
            (Running(up()), Event::Ended(Some(broken())), Failed(broken()), vec![Depart]),
            (Running(up()), Event::Ended(None), Stopped, vec![Depart]),
            (stopping(Then::Stopped, false), Event::Halted, Stopped, vec![]),
            (stopping(Then::Start, false), Event::Halted, Queued, vec![Enqueue]),
            (stopping(Then::Failed(broken()), false), Event::Halted, Failed(broken()), vec![]),
            (stopping(Then::Stopped, false), Event::NotHalted(broken()), Failed(broken()), vec![]),
            (stopping(Then::Failed(failure("first")), false), Event::NotHalted(broken()), Failed(failure("first")), vec![]),
            (Running(up()), seen(Some(Active::Failed)), Running(up()), vec![Inquire]),
            (Running(up()), seen(Some(Active::Inactive)), Running(up()), vec![Inquire]),
            (Running(up()), seen(None), Running(up()), vec![Inquire]),
            (Stopped, seen(Some(Active::Active)), Waking(up()), vec![Hold, Await(up())]),
            (Failed(broken()), seen(Some(Active::Active)), Waking(up()), vec![Hold, Await(up())]),
            (Queued, seen(Some(Active::Active)), Waking(up()), vec![Dequeue, Hold, Await(up())]),
            (Stopped, Event::Seen { unit: Some(up()), settled: true }, Running(up()), vec![]),
            (Queued, Event::Seen { unit: Some(up()), settled: true }, Running(up()), vec![Dequeue]),
        ]
    }

    #[test]
    fn follows_the_table() {
        for (state, event, next, effects) in transitions() {
            assert_eq!(state.clone().step(event.clone()), (next, effects), "{state:?} when {event:?}");
        }
    }

    #[test]
    fn what_is_not_in_the_table_changes_nothing() {
        let states = [
            ServerState::Stopped,
            ServerState::Queued,
            ServerState::Launching,
            ServerState::Waking(up()),
            ServerState::Running(up()),
            ServerState::Replacing(up()),
            stopping(Then::Stopped, false),
            stopping(Then::Stopped, true),
            ServerState::Failed(failure("broken")),
        ];
        let events = [
            Event::Ensure,
            Event::Stop,
            Event::Restart,
            Event::Admitted,
            Event::TurnedAway(failure("broken")),
            Event::Launched(up()),
            Event::NotLaunched(failure("broken")),
            Event::Answered,
            Event::GaveUp(failure("broken")),
            Event::Ended(None),
            Event::Ended(Some(failure("broken"))),
            Event::Halted,
            Event::NotHalted(failure("broken")),
            seen(None),
            seen(Some(Active::Active)),
            seen(Some(Active::Deactivating)),
            seen(Some(Active::Failed)),
        ];
        let table = transitions();
        // Clean ends while waking and stops of what never launched are covered by rows that differ in a detail only.
        let covered = |state: &ServerState, event: &Event| {
            table.iter().any(|(from, by, ..)| {
                std::mem::discriminant(from) == std::mem::discriminant(state)
                    && std::mem::discriminant(by) == std::mem::discriminant(event)
            })
        };
        let mut unchanged = 0;
        for state in &states {
            for event in events.iter().filter(|event| !covered(state, event)) {
                assert_eq!(state.clone().step(event.clone()), (state.clone(), vec![]), "{state:?} when {event:?}");
                unchanged += 1;
            }
        }
        assert!(unchanged > 50, "only {unchanged} pairs were left");
    }

    #[test]
    fn news_of_a_running_server_keep_its_endpoint() {
        let news = UnitState { memory_bytes: Some(5), endpoint: None, ..up() };
        let (state, effects) = ServerState::Running(up()).step(Event::Seen { unit: Some(news), settled: true });
        assert_eq!((state, effects), (ServerState::Running(UnitState { memory_bytes: Some(5), ..up() }), vec![]));
    }

    #[test]
    fn a_server_on_its_way_down_is_not_taken_in() {
        for active in [Active::Deactivating, Active::Failed, Active::Inactive] {
            assert_eq!(ServerState::Stopped.step(seen(Some(active))), (ServerState::Stopped, vec![]));
        }
    }
}
