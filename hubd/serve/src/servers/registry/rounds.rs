//! What is looked at again and again because nobody announces it: systemd's list, the machine's load, idle servers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::bail;
use hub_core::accounts::Username;
use hub_core::config::format_bytes;
use hub_core::generation;
use hub_core::launcher::protocol::{Endpoint, UnitState};
use jiff::Timestamp;
use tokio::time::{sleep, timeout};

use super::tasks::problem;
use super::{Shared, State};
use crate::servers::cull::{self, UNANSWERED_ROUNDS};
use crate::servers::memory_kills;
use crate::servers::state_machine::{Event, ServerState};

/// How long a start of the hub waits for servers that were found half started.
const HALF_STARTED_PATIENCE: Duration = Duration::from_secs(1);
/// Looking at the list takes at most this share of the time.
const LIST_SHARE: u32 = 20;

/// Starts all rounds; they end with the runtime.
pub(super) fn spawn(shared: &Arc<Shared>) {
    let runtime = &shared.runtime;
    runtime.spawn(list_rounds(Arc::clone(shared)));
    runtime.spawn(queue_rounds(Arc::clone(shared)));
    runtime.spawn(cull_rounds(Arc::clone(shared)));
}

/// Waits for the first list, and for the servers found half started to answer.
pub(super) async fn rebuild(shared: &Arc<Shared>, patience: Duration) -> anyhow::Result<usize> {
    let poll = Duration::from_millis(5);
    let listed = async {
        while !shared.lock().known {
            sleep(poll).await;
        }
    };
    if timeout(patience, listed).await.is_err() {
        bail!("the launcher did not list the running servers within {} s", patience.as_secs());
    }
    let answered = async {
        while shared.lock().servers.values().any(|server| matches!(server.state, ServerState::Waking(_))) {
            sleep(poll).await;
        }
    };
    if timeout(HALF_STARTED_PATIENCE, answered).await.is_err() {
        tracing::info!("some servers that were found half started do not answer yet");
    }
    Ok(shared.lock().servers.values().filter(|server| matches!(server.state, ServerState::Running(_))).count())
}

async fn list_rounds(shared: Arc<Shared>) {
    let mut away = false;
    loop {
        let began = Instant::now();
        let sequence = shared.lock().sequence;
        let pause = match shared.client.list().await {
            Ok(units) => {
                if std::mem::take(&mut away) {
                    tracing::info!("the launcher answers again");
                }
                let newest = generation::current(&shared.settings().paths);
                let newest = newest.map_err(|error| tracing::debug!("looking which environment is current: {error:#}"));
                compare(&shared, units, sequence, newest.ok().flatten());
                shared.settings().pace.list.max(began.elapsed() * LIST_SHARE)
            }
            Err(error) => {
                if !std::mem::replace(&mut away, true) {
                    tracing::error!("the launcher can't be asked which servers run; trying again: {}", problem(&error));
                }
                shared.settings().pace.retry
            }
        };
        sleep(pause).await;
    }
}

/// Two moments that are no further apart are the same to people.
const SAME_MOMENT: Duration = Duration::from_secs(20);

/// Takes in what systemd said; servers that changed after the question was asked (`sequence`) know better.
fn compare(shared: &Arc<Shared>, units: Vec<UnitState>, sequence: u64, newest: Option<u32>) {
    let mut units: BTreeMap<Username, UnitState> = units.into_iter().map(|unit| (unit.name.clone(), unit)).collect();
    let mut state = shared.lock();
    // What the kernel counted before the hub was there happened nobody knows when.
    let now = std::mem::replace(&mut state.known, true).then(SystemTime::now);
    state.newest = newest;
    // Nobody looks at them and there is nothing to remember of them.
    state.servers.retain(|_, server| !matches!(server.state, ServerState::Stopped) || server.view.receiver_count() > 0);
    let names: Vec<Username> = state.servers.keys().chain(units.keys()).cloned().collect();
    for name in names {
        if state.servers.get(&name).is_some_and(|server| server.changed > sequence) {
            continue;
        }
        let unit = units.remove(&name);
        let is_too_much = unit.as_ref().is_some_and(|unit| count_memory_kills(&mut state, unit, now));
        let settled = unit.as_ref().is_some_and(|unit| is_settled(unit, shared.settings().start_timeout));
        if unit.is_some() || state.servers.contains_key(&name) {
            shared.advance(&mut state, &name, Event::Seen { unit, settled });
            if is_too_much {
                tracing::warn!(user = %name, "{name}'s server is stopped: its programs use up its memory over and over");
                shared.advance(&mut state, &name, Event::Stop);
                state.keep_down(&name, Instant::now() + memory_kills::REST);
            }
            state.publish(&name);
        }
    }
    shared.move_queue(&mut state, Instant::now());
}

