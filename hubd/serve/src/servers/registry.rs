//! Everybody's server: takes events in, lets `state_machine` and `queue` decide, and sets tasks going that bring new events.
//!
//! systemd is the database. What is here is rebuilt from the launcher's list at each start of the hub and compared with
//! it every few seconds, so a server that died, was stopped by hand or was started behind our back shows soon.

mod rounds;
mod settings;
mod state;
mod tasks;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use hub_core::accounts::Username;
use hub_core::control::ServerPhase;
use hub_core::launcher::client::Client;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, watch};

use super::queue::{self, MEMORY_PATIENCE, Slots};
use super::state_machine::{Effect, Event, ServerState};
use super::view::uptime;
use super::{Servers, View, failure};
pub use settings::{Pace, Settings};
use state::{State, log_change};

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

impl Registry {
    /// Looks after the servers behind `client` until the runtime ends. The second value tells whose server must get no
    /// more requests. Must be called inside a tokio runtime.
    pub fn new(client: Client, settings: Settings) -> (Self, mpsc::UnboundedReceiver<Username>) {
        let (departures, departed) = mpsc::unbounded_channel();
        let state = State::new(&settings);
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
