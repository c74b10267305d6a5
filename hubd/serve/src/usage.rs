//! What people's servers use of the machine at the moment, and what of it is short. Read from the kernel's own files, every
//! few seconds; what this process does not see, it asks the launcher for. What was read is kept for the pictures of a day and
//! of a term.

mod groups;
mod judge;
mod machine;
mod rates;
mod record;
mod ring;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};
use hub_core::accounts::Username;
use hub_core::control::usage::{History, Part, Reading, Shortage, Span};
use hub_core::control::{Memory, ServerPhase};
use hub_core::launcher::client::Client;
use hub_core::paths::Paths;
use hub_core::sys::room::Room;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::{MissedTickBehavior, interval};

use self::groups::Groups;
use self::judge::{Person, Readings, judge};
use self::machine::Machine;
use self::rates::Rates;
use self::ring::Ring;
use crate::servers::Servers;

/// From one look to the next.
const PACE: Duration = Duration::from_secs(5);
/// Looks from one question to the launcher to the next.
const ASKS: u32 = 12;

/// What is used. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Usage(Arc<Shared>);

struct Shared {
    groups: Groups,
    servers: Arc<dyn Servers>,
    launcher: Client,
    /// Where the hub keeps what it knows.
    state_directory: PathBuf,
    ring: Ring,
    /// Processors of the machine.
    cores: usize,
    known: Mutex<Known>,
}

struct Known {
    machine: Machine,
    rates: Rates,
    /// The disk with people's homes.
    homes: Option<Room>,
    shortages: Vec<Shortage>,
    /// What is not kept yet: the highest figures of this minute.
    latest: Option<Reading>,
    /// The figures of the latest look.
    now: Option<Reading>,
    /// Whether keeping it failed, which was said.
    has_failed: bool,
}

