//! Asking systemd: each call has a deadline, survives a restart of the bus, and names what it waited for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use hub_core::accounts::Username;
use hub_core::config::AppName;
use hub_core::unit_name::UnitName;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};
use zbus::Connection;
use zbus::proxy::CacheProperties;

use super::error::{UnitError, is_absence, is_named, is_timeout};
use super::link::{LOOKS_AT_ONCE, Link};
use super::property::Property;
use super::proxy::{Auxiliary, NamedValue, ServiceProxy, UnitProxy};
use super::status::{Ended, UnitStatus, invocation, known};
use super::unit::TransientUnit;

/// How long systemd may take to answer one call; it is busy when a whole class starts.
const CALL_DEADLINE: Duration = Duration::from_secs(30);
/// How long a job may take. Longer than the units' own time limits, so that systemd's result comes first.
const JOB_DEADLINE: Duration = Duration::from_secs(90);
/// How long systemd may be absent from the bus, as it is while either restarts.
const ABSENCE_DEADLINE: Duration = Duration::from_secs(8);
/// Calls that are open at the same time. The bus refuses a connection more than 128 open questions, and a class that starts
/// on a busy machine has many: so these, and the nine questions of each look at a unit, stay below that together.
const CALLS_AT_ONCE: usize = 48;
/// Ends a process whatever it does.
const SIGKILL: i32 = 9;
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// Holds every server.
const SERVERS_SLICE: &str = "hubd-users.slice";

type Connecting = Pin<Box<dyn Future<Output = zbus::Result<Connection>> + Send>>;

/// systemd, as the hub sees it. Connects when first asked, and again when the connection is lost.
pub struct Manager {
    connect: Box<dyn Fn() -> Connecting + Send + Sync>,
    link: Mutex<Option<Arc<Link>>>,
    turns: Semaphore,
    /// How long systemd may be absent from the bus.
    patience: Duration,
}

impl Manager {
    /// systemd behind the system bus of this machine. Nothing is connected yet.
    pub fn system() -> Self {
        Self::with_connector(|| {
            Box::pin(async { zbus::connection::Builder::system().method_timeout(CALL_DEADLINE).build().await })
        })
    }

    pub(super) fn with_connector(connect: impl Fn() -> Connecting + Send + Sync + 'static) -> Self {
        let turns = Semaphore::new(CALLS_AT_ONCE);
        Self { connect: Box::new(connect), link: Mutex::new(None), turns, patience: ABSENCE_DEADLINE }
    }

    /// Starts a transient unit and waits until systemd has started it, or given up.
    ///
    /// # Errors
    /// [`UnitError::Exists`] when there is a unit of that name, [`UnitError::Job`] when it does not come up.
    pub async fn start(&self, unit: &TransientUnit) -> Result<(), UnitError> {
        let all = unit.properties.iter().chain(unit.auxiliary.iter().flat_map(|(_, properties)| properties));
        for property in all {
            property.check()?;
        }
        let doing = format!("start `{}`", unit.name);
        let (link, job) = self
            .call(&doing, |link| async move {
                let auxiliary: Vec<Auxiliary<'_>> =
                    unit.auxiliary.iter().map(|(name, properties)| (name.as_str(), values(properties))).collect();
                link.manager.start_transient_unit(unit.name.as_str(), "replace", &values(&unit.properties), &auxiliary).await
            })
            .await
            .map_err(|error| match error {
                UnitError::Refused { source, .. } if is_named(&source, "UnitExists") => UnitError::Exists(unit.name.clone()),
                error => error,
            })?;
        self.finish(link, job.as_str(), &unit.name, &doing, |state| state == "active").await
    }

