//! What the launcher does when it is asked: one method per request. Everything but the name comes from root's own files.

mod apply;
mod apps;
pub(crate) mod configure;
mod environment;
mod expel;

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use hub_core::accounts::Username;
use hub_core::accounts::lookup::{self, Account};
use hub_core::config::{AppName, Config, Role};
use hub_core::control::environment::Asker;
use hub_core::launcher::protocol::{Refusal, RefusalKind, Reply, Request, UnitState};
use hub_core::paths::Paths;
use hub_core::sys::{name_servers, room::Room};
use hub_core::unit_name::UnitName;
use hub_core::upgrade::UpgradeRequest;
use hub_environment::pyenv;
use hub_system::systemd::{Manager, TransientUnit, UnitError, UnitStatus};
use hub_system::upgrade;

use super::accounts::{Accounts, Machine};
use super::names::Names;
use super::places::Places;
use super::settings::Settings;
use super::spec::{self, Order, Program};
use super::state::state;
use super::which::Which;
use super::{everybody, journal, program};

/// How often, and after which pause, a start is tried again while systemd still remembers the failure that it was just
/// told to forget.
const FORGETTING: (u32, Duration) = (40, Duration::from_millis(25));
/// `SIGKILL`, which is also what the kernel sends to a process that takes too much memory.
const KILLED: i32 = 9;

/// Everything the launcher needs to answer.
pub(super) struct Launcher<M> {
    pub(super) paths: Paths,
    pub(super) manager: Manager,
    pub(super) accounts: Arc<Accounts<M>>,
    pub(super) settings: Settings,
    /// Number of the group `hubd`.
    pub(super) hub_gid: u32,
    names: Names,
    /// Held while the configuration is changed for somebody, and the places of all who want that.
    configuring: tokio::sync::Mutex<()>,
    changes: tokio::sync::Semaphore,
    /// The configuration whose limits for everybody together are in force, and the name servers of then.
    applied: Mutex<Option<(Arc<Config>, String)>>,
}

type Answer = Result<Reply, Refusal>;

