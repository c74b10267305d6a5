//! Everybody's server: takes events in, lets `state_machine` and `queue` decide, and sets tasks going that bring new events.
//!
//! systemd is the database. What is here is rebuilt from the launcher's list at each start of the hub and compared with
//! it every few seconds, so a server that died, was stopped by hand or was started behind our back shows soon.

mod rounds;
mod tasks;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use hub_core::accounts::Username;
use hub_core::config::{App, AppName, Config};
use hub_core::control::ServerPhase;
use hub_core::launcher::client::Client;
use hub_core::paths::Paths;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, watch};

use super::load::{Meter, Sample};
use super::memory_kills::{Bursts, Tally};
use super::queue::{self, MEMORY_PATIENCE, Queue, Slots};
use super::state_machine::{Effect, Event, ServerState};
use super::view::{Surroundings, render, uptime};
use super::{Servers, View, failure};

/// What the hub tells everybody who waits while it can't ask the launcher.
const LAUNCHER_AWAY: &str = "The hub can't reach its launcher at the moment and keeps trying; your place is kept.";
/// What it tells them while the machine has no memory to spare.
const MEMORY_SHORT: &str = "The machine's memory is full at the moment; you get on as soon as somebody else's server stops.";

/// How servers start and stop here.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a server may take until it answers, counted from its turn, slowly while the machine is strained.
    pub start_timeout: Duration,
    /// Stop a server nobody has used for so long; `None`: never.
    pub idle_timeout: Option<Duration>,
    /// Servers that start at the same time; `None`: by the number of processors and their load.
    pub concurrent_starts: Option<usize>,
    /// Processors of the machine.
    pub cores: usize,
    /// Bytes of memory that students can never have.
    pub reserve: u64,
    /// Where things are on the machine.
    pub paths: Paths,
    /// Where the kernel tells about itself.
    pub proc: std::path::PathBuf,
    /// The path below which the hub is on its host; empty: none.
    pub base: String,
    /// Which app these servers are; `None`: Jupyter.
    pub app: Option<(AppName, App)>,
    /// How often things are looked at.
    pub pace: Pace,
}

/// How often things are looked at that nobody announces.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Compare with systemd's list.
    pub list: Duration,
    /// See whether a starting server still runs.
    pub state: Duration,
    /// Measure the load and let more start, while somebody waits.
    pub queue: Duration,
    /// Look for idle servers.
    pub cull: Duration,
    /// Ask a launcher again that did not answer.
    pub retry: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            list: Duration::from_secs(5),
            state: Duration::from_millis(500),
            queue: Duration::from_millis(250),
            cull: Duration::from_secs(60),
            retry: Duration::from_millis(500),
        }
    }
}

impl Settings {
    /// What `config` says, on this machine.
    pub fn new(config: &Config, paths: &Paths) -> Self {
        let proc = paths.kernel_figures();
        let total = super::load::memory_total(&proc);
        Self {
            start_timeout: config.servers.start_timeout,
            idle_timeout: config.servers.idle_timeout,
            concurrent_starts: config.servers.concurrent_starts,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            reserve: total.map_or(0, |total| total.saturating_sub(config.users_memory(total))),
            paths: paths.clone(),
            proc,
            base: config.hub.base().to_owned(),
            app: None,
            pace: Pace::default(),
        }
    }

    /// The same for people's `app`s.
    #[must_use]
    pub fn for_app(self, name: AppName, app: App) -> Self {
        Self { app: Some((name, app)), ..self }
    }
}

/// Everybody's server. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Registry(Arc<Shared>);

struct Shared {
    client: Client,
    settings: RwLock<Arc<Settings>>,
    runtime: Handle,
    departures: mpsc::UnboundedSender<Username>,
    /// Somebody has begun to wait.
    queue_stirred: Notify,
    state: Mutex<State>,
}