/// Notes what the kernel ended for want of memory: Jupyter only says that a kernel died. Whether that is too much by now.
fn count_memory_kills(state: &mut State, unit: &UnitState, now: Option<SystemTime>) -> bool {
    let name = &unit.name;
    let new = state.server(name).memory_kills.learn(unit, now);
    if new > 0 {
        let limit = unit
            .memory_limit_bytes
            .map_or_else(|| "its memory".to_owned(), |bytes| format!("its {} of memory", format_bytes(bytes)));
        let programs = if new == 1 { "a program".to_owned() } else { format!("{new} programs") };
        tracing::warn!(user = %name, unit = unit.unit, memory_kills = unit.memory_kills,
            "{name}'s server used up {limit}: the kernel ended {programs} in it");
    }
    state.bursts.is_too_much(name, new, Instant::now())
}

fn is_settled(unit: &UnitState, start_timeout: Duration) -> bool {
    let started = unit.started.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    started.and_then(|started| SystemTime::now().duration_since(started).ok()).is_some_and(|age| age > start_timeout)
}

/// Measures the load and lets more start, while somebody waits or starts.
async fn queue_rounds(shared: Arc<Shared>) {
    loop {
        shared.queue_stirred.notified().await;
        loop {
            sleep(shared.settings().pace.queue).await;
            let mut state = shared.lock();
            if state.queue.is_quiet() {
                break;
            }
            let now = Instant::now();
            let sample = state.meter.sample(now);
            let starting = state.queue.starting();
            state.sample = sample;
            state.slots.learn(&sample, starting);
            shared.move_queue(&mut state, now);
        }
    }
}

impl Shared {
    /// Whether, a moment ago, the machine had more to do than it could.
    pub(super) fn is_strained(&self) -> bool {
        self.lock().sample.is_strained()
    }
}

async fn cull_rounds(shared: Arc<Shared>) {
    loop {
        let settings = shared.settings();
        // Often enough that nobody's server ends without notice.
        sleep(settings.idle_timeout.map_or(settings.pace.cull, |idle| settings.pace.cull.min(cull::notice(idle) / 2))).await;
        // Looked at anew: the administrator may have changed it meanwhile.
        let Some(idle) = shared.settings().idle_timeout else { continue };
        let candidates: Vec<(Username, Endpoint)> = {
            let state = shared.lock();
            let told_from = idle.saturating_sub(cull::notice(idle));
            let untouched = state.servers.iter().filter(|(_, server)| server.touched.elapsed() >= told_from);
            untouched
                .filter_map(|(name, server)| match &server.state {
                    ServerState::Running(unit) => unit.endpoint.clone().map(|endpoint| (name.clone(), endpoint)),
                    _ => None,
                })
                .collect()
        };
        for (name, endpoint) in candidates {
            cull(&shared, &name, &endpoint, idle).await;
        }
    }
}

/// Stops `name`'s server if it agrees that it is idle and nobody has come back meanwhile; if that will be so soon, notes when.
async fn cull(shared: &Arc<Shared>, name: &Username, endpoint: &Endpoint, idle: Duration) {
    let settings = shared.settings();
    let answer = match settings.app {
        None => cull::question(name, endpoint, &settings.base).await,
        // Only what comes through the hub is known.
        Some(_) => Ok(cull::Account::default()),
    };
    shared.turn(name, |shared, state| {
        let server = state.server(name);
        let untouched = server.touched.elapsed();
        let unused = match &answer {
            Ok(account) => {
                server.unanswered = 0;
                account.quiet_for(Timestamp::now()).map_or(untouched, |quiet| quiet.min(untouched))
            }
            Err(error) => {
                server.unanswered += 1;
                tracing::debug!(user = %name, "{name}'s unused server did not say whether it is idle: {error:#}");
                if server.unanswered >= UNANSWERED_ROUNDS { untouched } else { Duration::ZERO }
            }
        };
        if !matches!(server.state, ServerState::Running(_)) {
            return;
        }
        let left = idle.saturating_sub(unused);
        let at = SystemTime::now() + left;
        // The moment that people were told of, as long as it is still about right.
        let told = server.stops_at.filter(|told| told.duration_since(at).unwrap_or_else(|error| error.duration()) < SAME_MOMENT);
        server.stops_at = (left <= cull::notice(idle)).then(|| told.unwrap_or(at));
        if left.is_zero() {
            let idle_seconds = untouched.as_secs();
            tracing::info!(user = %name, idle_seconds, "stopping {name}'s server, idle for {idle_seconds} s");
            (server.unanswered, server.stops_at) = (0, None);
            shared.advance(state, name, Event::Stop);
            state.server(name).note = Some("The server was stopped because nobody used it.".to_owned());
        }
    });
}