impl<M: Machine + 'static> Launcher<M> {
    pub(super) fn new(paths: Paths, manager: Manager, machine: M, hub_gid: u32) -> Self {
        Self {
            accounts: Arc::new(Accounts::new(machine, &paths)),
            settings: Settings::new(paths.config_file()),
            paths,
            manager,
            hub_gid,
            names: Names::default(),
            configuring: tokio::sync::Mutex::new(()),
            changes: tokio::sync::Semaphore::new(configure::MOST_CHANGES),
            applied: Mutex::new(None),
        }
    }

    /// Does what `request` says. Whether the peer may ask was decided before.
    pub(super) async fn answer(self: &Arc<Self>, request: Request) -> Reply {
        let answer = match request {
            Request::Ping => self.ping().await,
            Request::Ensure { name } => self.ensure(&name).await,
            Request::Start { name, app } => self.start(Which { name: &name, app: app.as_ref() }, false).await,
            Request::StartPlain { name } => self.start(Which::jupyter(&name), true).await,
            Request::Restart { name, plain, app } => self.restart(Which { name: &name, app: app.as_ref() }, plain).await,
            Request::Stop { name, app } => self.stop(Which { name: &name, app: app.as_ref() }).await,
            Request::Expel { name } => self.expel(&name).await,
            Request::State { name, app } => self.state(Which { name: &name, app: app.as_ref() }).await,
            Request::List { app } => self.list(app.as_ref()).await,
            Request::Logs { name, lines, app } => self.logs(Which { name: &name, app: app.as_ref() }, lines).await,
            Request::MoveAside { name, settings } => self.move_aside(&name, settings).await,
            Request::WhoIs { uid } => self.who_is(uid).await,
            Request::Apply => self.apply_and_close().await,
            Request::Remove { name, home } => self.remove(&name, home).await,
            Request::Environment { asker, ask } => self.about_environment(asker, ask).await,
            Request::Configure { requester, change } => self.configure(requester, change).await,
            Request::Upgrade { asker, ask } => self.about_upgrade(asker, ask).await,
        };
        answer.unwrap_or_else(Reply::Refused)
    }

    async fn ping(&self) -> Answer {
        let environment = pyenv::current(&self.paths).map_err(internal)?;
        let (accounts_problem, homes) = match self.settings.current() {
            Ok(config) => {
                let accounts = Arc::clone(&self.accounts);
                blocking(move || Ok((accounts.problem(&config)?, Room::of(&config.accounts.homes)))).await?
            }
            // Whoever needs the configuration says what is wrong with it.
            Err(_) => (None, None),
        };
        Ok(Reply::Pong { version: env!("CARGO_PKG_VERSION").to_owned(), environment, accounts_problem, homes })
    }

    async fn ensure(&self, name: &Username) -> Answer {
        let _turn = self.names.lock(name).await;
        let config = self.config().await?;
        let account = self.account(name, &config).await?;
        Ok(Reply::Account { uid: account.uid, account: account.name })
    }

    async fn start(&self, which: Which<'_>, is_plain: bool) -> Answer {
        let _turn = self.names.lock(which.name).await;
        let (config, environment) = self.needed_to_start(which).await?;
        self.start_program(which, is_plain, &config, environment).await
    }

    /// What can't be started is not stopped. Whoever asked may be gone before this is done.
    async fn restart(&self, which: Which<'_>, is_plain: bool) -> Answer {
        let _turn = self.names.lock(which.name).await;
        let (config, environment) = self.needed_to_start(which).await?;
        self.stop_server(which).await?;
        self.start_program(which, is_plain, &config, environment).await
    }

    async fn needed_to_start(&self, which: Which<'_>) -> Result<(Arc<Config>, u32), Refusal> {
        let (name, config) = (which.name, self.config().await?);
        if config.is_blocked(name) {
            let message = format!("{name} is blocked: the configuration lists {name} under `blocked` in [roles]");
            return Err(refusal(RefusalKind::NotAllowed, message));
        }
        if which.app.is_some_and(|app| !config.all_apps(&self.paths).contains_key(app)) {
            return Err(no_such_app());
        }
        let environment = self.environment()?;
        Ok((config, environment))
    }

    async fn start_program(&self, which: Which<'_>, is_plain: bool, config: &Arc<Config>, environment: u32) -> Answer {
        let account = self.account(which.name, config).await?;
        let program = match which.app {
            None => program::server(&self.paths, which.name, &account, config, is_plain),
            Some(name) => {
                let app = config.all_apps(&self.paths).remove(name).ok_or_else(no_such_app)?;
                program::app(&self.paths, which.name, &account, config, name, &app)
            }
        };
        self.start_server(which, &account, config, environment, program).await
    }

    async fn start_server(
        &self,
        which: Which<'_>,
        account: &Account,
        config: &Arc<Config>,
        environment: u32,
        program: Program,
    ) -> Answer {
        let name = &which.unit();
        if let Some(status) = self.manager.status(name, which.name).await.map_err(unit_problem)? {
            match status.active_state.as_str() {
                "active" | "activating" | "reloading" => {
                    return Ok(Reply::State(state(which, Some(&status), Some(account.uid), &self.paths)));
                }
                "deactivating" => self.manager.stop(name).await.map_err(unit_problem)?,
                _ => {}
            }
            self.manager.forget_failure(name).await.map_err(unit_problem)?;
        }
        self.clear(which).await?;
        let mut unit = self.unit(which, account, config, environment, program)?;
        let slice = UnitName::slice(which.name);
        if self.manager.is_there(&slice).await.map_err(unit_problem)? {
            // Something else runs in it, or has failed there and is remembered: systemd does not make it again.
            let limits = spec::slice_limits(&config.limits_of(which.name));
            self.manager.set_properties(&slice, &limits).await.map_err(unit_problem)?;
            unit.auxiliary.retain(|(unit, _)| *unit != slice);
        }
        self.start_unit(which, &unit).await?;
        let status = self.status(which).await?;
        Ok(Reply::State(state(which, status.as_ref(), Some(account.uid), &self.paths)))
    }

    /// Whoever asks as an administrator or an operator must be one by root's own configuration, whatever the hub says.
    async fn is_heard(&self, asker: &Asker) -> Result<(), Refusal> {
        match asker {
            Asker::Admin { name } if !self.config().await?.is_admin(name) => {
                Err(refusal(RefusalKind::NotAllowed, format!("{name} is not an administrator of this hub")))
            }
            Asker::Operator { account } if !self.config().await?.roles.host_operators.contains(account) => {
                Err(refusal(RefusalKind::NotAllowed, format!("{account} is not an operator of this hub")))
            }
            _ => Ok(()),
        }
    }

    async fn about_upgrade(&self, asker: Asker, ask: UpgradeRequest) -> Answer {
        self.is_heard(&asker).await?;
        let paths = self.paths.clone();
        let answer = blocking(move || Ok(upgrade::answer(&paths, &asker, &ask))).await?;
        Ok(Reply::Upgrade { answer: Box::new(answer) })
    }

    fn unit(
        &self,
        which: Which<'_>,
        account: &Account,
        config: &Config,
        environment: u32,
        program: Program,
    ) -> Result<TransientUnit, Refusal> {
        let name = which.name;
        let groups = lookup::groups_of(account);
        if let Some(group) = groups.iter().find(|group| **group != account.name && !group.starts_with("hubd-")) {
            // The machine's administrator decides that; some groups (docker, disk, ...) amount to root.
            tracing::warn!(user = %name, account = account.name, group, "this account is also in a group that the hub did not put it in");
        }
        let places = Places::find(&self.paths, &config.accounts.homes, &account.home).map_err(internal)?;
        let app = which.app.and_then(|app| config.all_apps(&self.paths).remove(app));
        spec::unit(&Order {
            which,
            title: app.as_ref().map_or("Jupyter server", |app| app.title.as_str()),
            has_network: which.app.is_none() || app.as_ref().is_some_and(|app| app.network),
            account,
            // An app looks after nobody.
            role: if which.app.is_some() { Role::Student } else { config.role_of(name) },
            hub_gid: self.hub_gid,
            limits: &config.limits_of(name),
            stop_timeout: config.servers.stop_timeout,
            home: &places.home,
            hidden: &places.hidden,
            environment,
            program,
            paths: &self.paths,
        })
        .map_err(internal)
    }

    async fn start_unit(&self, which: Which<'_>, unit: &TransientUnit) -> Result<(), Refusal> {
        let (mut tries, pause) = FORGETTING;
        loop {
            match self.manager.start(unit).await {
                Ok(()) => return Ok(()),
                Err(UnitError::Exists(_)) if tries > 0 => {
                    tries -= 1;
                    tokio::time::sleep(pause).await;
                }
                Err(error @ UnitError::Job { .. }) => {
                    let status = self.status(which).await?;
                    let why = status.map_or(String::new(), |status| format!(" (systemd says: {})", how_it_ended(&status)));
                    return Err(refusal(RefusalKind::Unit, format!("{error}{why}")));
                }
                Err(error) => return Err(unit_problem(error)),
            }
        }
    }

    async fn stop(&self, which: Which<'_>) -> Answer {
        let _turn = self.names.lock(which.name).await;
        self.stop_server(which).await?;
        Ok(Reply::Done)
    }

    async fn stop_server(&self, which: Which<'_>) -> Result<(), Refusal> {
        let unit = which.unit();
        self.manager.stop(&unit).await.map_err(unit_problem)?;
        // One that had to be killed counts as failed; it was wanted.
        self.manager.forget_failure(&unit).await.map_err(unit_problem)?;
        self.clear(which).await?;
        for directory in [which.directory(&self.paths), which.terminals(&self.paths)] {
            match fs_err::remove_dir(&directory) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    tracing::debug!("leaving an empty directory behind: {error}");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Ends what a server of `name` leaves behind, so that the next one gets a fresh directory and today's limits.
    ///
    /// systemd could do that by itself (`StopWhenUnneeded=`), but then a unit that it finds fault with at a
    /// `daemon-reload` would lose its directory and its limits while it runs.
    async fn clear(&self, which: Which<'_>) -> Result<(), Refusal> {
        self.manager.stop(&which.directory_unit()).await.map_err(unit_problem)?;
        self.manager.stop(&which.terminals_unit()).await.map_err(unit_problem)?;
        if self.has_company(which).await? {
            return Ok(());
        }
        self.manager.stop(&UnitName::slice(which.name)).await.map_err(unit_problem)
    }

    async fn state(&self, which: Which<'_>) -> Answer {
        let uid = self.table().await?.find(which.name).map(|record| record.uid);
        let status = self.status(which).await?;
        Ok(Reply::State(state(which, status.as_ref(), uid, &self.paths)))
    }

    async fn list(&self, app: Option<&AppName>) -> Answer {
        let table = self.table().await?;
        let all = match app {
            None => self.manager.servers().await.map_err(unit_problem)?,
            Some(app) => {
                let all = self.manager.apps().await.map_err(unit_problem)?;
                all.into_iter().filter_map(|(of, status)| (of == *app).then_some(status)).collect()
            }
        };
        let mut states: Vec<UnitState> = Vec::new();
        for mut status in all {
            note_lack_of_memory(&mut status).await;
            let uid = table.find(&status.owner).map(|record| record.uid);
            states.push(state(Which { name: &status.owner, app }, Some(&status), uid, &self.paths));
        }
        Ok(Reply::States { states })
    }

    async fn logs(&self, which: Which<'_>, lines: u32) -> Answer {
        let unit = which.unit();
        let run = self.manager.status(&unit, which.name).await.map_err(unit_problem)?.and_then(|status| status.invocation);
        let lines = blocking(move || {
            let run = match run {
                Some(run) => Some(run),
                None => journal::latest_invocation(unit.as_str())?,
            };
            run.map_or(Ok(Vec::new()), |run| journal::lines_of(unit.as_str(), &run, lines))
        });
        Ok(Reply::Logs { lines: lines.await? })
    }

    async fn who_is(&self, uid: u32) -> Answer {
        Ok(Reply::Name { name: self.table().await?.owner(uid).cloned() })
    }

    /// Also while the server runs: what it has loaded stays with it until it is started again.
    async fn move_aside(&self, name: &Username, settings: bool) -> Answer {
        let _turn = self.names.lock(name).await;
        let (accounts, owner) = (Arc::clone(&self.accounts), name.clone());
        let places = blocking(move || accounts.move_aside(&owner, settings)).await?;
        if !places.is_empty() {
            tracing::info!(user = %name, ?places, "moved {name}'s own packages aside");
        }
        Ok(Reply::Moved { places })
    }

    async fn remove(&self, name: &Username, home: bool) -> Answer {
        let _turn = self.names.lock(name).await;
        let config = self.config().await?;
        self.stop_server(Which::jupyter(name)).await?;
        self.end_apps(name).await?;
        self.end_the_rest(name).await?;
        let (accounts, owner) = (Arc::clone(&self.accounts), name.clone());
        if blocking(move || accounts.remove(&owner, &config, home)).await? {
            Ok(Reply::Done)
        } else {
            Err(refusal(RefusalKind::NoAccount, format!("`{name}` has no unix account")))
        }
    }

    /// The configuration in force. The limits for everybody together follow it.
    async fn config(&self) -> Result<Arc<Config>, Refusal> {
        let config = self.settings.current().map_err(internal)?;
        let resolv_conf = name_servers::text(&self.paths);
        let is_applied = {
            let applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
            applied.as_ref().is_some_and(|(applied, servers)| Arc::ptr_eq(applied, &config) && *servers == resolv_conf)
        };
        if !is_applied {
            everybody::apply(&self.manager, &config, &resolv_conf, &self.paths).await.map_err(internal)?;
            *self.applied.lock().unwrap_or_else(PoisonError::into_inner) = Some((Arc::clone(&config), resolv_conf));
        }
        Ok(config)
    }

    /// Puts the limits for everybody together in force, if there is a configuration.
    ///
    /// The configuration may have changed while nobody was here to follow, so everything that runs follows it now.
    pub(super) async fn prepare(self: &Arc<Self>) {
        // Those of a large school that earlier versions made take longer than systemd waits for a start.
        tokio::spawn(Arc::clone(self).follow_logins());
        if let Err(refusal) = self.config().await {
            tracing::error!("the limit for all students together is not set: {refusal}");
            return;
        }
        match self.apply().await {
            Ok(Reply::Applied(applied)) => {
                for problem in applied.problems {
                    tracing::warn!("what runs does not follow the configuration: {problem}");
                }
            }
            Ok(_) => {}
            Err(refusal) => tracing::error!("what runs does not follow the configuration: {refusal}"),
        }
        self.wake().await;
        tokio::spawn(Arc::clone(self).follow_python());
    }

    async fn account(&self, name: &Username, config: &Arc<Config>) -> Result<Account, Refusal> {
        let (accounts, config, name) = (Arc::clone(&self.accounts), Arc::clone(config), name.clone());
        blocking(move || accounts.ensure(&name, &config)).await
    }

    async fn table(&self) -> Result<hub_system::accounts::table::Table, Refusal> {
        let accounts = Arc::clone(&self.accounts);
        blocking(move || accounts.table()).await
    }

    async fn status(&self, which: Which<'_>) -> Result<Option<UnitStatus>, Refusal> {
        let mut status = self.manager.status(&which.unit(), which.name).await.map_err(unit_problem)?;
        if let Some(status) = &mut status {
            note_lack_of_memory(status).await;
        }
        Ok(status)
    }
}

/// With `OOMPolicy=continue` systemd reports a server that the kernel killed for want of memory as killed by a signal, and
/// the reason only to the journal.
async fn note_lack_of_memory(status: &mut UnitStatus) {
    use hub_system::systemd::Ended;
    if status.result != "signal" || status.ended != Some(Ended::Killed(KILLED)) {
        return;
    }
    let Some(run) = status.invocation.clone() else { return };
    match blocking(move || journal::ran_out_of_memory(&run)).await {
        Ok(true) => "oom-kill".clone_into(&mut status.result),
        Ok(false) => {}
        Err(refusal) => tracing::debug!("can't tell whether memory was lacking: {refusal}"),
    }
}

fn how_it_ended(status: &UnitStatus) -> String {
    use hub_system::systemd::Ended;
    match status.ended {
        Some(Ended::Exited(code)) => format!("{}, exit code {code}", status.result),
        Some(Ended::Killed(signal)) => format!("{}, signal {signal}", status.result),
        None => status.result.clone(),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(internal),
        Err(error) => Err(refusal(RefusalKind::Failed, format!("the launcher stumbled over its own work: {error}"))),
    }
}

fn refusal(kind: RefusalKind, message: impl Into<String>) -> Refusal {
    Refusal::from_text(kind, &message.into())
}

fn no_such_app() -> Refusal {
    refusal(RefusalKind::NotAllowed, "the configuration has no such app any more")
}

fn internal(error: impl Into<anyhow::Error>) -> Refusal {
    refusal(RefusalKind::Failed, format!("{:#}", error.into()))
}

fn unit_problem(error: UnitError) -> Refusal {
    refusal(RefusalKind::Unit, chain(&error))
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&(cause as &dyn Display).to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