struct State {
    servers: BTreeMap<Username, Server>,
    queue: Queue,
    slots: Slots,
    meter: Meter,
    sample: Sample,
    /// Counts changes of any server's life, so that older news can be told from newer.
    sequence: u64,
    /// The launcher's list has been seen once.
    known: bool,
    /// The environment that new servers get.
    newest: Option<u32>,
    /// Since when there is no memory for another server.
    memory_short_since: Option<Instant>,
    /// What the kernel ended of late.
    bursts: Bursts,
    /// Until when nobody starts these servers.
    kept_down: BTreeMap<Username, Instant>,
}

struct Server {
    state: ServerState,
    /// Something about it that people should read.
    note: Option<String>,
    /// The [`State::sequence`] of its last change.
    changed: u64,
    /// Which task may report: those of earlier attempts may not.
    attempt: u64,
    touched: Instant,
    /// When it is stopped, if nobody uses it before; set shortly before that.
    stops_at: Option<SystemTime>,
    /// Rounds in which it did not say whether it is idle.
    unanswered: u32,
    /// Somebody is finding out what became of it.
    inquiring: bool,
    /// Whether it leaves out what its owner installed and set, or its next start will.
    is_plain: bool,
    /// Whether its next start ends what runs.
    is_anew: bool,
    /// What the kernel ended in it for want of memory.
    memory_kills: Tally,
    view: watch::Sender<View>,
}

impl Registry {
    /// Looks after the servers behind `client` until the runtime ends. The second value tells whose server must get no
    /// more requests. Must be called inside a tokio runtime.
    pub fn new(client: Client, settings: Settings) -> (Self, mpsc::UnboundedReceiver<Username>) {
        let (departures, departed) = mpsc::unbounded_channel();
        let state = State {
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
        };
        let shared = Arc::new(Shared {
            client,
            settings: RwLock::new(Arc::new(settings)),
            runtime: Handle::current(),
            departures,
            queue_stirred: Notify::new(),
            state: Mutex::new(state),
        });
        rounds::spawn(&shared);
        (Self(shared), departed)
    }

    /// Waits until it is known which servers run and those have been asked, at most for `patience`. The registry works
    /// before that too: who wants a server then waits in the queue.
    ///
    /// # Errors
    /// When the launcher could not be asked in that time; the registry keeps trying by itself.
    pub async fn rebuild(&self, patience: Duration) -> anyhow::Result<usize> {
        rounds::rebuild(&self.0, patience).await
    }

    /// Puts other settings in force, for what is under way too.
    pub fn set_settings(&self, settings: Settings) {
        let slots = Slots::new(settings.concurrent_starts, settings.cores);
        *self.0.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        self.0.lock().slots = slots;
        // Somebody who waits may have a place now.
        self.0.queue_stirred.notify_one();
    }

    /// Lets go everybody who watches a server: the hub is on its way down. The servers themselves are not touched.
    pub fn close(&self) {
        self.0.lock().servers.clear();
    }
}

impl Servers for Registry {
    fn ensure(&self, name: &Username) -> watch::Receiver<View> {
        self.0.ensure(name, false)
    }

    fn ensure_plain(&self, name: &Username) -> watch::Receiver<View> {
        self.0.ensure(name, true)
    }

    fn restart(&self, name: &Username, is_plain: bool) -> watch::Receiver<View> {
        self.0.turn(name, |shared, state| {
            if state.stays_down(name, Instant::now()) {
                return;
            }
            let server = state.server(name);
            server.touched = Instant::now();
            (server.is_plain, server.is_anew) = (is_plain, true);
            shared.advance(state, name, Event::Restart);
        })
    }

    fn stop(&self, name: &Username) -> watch::Receiver<View> {
        self.0.turn(name, |shared, state| shared.advance(state, name, Event::Stop))
    }

