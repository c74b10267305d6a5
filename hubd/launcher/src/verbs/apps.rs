//! Apps: what a person starts beside Jupyter. Which there are, and what they run, root's configuration says.

use futures_util::future::join_all;
use hub_core::accounts::Username;
use hub_core::config::{AppName, Config};
use hub_core::unit_name::UnitName;
use hub_system::systemd::UnitStatus;

use super::super::accounts::Machine;
use super::super::spec;
use super::super::which::Which;
use super::{Launcher, Refusal, unit_problem};

impl<M: Machine + 'static> Launcher<M> {
    /// Ends all that `name` started beside Jupyter, at once: whoever lost the right to it has no time left to use it, and nothing that
    /// they run makes anybody wait.
    pub(super) async fn end_apps(&self, name: &Username) -> Result<(), Refusal> {
        let apps = self.kill_apps(name).await?;
        let stops = apps.iter().map(|app| self.stop_server(Which::app(name, app)));
        join_all(stops).await.into_iter().collect()
    }

    /// Kills them, without waiting for anybody who has their turn with `name`.
    pub(super) async fn kill_apps(&self, name: &Username) -> Result<Vec<AppName>, Refusal> {
        let apps: Vec<AppName> = self.apps_of(name).await?.into_iter().map(|(app, _)| app).collect();
        for app in &apps {
            self.manager.kill(&UnitName::app(name, app)).await.map_err(unit_problem)?;
        }
        Ok(apps)
    }

    /// Ends apps that the configuration does not have any more; the others follow the limits of their owners, which are the
    /// slice's.
    pub(super) async fn follow_apps(&self, config: &Config) -> Result<(), Refusal> {
        let known = config.all_apps(&self.paths);
        let follow = async |app: AppName, status: UnitStatus| -> Result<(), Refusal> {
            let owner = &status.owner;
            if config.is_blocked(owner) {
                self.kill_apps(owner).await?;
            }
            let _turn = self.names.lock(owner).await;
            if !known.contains_key(&app) || config.is_blocked(owner) {
                self.stop_server(Which::app(owner, &app)).await?;
                tracing::info!(user = %owner, %app, "ended {app} of {owner}: the configuration does not have it any more, or blocks them");
            } else if status.active_state == "active" {
                let limits = spec::slice_limits(&config.limits_of(owner));
                self.manager.set_properties(&UnitName::slice(owner), &limits).await.map_err(unit_problem)?;
            }
            Ok(())
        };
        // All at once: each may take as long as it is given to end.
        let all = self.manager.apps().await.map_err(unit_problem)?;
        join_all(all.into_iter().map(|(app, status)| follow(app, status))).await.into_iter().collect()
    }

    /// Whether anything but `which` runs in the slice of its owner.
    pub(super) async fn has_company(&self, which: Which<'_>) -> Result<bool, Refusal> {
        let is_up = |state: &str| !matches!(state, "inactive" | "failed");
        if which.app.is_some() {
            let server = self.manager.server(which.name).await.map_err(unit_problem)?;
            if server.is_some_and(|status| is_up(&status.active_state)) {
                return Ok(true);
            }
        }
        let apps = self.apps_of(which.name).await?;
        Ok(apps.iter().any(|(app, state)| Some(app) != which.app && is_up(state)))
    }

    async fn apps_of(&self, name: &Username) -> Result<Vec<(AppName, String)>, Refusal> {
        let all = self.manager.units_like(&UnitName::apps_pattern(name)).await.map_err(unit_problem)?;
        let own = all.into_iter().filter_map(|(unit, state)| {
            let (owner, app) = UnitName::app_owner(&unit)?;
            (owner == *name).then_some((app, state))
        });
        Ok(own.collect())
    }
}
