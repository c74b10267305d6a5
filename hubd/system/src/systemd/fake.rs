//! An in-memory systemd behind a real D-Bus connection, for tests that have neither systemd nor root.
//!
//! It knows the properties that the hub sets and their types, as the real one does, and runs no process.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zbus::object_server::SignalEmitter;
use zbus::{Connection, Guid, ObjectServer, OwnedObjectPath, OwnedVariant, fdo};

use super::manager::Manager;

mod types;
mod unit;

use types::signature_of;
use unit::{FakeService, FakeUnit};

const MANAGER_PATH: &str = "/org/freedesktop/systemd1";

/// A systemd of one's own. Clones are the same one.
#[derive(Clone, Default)]
pub struct Fake(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    units: BTreeMap<String, Unit>,
    /// Results of the next start jobs, by unit; `done` when there is none.
    start_results: HashMap<String, String>,
    calls: Vec<String>,
    connections: Vec<Connection>,
    next_job: u32,
    /// Whether the ends of jobs are kept quiet.
    quiet: bool,
}

/// A unit as the fake keeps it.
#[derive(Debug, Default)]
struct Unit {
    properties: BTreeMap<String, OwnedVariant>,
    active_state: String,
    result: String,
    exec_main_code: i32,
    exec_main_status: i32,
    runs: u8,
}

impl Unit {
    fn is_oneshot(&self) -> bool {
        self.properties.get("Type").is_some_and(|kind| kind.to_string() == "\"oneshot\"")
    }

    /// The real one forgets such a unit; here it can still be looked at.
    fn is_over(&self) -> bool {
        self.is_oneshot() && self.active_state == "inactive"
    }
}

impl Fake {
    /// A manager that talks to this systemd.
    pub fn manager(&self) -> Manager {
        let fake = self.clone();
        Manager::with_connector(move || {
            let fake = fake.clone();
            Box::pin(async move { fake.connect().await })
        })
    }

    /// What was called so far, as in `StartTransientUnit hubd-user-ada.service`.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// Names of the loaded units.
    pub fn units(&self) -> Vec<String> {
        self.state().units.iter().filter(|(_, unit)| !unit.is_over()).map(|(name, _)| name.clone()).collect()
    }

    /// A property of a unit as D-Bus tools print it; `None` when the unit or the property is not there.
    pub fn property(&self, unit: &str, property: &str) -> Option<String> {
        self.state().units.get(unit)?.properties.get(property).map(|value| value.to_string())
    }

    /// The next start of `unit` ends with `result` instead of `done`.
    pub fn fail_next_start(&self, unit: &str, result: &str) {
        self.state().start_results.insert(unit.to_owned(), result.to_owned());
    }

    /// The main process of `unit` ends: `code` is `CLD_EXITED` (1) or `CLD_KILLED` (2), `status` the exit code or signal.
    pub fn end(&self, unit: &str, result: &str, code: i32, status: i32) {
        if let Some(unit) = self.state().units.get_mut(unit) {
            "failed".clone_into(&mut unit.active_state);
            result.clone_into(&mut unit.result);
            (unit.exec_main_code, unit.exec_main_status) = (code, status);
        }
    }

    /// Somebody logs in to the account with number `uid`, past the hub.
    pub fn log_in(&self, uid: u32) {
        let unit = Unit { active_state: "active".to_owned(), ..Unit::default() };
        self.state().units.insert(format!("user-{uid}.slice"), unit);
    }

    /// Keeps the ends of jobs quiet from now on, as a bus does that is gone when they happen.
    pub fn keep_quiet(&self) {
        self.state().quiet = true;
    }

    /// Cuts every connection, as a restart of the bus does.
    pub async fn cut(&self) {
        let connections = std::mem::take(&mut self.state().connections);
        for connection in connections {
            if let Err(error) = connection.close().await {
                tracing::debug!(%error, "closing the fake's connection");
            }
        }
    }