    fn watch(&self, name: &Username) -> watch::Receiver<View> {
        // Every forwarded request comes through here: nothing is computed anew but the age.
        let mut state = self.0.lock();
        let server = state.server(name);
        if let ServerState::Running(unit) = &server.state {
            let uptime = uptime(unit, SystemTime::now());
            server.view.send_if_modified(|view| {
                view.uptime = uptime;
                false
            });
        }
        server.view.subscribe()
    }

    fn list(&self) -> Vec<(Username, View)> {
        let state = self.0.lock();
        let all = state.servers.keys().map(|name| (name.clone(), state.view(name)));
        all.filter(|(_, view)| view.phase != ServerPhase::Stopped).collect()
    }

    fn touch(&self, name: &Username) {
        let mut state = self.0.lock();
        let Some(server) = state.servers.get_mut(name) else { return };
        server.touched = Instant::now();
        if server.stops_at.take().is_some() {
            state.publish(name);
        }
    }

    fn suspect(&self, name: &Username) {
        let mut state = self.0.lock();
        if state.servers.get(name).is_some_and(|server| matches!(server.state, ServerState::Running(_))) {
            self.0.effect(&mut state, name, Effect::Inquire);
        }
    }
}

impl Shared {
    /// Whoever asks for a start says how; to ask about one that is under way changes nothing.
    fn ensure(self: &Arc<Self>, name: &Username, is_plain: bool) -> watch::Receiver<View> {
        self.turn(name, |shared, state| {
            if state.stays_down(name, Instant::now()) {
                return;
            }
            let server = state.server(name);
            server.touched = Instant::now();
            let is_wish = match server.state {
                ServerState::Stopped | ServerState::Failed(_) => true,
                ServerState::Queued | ServerState::Replacing(_) | ServerState::Stopping { .. } => is_plain,
                ServerState::Launching | ServerState::Waking(_) | ServerState::Running(_) => false,
            };
            if is_wish {
                server.is_plain = is_plain;
            }
            if matches!(server.state, ServerState::Stopped | ServerState::Failed(_)) {
                server.is_anew = false;
            }
            shared.advance(state, name, Event::Ensure);
        })
    }

    /// How servers start and stop, at this moment.
    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held is a bug that was reported; the state is still the best there is.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `action`, lets the queue move, and shows everybody what changed.
    fn turn(self: &Arc<Self>, name: &Username, action: impl FnOnce(&Arc<Self>, &mut State)) -> watch::Receiver<View> {
        let mut state = self.lock();
        state.server(name);
        action(self, &mut state);
        self.move_queue(&mut state, Instant::now());
        state.publish(name);
        state.server(name).view.subscribe()
    }

    /// Takes in what a task of `attempt` found out. Late news from an earlier attempt are dropped.
    fn report(self: &Arc<Self>, name: &Username, attempt: u64, event: Event) {
        self.turn(name, |shared, state| {
            let server = state.server(name);
            if server.attempt == attempt {
                shared.advance(state, name, event);
            } else {
                tracing::debug!(user = %name, "news of an earlier attempt to start or stop {name}'s server: {event:?}");
            }
        });
    }

    fn advance(self: &Arc<Self>, state: &mut State, name: &Username, event: Event) {
        let server = state.server(name);
        let former = std::mem::replace(&mut server.state, ServerState::Stopped);
        let before = std::mem::discriminant(&former);
        let (next, effects) = former.step(event);
        let changed = std::mem::discriminant(&next) != before;
        if changed {
            log_change(name, &next);
            if !matches!(next, ServerState::Stopped) {
                server.note = None;
            }
        }
        // A server that was found running tells how it was started.
        if let ServerState::Waking(unit) | ServerState::Running(unit) = &next {
            server.is_plain = unit.without_own;
        }
        server.state = next;
        if changed || !effects.is_empty() {
            state.sequence += 1;
            let sequence = state.sequence;
            state.server(name).changed = sequence;
        }
        for effect in effects {
            self.effect(state, name, effect);
        }
    }