impl Usage {
    /// Of the machine with these `paths`. Nothing is known before the first look, and no rate before the second.
    pub fn new(paths: &Paths, servers: Arc<dyn Servers>, launcher: Client) -> Self {
        let known = Known {
            machine: Machine::new(paths),
            rates: Rates::default(),
            homes: None,
            shortages: Vec::new(),
            latest: None,
            now: None,
            has_failed: false,
        };
        Self(Arc::new(Shared {
            groups: Groups::new(paths),
            servers,
            launcher,
            state_directory: paths.state(),
            ring: Ring::new(paths.usage_history()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            known: Mutex::new(known),
        }))
    }

    /// Looks every few seconds until the runtime ends.
    pub async fn follow(self) {
        let mut rounds = interval(PACE);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for round in (0..ASKS).cycle() {
            rounds.tick().await;
            if round == 0 {
                self.ask().await;
            }
            let usage = self.clone();
            if let Err(error) = tokio::task::spawn_blocking(move || usage.look(Instant::now(), now())).await {
                tracing::error!(%error, "looking up what servers use");
            }
        }
    }

    /// What only the launcher sees.
    async fn ask(&self) {
        match self.0.launcher.ping().await {
            Ok(pong) => self.known().homes = pong.homes,
            Err(error) => {
                tracing::debug!(%error, "asking for the disk with people's homes");
                self.known().homes = None;
            }
        }
    }

    /// Looks once; `time` is in seconds since 1970.
    pub(crate) fn look(&self, now: Instant, time: u64) {
        let shared = &self.0;
        let servers: Vec<Username> =
            shared.servers.list().into_iter().filter(|(_, view)| is_up(view.phase)).map(|(name, _)| name).collect();
        let counted = servers.iter().filter_map(|name| Some((name.clone(), shared.groups.server(name).cpu()?))).collect();
        let memory: Vec<u64> = servers.iter().map(|name| shared.groups.server(name).working_memory().unwrap_or(0)).collect();
        let everybody = shared.groups.everybody();
        let servers_memory = everybody.memory().zip(everybody.working_memory());
        let state = Room::of(&shared.state_directory);
        let mut known = self.known();
        known.rates.learn(now, counted);
        let person = |(name, memory): (Username, u64)| Person { cores: known.rates.minute(&name).unwrap_or(0.0), name, memory };
        let people = servers.into_iter().zip(memory).map(person).collect();
        let all = known.machine.memory();
        let readings = Readings {
            memory: all.all,
            available: all.available,
            swap: all.swap,
            servers: servers_memory.map(|(memory, used)| (used, memory.allowed_bytes)),
            waited: known.machine.waited(),
            busy: known.machine.busy(now),
            cores: shared.cores,
            homes: known.homes,
            state,
            people,
        };
        known.shortages = judge(&readings);
        let reading = reading(time, &readings);
        known.now = Some(reading);
        let before = match &mut known.latest {
            Some(latest) if latest.time / 60 == time / 60 => {
                latest.merge(&reading);
                None
            }
            latest => latest.replace(reading),
        };
        drop(known);
        if let Some(before) = before {
            self.keep(&before);
        }
    }

    /// Keeps what was read in one minute. When that fails, pictures have a gap.
    fn keep(&self, reading: &Reading) {
        let outcome = self.0.ring.keep(reading);
        let had_failed = std::mem::replace(&mut self.known().has_failed, outcome.is_err());
        match outcome {
            Err(error) if !had_failed => {
                tracing::warn!(%error, "what is used of the machine can't be kept: pictures will have a gap")
            }
            Err(error) => tracing::debug!(%error, "what is used of the machine can't be kept"),
            Ok(()) => {}
        }
    }

    /// Keeps what was read in this minute so far: the hub is on its way down.
    pub fn save(&self) {
        let latest = self.known().latest;
        if let Some(latest) = latest {
            self.keep(&latest);
        }
    }

    /// What was used of late.
    ///
    /// # Errors
    /// When the file in which it is kept is there and can't be read.
    pub async fn history(&self, span: Span) -> Result<History> {
        let (latest, figures) = {
            let known = self.known();
            (known.latest, known.now)
        };
        let ring = self.0.ring.clone();
        let read = tokio::task::spawn_blocking(move || {
            let now = now();
            let offset = Timestamp::from_second(i64::try_from(now)?)?.to_zoned(TimeZone::system()).offset().seconds();
            Ok::<_, anyhow::Error>(ring.history(span, now, offset.into(), latest)?)
        });
        let history = read.await.context("reading what was used")??;
        Ok(History { now: figures, ..history })
    }

    /// Processors that `name`'s server keeps busy, in hundredths; `None`: not known yet, or it does not run.
    pub fn cpu_of(&self, name: &Username) -> Option<f64> {
        self.known().rates.now(name).map(|cores| (cores * 100.0).round() / 100.0)
    }

    /// Processors of the machine.
    pub fn cores(&self) -> usize {
        self.0.cores
    }

    /// Memory of all servers together; `None`: no server has run yet.
    pub fn memory_of_all_servers(&self) -> Option<Memory> {
        self.0.groups.everybody().memory()
    }

    /// What was short at the latest look.
    pub fn shortages(&self) -> Vec<Shortage> {
        self.known().shortages.clone()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // What was learned before a panic is as good as ever.
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reading(time: u64, readings: &Readings) -> Reading {
    let disk = |room: &Room| Part { used_bytes: room.bytes.saturating_sub(room.free_bytes), all_bytes: room.bytes };
    let cores: f64 = readings.people.iter().map(|person| person.cores).sum();
    let servers_memory = readings.servers.map(|(used, _)| used);
    Reading {
        time,
        people: u32::try_from(readings.people.len()).unwrap_or(u32::MAX - 1),
        cpu: readings.busy,
        servers_cpu: Some((cores / readings.cores as f64).min(1.0)),
        memory: readings
            .available
            .map(|available| Part { used_bytes: readings.memory.saturating_sub(available), all_bytes: readings.memory }),
        servers_memory: servers_memory.or_else(|| readings.people.is_empty().then_some(0)),
        // Of one disk both say the same, at whichever moment they were read.
        homes: readings
            .homes
            .as_ref()
            .map(|homes| disk(readings.state.as_ref().filter(|state| state.device == homes.device).unwrap_or(homes))),
        state: readings.state.as_ref().map(disk),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn is_up(phase: ServerPhase) -> bool {
    matches!(phase, ServerPhase::Running | ServerPhase::Starting | ServerPhase::Stopping)
}
