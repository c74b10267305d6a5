//! Root's `apply`: everything that runs follows the configuration as the file has it now. Limits change where they are,
//! and are read back from the kernel; what somebody has lost the right to is ended without a grace period.

use std::sync::Arc;
use std::time::Duration;

use hub_core::accounts::{Username, lookup};
use hub_core::config::Config;
use hub_core::launcher::protocol::{Applied, Reply};
use hub_core::sys::name_servers;
use hub_core::unit_name::UnitName;
use hub_system::accounts::shadow;
use hub_system::systemd::UnitStatus;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::super::accounts::Machine;
use super::super::cgroup::Cgroup;
use super::super::which::Which;
use super::super::{everybody, spec};
use super::{Answer, Launcher, Refusal, blocking, internal, unit_problem};

/// How long the kernel may take to show a limit that systemd has accepted; taking memory away takes a moment.
const KERNEL_DEADLINE: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// What became of one server.
enum Outcome {
    Unchanged,
    Limited,
    Stopped,
}

impl<M: Machine + 'static> Launcher<M> {
    pub(super) async fn apply(self: &Arc<Self>) -> Answer {
        let config = self.settings.reread().map_err(internal)?;
        let mut applied = Applied::default();
        let resolv_conf = name_servers::text(&self.paths);
        everybody::apply(&self.manager, &config, &resolv_conf, &self.paths).await.map_err(internal)?;
        applied.problems.extend(self.close_admins_group(&config).await?);
        let mut tasks = JoinSet::new();
        for status in self.manager.servers().await.map_err(unit_problem)? {
            if matches!(status.active_state.as_str(), "inactive" | "failed") {
                continue;
            }
            let (launcher, config) = (Arc::clone(self), Arc::clone(&config));
            tasks.spawn(async move {
                let name = status.owner.clone();
                (name, launcher.apply_to(&status, &config).await)
            });
        }
        while let Some(done) = tasks.join_next().await {
            match done.map_err(internal)? {
                (_, Ok(Outcome::Unchanged)) => {}
                (name, Ok(Outcome::Limited)) => applied.limited.push(name),
                (name, Ok(Outcome::Stopped)) => applied.stopped.push(name),
                (name, Err(refusal)) => applied.problems.push(format!("{name}: {refusal}")),
            }
        }
        if let Err(refusal) = self.follow_apps(&config).await {
            applied.problems.push(format!("apps: {refusal}"));
        }
        // They may have left something elsewhere, also when they have no server.
        for name in &config.roles.blocked {
            let _turn = self.names.lock(name).await;
            if let Err(refusal) = self.end_apps(name).await {
                applied.problems.push(format!("{name}: {refusal}"));
            }
            if let Err(refusal) = self.end_the_rest(name).await {
                applied.problems.push(format!("{name}: {refusal}"));
            }
        }
        applied.limited.sort();
        applied.stopped.sort();
        applied.problems.sort();
        Ok(Reply::Applied(applied))
    }

    async fn apply_to(&self, status: &UnitStatus, config: &Config) -> Result<Outcome, Refusal> {
        let name = &status.owner;
        if self.must_end(name, config).await? {
            self.end(name).await?;
            tracing::warn!(user = %name, "ended {name}'s server: its rights were taken away");
            return Ok(Outcome::Stopped);
        }
        let changed = self.limit(name, config).await?;
        Ok(if changed { Outcome::Limited } else { Outcome::Unchanged })
    }

    /// Whether the server of `name` has, or gives, what the configuration does not allow any more. The unit itself is
    /// asked: it keeps the rights it was started with, whoever changed the configuration since, and how often.
    async fn must_end(&self, name: &Username, config: &Config) -> Result<bool, Refusal> {
        if config.is_blocked(name) {
            return Ok(true);
        }
        if spec::keeps_class_folder(config.role_of(name)) {
            return Ok(false);
        }
        let groups = self.manager.supplementary_groups(name).await.map_err(unit_problem)?;
        Ok(groups.iter().any(|group| group == spec::ADMINS_GROUP))
    }

    /// Ends a server at once. Whoever stops it in the ordinary way at the same time, and has its turn, is done sooner.
    async fn end(&self, name: &Username) -> Result<(), Refusal> {
        self.manager.kill(&UnitName::server(name)).await.map_err(unit_problem)?;
        self.kill_apps(name).await?;
        let _turn = self.names.lock(name).await;
        self.stop_server(Which::jupyter(name)).await?;
        self.end_apps(name).await
    }

    /// Puts the limits of `name` in force where they are not, and waits until the kernel has them. `false`: it had.
    async fn limit(&self, name: &Username, config: &Config) -> Result<bool, Refusal> {
        let limits = config.limits_of(name);
        let cgroup = Cgroup::of(&self.paths, Which::jupyter(name));
        if cgroup.differences(&limits).is_empty() {
            return Ok(false);
        }
        let (server, slice) = (spec::server_limits(&limits), spec::slice_limits(&limits));
        self.manager.set_properties(&UnitName::slice(name), &slice).await.map_err(unit_problem)?;
        self.manager.set_properties(&UnitName::server(name), &server).await.map_err(unit_problem)?;
        let deadline = Instant::now() + KERNEL_DEADLINE;
        loop {
            let differences = cgroup.differences(&limits);
            if differences.is_empty() {
                tracing::info!(user = %name, memory = limits.memory, tasks = limits.tasks, "changed the limits of {name}");
                return Ok(true);
            }
            if Instant::now() >= deadline {
                let seconds = KERNEL_DEADLINE.as_secs();
                return Err(internal(anyhow::anyhow!(
                    "systemd has taken the limits, but the kernel does not show them after {seconds} s: {}",
                    differences.join("; ")
                )));
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// The hub itself puts nobody in the group for good: servers are given it, those of administrators and teachers. An account that was
    /// put there by hand is taken out when its owner is neither.
    async fn close_admins_group(&self, config: &Arc<Config>) -> Result<Vec<String>, Refusal> {
        let (table, config) = (self.table().await?, Arc::clone(config));
        blocking(move || {
            let mut problems = Vec::new();
            for account in lookup::members_of(spec::ADMINS_GROUP)? {
                let owner = table.owner_of_account(&account);
                if owner.is_some_and(|owner| spec::keeps_class_folder(config.role_of(owner)) && !config.is_blocked(owner)) {
                    continue;
                }
                match owner {
                    Some(owner) => {
                        shadow::leave_group(&account, spec::ADMINS_GROUP)?;
                        tracing::warn!(user = %owner, account, "took an account out of {}", spec::ADMINS_GROUP);
                    }
                    None => problems.push(format!(
                        "unix account `{account}` is in group {} and belongs to nobody of the hub; it may write to the class folder",
                        spec::ADMINS_GROUP
                    )),
                }
            }
            Ok(problems)
        })
        .await
    }
}
