//! What people are told about a server at each point of its life. Pure.

use std::time::{Duration, SystemTime};

use hub_core::accounts::Username;
use hub_core::control::ServerPhase;
use hub_core::launcher::protocol::UnitState;

use super::state_machine::{ServerState, Then};
use super::{MemoryKills, View};

/// What a view depends on besides the server's own life.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Surroundings<'a> {
    /// Place in the queue, 1 is next.
    pub(super) position: Option<usize>,
    /// Why nobody in the queue gets on, when nobody does.
    pub(super) held_up: Option<&'a str>,
    /// Something that happened to this server and is worth a sentence.
    pub(super) note: Option<&'a str>,
    /// What the kernel ended in it for want of memory.
    pub(super) memory_kills: MemoryKills,
    /// Whether what its owner installed and set is left out.
    pub(super) is_plain: bool,
    /// The environment that new servers get.
    pub(super) newest: Option<u32>,
    /// When it is stopped, because nobody uses it.
    pub(super) stops_at: Option<SystemTime>,
    /// The time.
    pub(super) now: Option<SystemTime>,
}

/// What is said of a server of which there is nothing to say.
pub const NOT_RUNNING: &str = "The server is not running.";

/// How `name`'s server looks.
pub(super) fn render(name: &Username, state: &ServerState, around: Surroundings<'_>) -> View {
    let (phase, unit) = match state {
        ServerState::Stopped => (ServerPhase::Stopped, None),
        ServerState::Queued | ServerState::Replacing(_) => (ServerPhase::Queued, None),
        ServerState::Launching => (ServerPhase::Starting, None),
        ServerState::Waking(unit) => (ServerPhase::Starting, Some(unit)),
        ServerState::Running(unit) => (ServerPhase::Running, Some(unit)),
        ServerState::Stopping { .. } => (ServerPhase::Stopping, None),
        ServerState::Failed(_) => (ServerPhase::Failed, None),
    };
    View {
        phase,
        position: around.position.filter(|_| phase == ServerPhase::Queued),
        message: message(state, around),
        failure: match state {
            ServerState::Failed(failure) => Some(failure.clone()),
            _ => None,
        },
        endpoint: unit.filter(|_| phase == ServerPhase::Running).and_then(|unit| unit.endpoint.clone()),
        unit: unit.map_or_else(|| unit_name(name), |unit| unit.unit.clone()),
        memory_bytes: unit.and_then(|unit| unit.memory_bytes),
        memory_limit_bytes: unit.and_then(|unit| unit.memory_limit_bytes),
        memory_kills: unit.map(|_| around.memory_kills).unwrap_or_default(),
        without_own: unit.map_or(around.is_plain && phase != ServerPhase::Stopped, |unit| unit.without_own),
        environment: unit.filter(|_| phase == ServerPhase::Running).and_then(|unit| unit.environment),
        newest: around.newest,
        stops_at: around.stops_at.filter(|_| phase == ServerPhase::Running),
        uptime: unit.zip(around.now).and_then(|(unit, now)| uptime(unit, now)),
    }
}

fn message(state: &ServerState, around: Surroundings<'_>) -> String {
    match state {
        ServerState::Stopped => around.note.unwrap_or(NOT_RUNNING).to_owned(),
        ServerState::Queued | ServerState::Replacing(_) => {
            let place = match around.position {
                Some(position @ 3..) => format!("{} people are ahead of you.", position - 1),
                Some(2) => "One person is ahead of you.".to_owned(),
                _ => "You are next.".to_owned(),
            };
            around.held_up.map_or(place.clone(), |reason| format!("{reason} {place}"))
        }
        ServerState::Launching => {
            around.note.unwrap_or("Preparing the account and asking systemd to start the server.").to_owned()
        }
        ServerState::Waking(unit) => format!("systemd has started {}. Waiting for it to answer.", unit.unit),
        ServerState::Running(_) => "The server is running.".to_owned(),
        ServerState::Stopping { then: Then::Stopped, .. } => "The server is being stopped.".to_owned(),
        ServerState::Stopping { then: Then::Start, .. } => "The server is being stopped and will start again.".to_owned(),
        ServerState::Stopping { then: Then::Failed(failure), .. } => format!("{} It is being stopped.", failure.summary),
        ServerState::Failed(failure) => failure.summary.clone(),
    }
}

/// How long `unit` has been running.
pub(super) fn uptime(unit: &UnitState, now: SystemTime) -> Option<Duration> {
    now.duration_since(SystemTime::UNIX_EPOCH + Duration::from_secs(unit.started?)).ok()
}

/// The unit that `name`'s server will be, for who wants to look it up before systemd has it.
fn unit_name(name: &Username) -> String {
    format!("hubd-user-{}.service", name.as_str().replace('-', r"\x2d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queued(position: usize, held_up: Option<&str>) -> View {
        let around = Surroundings { position: Some(position), held_up, ..Surroundings::default() };
        render(&"ada".parse().unwrap(), &ServerState::Queued, around)
    }

    #[test]
    fn who_waits_sees_how_many_are_before() {
        assert_eq!(queued(1, None).message, "You are next.");
        assert_eq!(queued(2, None).message, "One person is ahead of you.");
        assert_eq!(queued(8, None).message, "7 people are ahead of you.");
        assert_eq!(queued(8, Some("Memory is full.")).message, "Memory is full. 7 people are ahead of you.");
        assert_eq!(queued(8, None).position, Some(8));
    }

    #[test]
    fn a_dash_in_a_name_is_escaped_in_its_unit() {
        let view = render(&"b-c".parse().unwrap(), &ServerState::Stopped, Surroundings::default());
        assert_eq!(view.unit, r"hubd-user-b\x2dc.service");
    }
}