    fn effect(self: &Arc<Self>, state: &mut State, name: &Username, effect: Effect) {
        let now = Instant::now();
        match effect {
            Effect::Enqueue | Effect::EnqueueInPlace => {
                state.queue.enter(name, now, effect == Effect::Enqueue);
                self.queue_stirred.notify_one();
            }
            Effect::Hold => state.queue.hold(name),
            Effect::Dequeue => state.queue.leave(name),
            Effect::Depart => {
                // Only fails when the hub is on its way down and nobody forwards requests any more.
                if self.departures.send(name.clone()).is_err() {
                    tracing::debug!(user = %name, "nobody wants to know that {name}'s server is gone");
                }
            }
            Effect::Inquire => {
                let server = state.server(name);
                if !std::mem::replace(&mut server.inquiring, true) {
                    self.runtime.spawn(tasks::inquire(Arc::clone(self), name.clone(), server.attempt));
                }
            }
            Effect::Launch | Effect::Await(_) | Effect::Halt => {
                let server = state.server(name);
                server.attempt += 1;
                let (shared, name, attempt) = (Arc::clone(self), name.clone(), server.attempt);
                match effect {
                    Effect::Launch => drop(self.runtime.spawn(tasks::launch(shared, name, attempt))),
                    Effect::Await(unit) => {
                        server.touched = now;
                        drop(self.runtime.spawn(tasks::wait_for_answer(shared, name, attempt, unit)));
                    }
                    _ => drop(self.runtime.spawn(tasks::halt(shared, name, attempt))),
                }
            }
        }
    }

    /// Lets those in front start while there is room, and turns away who has waited for memory too long.
    fn move_queue(self: &Arc<Self>, state: &mut State, now: Instant) {
        if state.queue.waiting().next().is_none() {
            state.memory_short_since = None;
            return;
        }
        if state.known {
            state.sample = state.meter.sample(now);
            let starting = state.queue.starting();
            let room = queue::memory_room(&state.sample, self.settings().reserve, starting);
            for name in state.queue.admit(state.slots.count(&state.sample), room) {
                self.advance(state, &name, Event::Admitted);
                state.publish(&name);
            }
            // Starts under way are a reason to wait, not a shortage: each will show how much it really takes.
            let short = room == 0 && starting == 0;
            state.memory_short_since = short.then(|| state.memory_short_since.unwrap_or(now));
            self.turn_away(state, now);
        }
        let waiting: Vec<Username> = state.queue.waiting().map(|next| next.name.clone()).collect();
        for name in waiting {
            state.publish(&name);
        }
    }

    fn turn_away(self: &Arc<Self>, state: &mut State, now: Instant) {
        let long_ago = |since: Instant| now.saturating_duration_since(since) >= MEMORY_PATIENCE;
        if !state.memory_short_since.is_some_and(long_ago) {
            return;
        }
        let tired = state.queue.waiting().filter(|next| next.takes_memory && long_ago(next.since));
        let tired: Vec<Username> = tired.map(|next| next.name.clone()).collect();
        for name in tired {
            self.advance(state, &name, Event::TurnedAway(failure::no_memory(MEMORY_PATIENCE)));
            state.publish(&name);
        }
    }
}

impl State {
    fn server(&mut self, name: &Username) -> &mut Server {
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
    fn keep_down(&mut self, name: &Username, until: Instant) {
        self.kept_down.insert(name.clone(), until);
        self.stays_down(name, Instant::now());
    }

    /// Whether `name`'s server may not be started yet; its view then says why.
    fn stays_down(&mut self, name: &Username, now: Instant) -> bool {
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

    fn view(&self, name: &Username) -> View {
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
    fn publish(&mut self, name: &Username) {
        let view = self.view(name);
        self.server(name).view.send_if_modified(|shown| {
            let changed = View { uptime: view.uptime, ..shown.clone() } != view;
            *shown = view;
            changed
        });
    }
}

fn log_change(name: &Username, state: &ServerState) {
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