    /// Stops a unit and waits until nothing of it runs. A unit that is not there is stopped already.
    ///
    /// # Errors
    /// When systemd can't be asked, or the unit does not end in time.
    pub async fn stop(&self, unit: &UnitName) -> Result<(), UnitError> {
        let doing = format!("stop `{unit}`");
        if !self.is_loaded(unit, &doing).await? {
            return Ok(());
        }
        match self.call(&doing, |link| async move { link.manager.stop_unit(unit.as_str(), "replace").await }).await {
            Ok((link, job)) => {
                self.finish(link, job.as_str(), unit, &doing, |state| matches!(state, "inactive" | "failed")).await
            }
            Err(UnitError::Refused { source, .. }) if is_named(&source, "NoSuchUnit") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Ends every process of a unit at once, without a chance to save anything. A unit that is not there has none.
    ///
    /// # Errors
    /// When systemd can't be asked.
    pub async fn kill(&self, unit: &UnitName) -> Result<(), UnitError> {
        let doing = format!("kill `{unit}`");
        let kill = |link: Arc<Link>| async move { link.manager.kill_unit(unit.as_str(), "all", SIGKILL).await };
        match self.call(&doing, kill).await {
            Ok(_) => Ok(()),
            Err(UnitError::Refused { source, .. }) if is_named(&source, "NoSuchUnit") || is_named(&source, "NoSuchProcess") => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The groups that the unit of `owner`'s server was given beside its account's; none when there is no such unit.
    ///
    /// # Errors
    /// When systemd can't be asked.
    pub async fn supplementary_groups(&self, owner: &Username) -> Result<Vec<String>, UnitError> {
        let unit = &UnitName::server(owner);
        let doing = format!("tell the groups of `{unit}`");
        let look = |link: Arc<Link>| async move {
            let path = link.manager.get_unit(unit.as_str()).await?;
            let service =
                ServiceProxy::builder(&link.connection).path(path).cache_properties(CacheProperties::No).build().await?;
            service.supplementary_groups().await
        };
        match self.call(&doing, look).await {
            Ok((_, groups)) => Ok(groups),
            Err(UnitError::Refused { source, .. }) if is_named(&source, "NoSuchUnit") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Makes systemd forget that a unit failed, so that its name is free again.
    ///
    /// # Errors
    /// When systemd can't be asked.
    pub async fn forget_failure(&self, unit: &UnitName) -> Result<(), UnitError> {
        let doing = format!("forget that `{unit}` failed");
        if !self.is_loaded(unit, &doing).await? {
            return Ok(());
        }
        match self.call(&doing, |link| async move { link.manager.reset_failed_unit(unit.as_str()).await }).await {
            Ok(_) => Ok(()),
            Err(UnitError::Refused { source, .. }) if is_named(&source, "NoSuchUnit") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Changes properties of a unit until the next boot.
    ///
    /// # Errors
    /// When systemd can't be asked or does not like a value.
    pub async fn set_properties(&self, unit: &UnitName, properties: &[Property]) -> Result<(), UnitError> {
        for property in properties {
            property.check()?;
        }
        let doing = format!("set properties of `{unit}`");
        let set =
            |link: Arc<Link>| async move { link.manager.set_unit_properties(unit.as_str(), true, &values(properties)).await };
        self.call(&doing, set).await?;
        Ok(())
    }

    /// How the unit of `owner`'s server is; `None` when systemd knows nothing of it.
    ///
    /// # Errors
    /// When systemd can't be asked.
    pub async fn server(&self, owner: &Username) -> Result<Option<UnitStatus>, UnitError> {
        self.status(&UnitName::server(owner), owner).await
    }

    /// How a service of `owner`'s is; `None` when systemd knows nothing of it.
    ///
    /// # Errors
    /// When systemd can't be asked.
    pub async fn status(&self, unit: &UnitName, owner: &Username) -> Result<Option<UnitStatus>, UnitError> {
        let doing = format!("tell the state of `{unit}`");
        let look = |link: Arc<Link>| async move {
            let path = link.manager.get_unit(unit.as_str()).await?;
            status(&link, owner.clone(), path).await
        };
        match self.call(&doing, look).await {
            Ok((_, status)) => Ok(Some(status)),
            Err(UnitError::Refused { source, .. }) if is_named(&source, "NoSuchUnit") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How the units of all servers are, by name.
    ///
    /// # Errors
    /// When systemd can't be asked.
    pub async fn servers(&self) -> Result<Vec<UnitStatus>, UnitError> {
        let list = |link: Arc<Link>| async move {
            let listed = link.manager.list_units_by_patterns(&[], &[UnitName::servers_pattern()]).await?;
            let owned = listed.into_iter().filter_map(|unit| Some((UnitName::owner(&unit.name)?, unit.path)));
            let statuses = owned.map(|(owner, path)| status(&link, owner, path));
            stream::iter(statuses).buffered(LOOKS_AT_ONCE).try_collect::<Vec<_>>().await
        };
        let (_, mut statuses) = self.call("list the servers", list).await?;
        statuses.sort_by(|one, other| one.owner.cmp(&other.owner));
        Ok(statuses)
    }

    /// How the units of everybody's apps are.
    ///
    /// # Errors
    /// When systemd can't be asked.
    pub async fn apps(&self) -> Result<Vec<(AppName, UnitStatus)>, UnitError> {
        let list = |link: Arc<Link>| async move {
            let listed = link.manager.list_units_by_patterns(&[], &[UnitName::servers_pattern()]).await?;
            let owned = listed.into_iter().filter_map(|unit| Some((UnitName::app_owner(&unit.name)?, unit.path)));
            let link = &link;
            let statuses = owned.map(|((owner, app), path)| async move { Ok((app, status(link, owner, path).await?)) });
            stream::iter(statuses).buffered(LOOKS_AT_ONCE).try_collect::<Vec<_>>().await
        };
        Ok(self.call("list the apps", list).await?.1)
    }

    /// The units whose names match `pattern`, and how they are: `active`, `failed`, ...
    ///
    /// # Errors
    /// When systemd can't be asked.
    pub async fn units_like(&self, pattern: &str) -> Result<Vec<(String, String)>, UnitError> {
        let list = |link: Arc<Link>| async move { link.manager.list_units_by_patterns(&[], &[pattern]).await };
        let (_, listed) = self.call("list units", list).await?;
        Ok(listed.into_iter().map(|unit| (unit.name, unit.active_state)).collect())
    }

    /// Numbers of the accounts that have login sessions, or a `systemd --user`.
    ///
    /// # Errors
    /// When systemd can't be asked.
    pub async fn logins(&self) -> Result<Vec<u32>, UnitError> {
        let list = |link: Arc<Link>| async move { link.manager.list_units_by_patterns(&[], &[UnitName::logins_pattern()]).await };
        let (_, listed) = self.call("list the login sessions", list).await?;
        Ok(listed.iter().filter_map(|unit| UnitName::login_uid(&unit.name)).collect())
    }

    /// The command lines of everything that runs in servers, each with the owner of its server.
    ///
    /// # Errors
    /// When systemd can't be asked.
    pub async fn command_lines(&self) -> Result<Vec<(Username, String)>, UnitError> {
        let list = |link: Arc<Link>| async move { link.manager.get_unit_processes(SERVERS_SLICE).await };
        let processes = match self.call("list what runs in servers", list).await {
            Ok((_, processes)) => processes,
            Err(UnitError::Refused { source, .. }) if is_named(&source, "NoSuchUnit") => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let owner_of = |unit: &str| UnitName::owner(unit).or_else(|| Some(UnitName::app_owner(unit)?.0));
        let owner = |group: &str| group.split('/').find_map(owner_of);
        Ok(processes.into_iter().filter_map(|(group, _, line)| Some((owner(&group)?, line))).collect())
    }

    /// Whether systemd knows of `unit`, running or not.
    ///
    /// # Errors
    /// When systemd can't be asked.
    pub async fn is_there(&self, unit: &UnitName) -> Result<bool, UnitError> {
        self.is_loaded(unit, &format!("look for `{unit}`")).await
    }

    /// Other calls would load a unit that is not there, and systemd complains to the journal when it was there just now.
    async fn is_loaded(&self, unit: &UnitName, doing: &str) -> Result<bool, UnitError> {
        match self.call(doing, |link| async move { link.manager.get_unit(unit.as_str()).await }).await {
            Ok(_) => Ok(true),
            Err(UnitError::Refused { source, .. }) if is_named(&source, "NoSuchUnit") => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn link(&self) -> zbus::Result<Arc<Link>> {
        let mut current = self.link.lock().await;
        match &*current {
            Some(link) if !link.is_closed() => Ok(Arc::clone(link)),
            _ => {
                let link = Arc::new(Link::over((self.connect)().await?).await?);
                *current = Some(Arc::clone(&link));
                Ok(link)
            }
        }
    }

    /// Makes a call, again while systemd is absent from the bus or the connection was lost.
    async fn call<T, F>(&self, doing: &str, call: impl Fn(Arc<Link>) -> F) -> Result<(Arc<Link>, T), UnitError>
    where
        F: Future<Output = zbus::Result<T>>,
    {
        // Nobody closes it; without a turn the call is only one too many.
        let _turn = self.turns.acquire().await.ok();
        let deadline = Instant::now() + self.patience;
        loop {
            let (source, reached) = match self.link().await {
                Ok(link) => match call(Arc::clone(&link)).await {
                    Ok(value) => return Ok((link, value)),
                    Err(error) => {
                        let reached = !link.is_closed() && !is_absence(&error);
                        (error, reached)
                    }
                },
                Err(error) => (error, false),
            };
            let doing = doing.to_owned();
            if is_timeout(&source) {
                return Err(UnitError::Deadline { doing, seconds: CALL_DEADLINE.as_secs() });
            }
            if reached {
                return Err(UnitError::Refused { doing, source });
            }
            if Instant::now() >= deadline {
                return Err(UnitError::Unreachable { doing, cause: source });
            }
            tracing::debug!(error = %source, doing, "systemd is not on the bus; trying again");
            sleep(RETRY_PAUSE).await;
        }
    }

    /// Waits for the end of a job.
    async fn finish(
        &self,
        link: Arc<Link>,
        job: &str,
        unit: &UnitName,
        doing: &str,
        reached: impl Fn(&str) -> bool,
    ) -> Result<(), UnitError> {
        let deadline = Instant::now() + JOB_DEADLINE;
        let late = || UnitError::Deadline { doing: doing.to_owned(), seconds: JOB_DEADLINE.as_secs() };
        let result = match timeout_at(deadline, link.jobs.result_of(job)).await {
            Ok(Ok(result)) => result,
            // The bus went away, and with it the announcement: look at the unit itself.
            Ok(Err(_)) => timeout_at(deadline, self.settled(unit, doing, reached)).await.map_err(|_| late())??,
            Err(_) => return Err(late()),
        };
        match result.as_str() {
            "done" => Ok(()),
            _ => Err(UnitError::Job { doing: doing.to_owned(), result }),
        }
    }

    /// What became of a job whose end nobody told us.
    async fn settled(&self, unit: &UnitName, doing: &str, reached: impl Fn(&str) -> bool) -> Result<String, UnitError> {
        let look = |link: Arc<Link>| async move {
            let path = link.manager.get_unit(unit.as_str()).await?;
            let proxy = UnitProxy::builder(&link.connection).path(path).cache_properties(CacheProperties::No).build().await?;
            Ok((proxy.job().await?.0, proxy.active_state().await?))
        };
        loop {
            let state = match self.call(doing, look).await {
                Ok((_, (0, state))) => state,
                Ok(_) => {
                    sleep(RETRY_PAUSE).await;
                    continue;
                }
                Err(UnitError::Refused { source, .. }) if is_named(&source, "NoSuchUnit") => "inactive".to_owned(),
                Err(error) => return Err(error),
            };
            return Ok(if reached(&state) { "done" } else { "failed" }.to_owned());
        }
    }
}

fn values(properties: &[Property]) -> Vec<NamedValue<'_>> {
    properties.iter().map(|property| (property.name, property.to_variant())).collect()
}

async fn status(link: &Link, owner: Username, path: zbus::OwnedObjectPath) -> zbus::Result<UnitStatus> {
    let _turn = link.looks.acquire().await.ok();
    let unit = UnitProxy::builder(&link.connection).path(path.clone()).cache_properties(CacheProperties::No).build().await?;
    let service = ServiceProxy::builder(&link.connection).path(path).cache_properties(CacheProperties::No).build().await?;
    let (active_state, job, run) = tokio::try_join!(unit.active_state(), unit.job(), unit.invocation_id())?;
    let (result, code, code_or_signal, started, main_pid, current, max, variables, binds) = tokio::try_join!(
        service.result(),
        service.exec_main_code(),
        service.exec_main_status(),
        service.exec_main_start_timestamp(),
        service.main_pid(),
        service.memory_current(),
        service.memory_max(),
        service.environment(),
        service.bind_read_only_paths(),
    )?;
    Ok(UnitStatus {
        owner,
        active_state,
        has_job: job.0 != 0,
        result,
        ended: Ended::from_codes(code, code_or_signal),
        main_pid: (main_pid != 0).then_some(main_pid),
        memory_current: known(current),
        memory_max: known(max),
        started: (started != 0).then_some(started / 1_000_000),
        invocation: invocation(&run),
        variables,
        read_only_binds: binds.into_iter().map(|(source, target, _, _)| (source, target)).collect(),
    })
}

#[cfg(test)]
mod tests;