    async fn connect(&self) -> zbus::Result<Connection> {
        let (ours, theirs) = UnixStream::pair().map_err(|error| zbus::Error::InputOutput(Arc::new(error)))?;
        let server = zbus::connection::Builder::unix_stream(ours)
            .server(Guid::generate())
            .p2p()
            .serve_at(MANAGER_PATH, FakeManager(self.clone()))
            .build();
        let client = zbus::connection::Builder::unix_stream(theirs).p2p().build();
        let (server, client) = tokio::try_join!(server, client)?;
        self.state().connections.push(server);
        Ok(client)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call and makes a new job.
    fn job(&self, method: &str, unit: &str) -> (u32, OwnedObjectPath) {
        let mut state = self.state();
        state.calls.push(format!("{method} {unit}"));
        state.next_job += 1;
        let path = OwnedObjectPath::try_from(format!("{MANAGER_PATH}/job/{}", state.next_job));
        (state.next_job, path.unwrap_or_else(|_| unreachable_path()))
    }
}

/// For paths of letters and digits, which are always valid.
fn unreachable_path() -> OwnedObjectPath {
    zbus::ObjectPath::from_static_str_unchecked("/").into()
}

fn no_such_unit(name: &str) -> FakeError {
    FakeError::NoSuchUnit(format!("Unit {name} not loaded."))
}

#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.freedesktop.systemd1")]
enum FakeError {
    #[zbus(error)]
    ZBus(zbus::Error),
    NoSuchUnit(String),
    UnitExists(String),
    BadProperty(String),
}

struct FakeManager(Fake);

impl FakeManager {
    fn load(properties: Vec<(String, OwnedVariant)>) -> Result<Unit, FakeError> {
        let mut unit = Unit { active_state: "inactive".to_owned(), result: "success".to_owned(), ..Unit::default() };
        for (name, value) in properties {
            let expected = signature_of(&name).ok_or_else(|| FakeError::BadProperty(format!("unknown property {name}")))?;
            if value.value_signature().to_string() != expected {
                let found = value.value_signature();
                return Err(FakeError::BadProperty(format!("property {name} has signature {found}, expected {expected}")));
            }
            unit.properties.insert(name, value);
        }
        Ok(unit)
    }

    fn unit_path(name: &str) -> OwnedObjectPath {
        let escaped: String = name.bytes().map(|byte| format!("_{byte:02x}")).collect();
        OwnedObjectPath::try_from(format!("{MANAGER_PATH}/unit/{escaped}")).unwrap_or_else(|_| unreachable_path())
    }

