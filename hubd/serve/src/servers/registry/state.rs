//! What is known of everybody's servers at one moment, and how it is shown.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use hub_core::accounts::Username;
use tokio::sync::watch;

use super::super::View;
use super::super::load::{Meter, Sample};
use super::super::memory_kills::{Bursts, Tally};
use super::super::queue::{Queue, Slots};
use super::super::state_machine::ServerState;
use super::super::view::{Surroundings, render};
use super::settings::Settings;

/// What the hub tells everybody who waits while it can't ask the launcher.
const LAUNCHER_AWAY: &str = "The hub can't reach its launcher at the moment and keeps trying; your place is kept.";
/// What it tells them while the machine has no memory to spare.
const MEMORY_SHORT: &str = "The machine's memory is full at the moment; you get on as soon as somebody else's server stops.";

pub(super) struct State {
    pub(super) servers: BTreeMap<Username, Server>,
    pub(super) queue: Queue,
    pub(super) slots: Slots,
    pub(super) meter: Meter,
    pub(super) sample: Sample,
    /// Counts changes of any server's life, so that older news can be told from newer.
    pub(super) sequence: u64,
    /// The launcher's list has been seen once.
    pub(super) known: bool,
    /// The environment that new servers get.
    pub(super) newest: Option<u32>,
    /// Since when there is no memory for another server.
    pub(super) memory_short_since: Option<Instant>,
    /// What the kernel ended of late.
    pub(super) bursts: Bursts,
    /// Until when nobody starts these servers.
    pub(super) kept_down: BTreeMap<Username, Instant>,
}

pub(super) struct Server {
    pub(super) state: ServerState,
    /// Something about it that people should read.
    pub(super) note: Option<String>,
    /// The [`State::sequence`] of its last change.
    pub(super) changed: u64,
    /// Which task may report: those of earlier attempts may not.
    pub(super) attempt: u64,
    pub(super) touched: Instant,
    /// When it is stopped, if nobody uses it before; set shortly before that.
    pub(super) stops_at: Option<SystemTime>,
    /// Rounds in which it did not say whether it is idle.
    pub(super) unanswered: u32,
    /// Somebody is finding out what became of it.
    pub(super) inquiring: bool,
    /// Whether it leaves out what its owner installed and set, or its next start will.
    pub(super) is_plain: bool,
    /// Whether its next start ends what runs.
    pub(super) is_anew: bool,
    /// What the kernel ended in it for want of memory.
    pub(super) memory_kills: Tally,
    pub(super) view: watch::Sender<View>,
}

impl State {
    /// In which nothing is known yet.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            servers: BTreeMap::new(),
            queue: Queue::default(),
            slots: Slots::new(settings.concurrent_starts, settings.cores),
            meter: Meter::new(settings.proc.clone()),
            sample: Sample::default(),
            sequence: 0,
            known: false,
            newest: None,
            memory_short_since: None,
            bursts: Bursts::default(),
            kept_down: BTreeMap::new(),
        }
    }

    pub(super) fn server(&mut self, name: &Username) -> &mut Server {
        self.servers.entry(name.clone()).or_insert_with(|| Server {
            state: ServerState::Stopped,
            note: None,
            changed: 0,
            attempt: 0,
            touched: Instant::now(),
            stops_at: None,
            unanswered: 0,
            inquiring: false,
            is_plain: false,
            is_anew: false,
            memory_kills: Tally::default(),
            view: watch::Sender::new(render(name, &ServerState::Stopped, Surroundings::default())),
        })
    }

    /// Lets nobody start `name`'s server before `until`.
    pub(super) fn keep_down(&mut self, name: &Username, until: Instant) {
        self.kept_down.insert(name.clone(), until);
        self.stays_down(name, Instant::now());
    }

    /// Whether `name`'s server may not be started yet; its view then says why.
    pub(super) fn stays_down(&mut self, name: &Username, now: Instant) -> bool {
        self.kept_down.retain(|_, until| *until > now);
        let Some(until) = self.kept_down.get(name) else { return false };
        let minutes = until.saturating_duration_since(now).as_secs() / 60 + 1;
        self.server(name).note = Some(format!(
            "The server was stopped: programs in it used up its memory over and over. It can be started again in {} {}.",
            minutes,
            if minutes == 1 { "minute" } else { "minutes" }
        ));
        true
    }

    pub(super) fn view(&self, name: &Username) -> View {
        let held_up = match (self.known, self.memory_short_since) {
            (false, _) => Some(LAUNCHER_AWAY),
            (true, Some(_)) => Some(MEMORY_SHORT),
            (true, None) => None,
        };
        let server = self.servers.get(name);
        let around = Surroundings {
            position: self.queue.position(name),
            held_up,
            note: server.and_then(|server| server.note.as_deref()),
            memory_kills: server.map(|server| server.memory_kills.kills()).unwrap_or_default(),
            is_plain: server.is_some_and(|server| server.is_plain),
            newest: self.newest,
            stops_at: server.and_then(|server| server.stops_at),
            now: Some(SystemTime::now()),
        };
        render(name, server.map_or(&ServerState::Stopped, |server| &server.state), around)
    }

    /// Shows how `name`'s server is now; who watches is woken when more than its age has changed.
    pub(super) fn publish(&mut self, name: &Username) {
        let view = self.view(name);
        self.server(name).view.send_if_modified(|shown| {
            let changed = View { uptime: view.uptime, ..shown.clone() } != view;
            *shown = view;
            changed
        });
    }
}

pub(super) fn log_change(name: &Username, state: &ServerState) {
    match state {
        ServerState::Stopped => tracing::info!(user = %name, "{name}'s server is stopped"),
        ServerState::Queued => tracing::debug!(user = %name, "{name}'s server is queued"),
        ServerState::Launching => tracing::debug!(user = %name, "{name}'s server is being launched"),
        ServerState::Waking(unit) => tracing::debug!(user = %name, unit = unit.unit, "{name}'s server has a process"),
        ServerState::Replacing(_) => tracing::debug!(user = %name, "{name}'s server waits for its turn to be started anew"),
        ServerState::Running(unit) => tracing::info!(user = %name, unit = unit.unit, "{name}'s server is running"),
        ServerState::Stopping { .. } => tracing::debug!(user = %name, "{name}'s server is being stopped"),
        ServerState::Failed(failure) => tracing::warn!(user = %name, "{name}'s server failed: {}", failure.summary),
    }
}