    async fn serve(&self, server: &ObjectServer, name: &str) -> Result<OwnedObjectPath, FakeError> {
        let path = Self::unit_path(name);
        server.at(&path, FakeUnit::new(&self.0, name)).await?;
        server.at(&path, FakeService::new(&self.0, name)).await?;
        Ok(path)
    }
}

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl FakeManager {
    fn subscribe(&self) {}

    async fn start_transient_unit(
        &self,
        name: String,
        _mode: String,
        properties: Vec<(String, OwnedVariant)>,
        auxiliary: Vec<(String, Vec<(String, OwnedVariant)>)>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<OwnedObjectPath, FakeError> {
        let (id, job) = self.0.job("StartTransientUnit", &name);
        let mut unit = Self::load(properties)?;
        let (result, quiet) = {
            let mut state = self.0.state();
            if state.units.get(&name).is_some_and(|unit| !unit.is_over()) {
                return Err(FakeError::UnitExists(format!("Unit {name} was already loaded or has a fragment file.")));
            }
            for (name, properties) in auxiliary {
                let mut unit = Self::load(properties)?;
                "active".clone_into(&mut unit.active_state);
                state.units.entry(name).or_insert(unit);
            }
            let result = state.start_results.remove(&name).unwrap_or_else(|| "done".to_owned());
            if result == "done" && unit.is_oneshot() {
                "inactive".clone_into(&mut unit.active_state);
            } else if result == "done" {
                "active".clone_into(&mut unit.active_state);
            } else {
                "failed".clone_into(&mut unit.active_state);
                "exit-code".clone_into(&mut unit.result);
                (unit.exec_main_code, unit.exec_main_status) = (1, 203);
            }
            unit.runs = 1;
            state.units.insert(name.clone(), unit);
            (result, state.quiet)
        };
        if !quiet {
            // Before the reply is sent, as the real one may: the end of the job must not be missed.
            emitter.job_removed(id, job.clone(), name, result).await?;
        }
        Ok(job)
    }

    async fn stop_unit(
        &self,
        name: String,
        _mode: String,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<OwnedObjectPath, FakeError> {
        let (id, job) = self.0.job("StopUnit", &name);
        let quiet = {
            let mut state = self.0.state();
            if state.units.remove(&name).is_none() {
                return Err(no_such_unit(&name));
            }
            state.quiet
        };
        if !quiet {
            emitter.job_removed(id, job.clone(), name, "done".to_owned()).await?;
        }
        Ok(job)
    }

    fn kill_unit(&self, name: String, _whom: String, signal: i32) -> Result<(), FakeError> {
        let mut state = self.0.state();
        state.calls.push(format!("KillUnit {name} {signal}"));
        let unit = state.units.get_mut(&name).ok_or_else(|| no_such_unit(&name))?;
        "failed".clone_into(&mut unit.active_state);
        "signal".clone_into(&mut unit.result);
        Ok(())
    }

    fn reset_failed_unit(&self, name: String) -> Result<(), FakeError> {
        let mut state = self.0.state();
        state.calls.push(format!("ResetFailedUnit {name}"));
        match state.units.get(&name) {
            None => Err(no_such_unit(&name)),
            Some(unit) if unit.active_state == "failed" => {
                state.units.remove(&name);
                Ok(())
            }
            Some(_) => Ok(()),
        }
    }

    async fn get_unit(&self, name: String, #[zbus(object_server)] server: &ObjectServer) -> Result<OwnedObjectPath, FakeError> {
        if !self.0.state().units.contains_key(&name) {
            return Err(no_such_unit(&name));
        }
        self.serve(server, &name).await
    }

    /// Knows patterns with one star.
    async fn list_units_by_patterns(
        &self,
        _states: Vec<String>,
        patterns: Vec<String>,
        #[zbus(object_server)] server: &ObjectServer,
    ) -> Result<Vec<(String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath)>, FakeError>
    {
        let is_meant = |name: &String| {
            let mut patterns = patterns.iter().filter_map(|pattern| pattern.split_once('*'));
            patterns.any(|(start, end)| name.starts_with(&start.replace("\\\\", "\\")) && name.ends_with(end))
        };
        let names: Vec<String> = self.0.units().into_iter().filter(is_meant).collect();
        let mut listed = Vec::new();
        for name in names {
            let (path, no_text) = (self.serve(server, &name).await?, String::new);
            let no_job = unreachable_path();
            let active = self.0.state().units.get(&name).map_or_else(no_text, |unit| unit.active_state.clone());
            listed.push((name, no_text(), no_text(), active, no_text(), no_text(), path, 0, no_text(), no_job));
        }
        Ok(listed)
    }

    fn set_unit_properties(
        &self,
        name: String,
        _runtime: bool,
        properties: Vec<(String, OwnedVariant)>,
    ) -> Result<(), FakeError> {
        let changed = Self::load(properties)?;
        let mut state = self.0.state();
        state.calls.push(format!("SetUnitProperties {name}"));
        state
            .units
            .entry(name)
            .or_insert_with(|| Unit { active_state: "active".to_owned(), ..Unit::default() })
            .properties
            .extend(changed.properties);
        Ok(())
    }

    #[zbus(signal)]
    async fn job_removed(
        emitter: &SignalEmitter<'_>,
        id: u32,
        job: OwnedObjectPath,
        unit: String,
        result: String,
    ) -> zbus::Result<()>;
}

impl From<FakeError> for fdo::Error {
    fn from(error: FakeError) -> Self {
        Self::Failed(error.to_string())
    }
}
