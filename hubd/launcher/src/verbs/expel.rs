//! People's accounts are for the units of the hub alone: nobody logs in to one, and what runs as one elsewhere is ended.

use std::sync::Arc;

use hub_core::accounts::Username;
use hub_core::accounts::lookup::Account;
use hub_core::launcher::protocol::Reply;
use hub_core::unit_name::UnitName;
use hub_system::systemd::{Property, TransientUnit, Value};

use super::super::accounts::Machine;
use super::super::which::Which;
use super::{Answer, Launcher, Refusal, blocking, unit_problem};

/// `CAP_SETUID`, all that ends processes of another account takes.
const SET_UID: u64 = 1 << 7;

impl<M: Machine + 'static> Launcher<M> {
    pub(super) async fn expel(&self, name: &Username) -> Answer {
        self.kill_apps(name).await?;
        let _turn = self.names.lock(name).await;
        self.stop_server(Which::jupyter(name)).await?;
        self.end_apps(name).await?;
        self.end_the_rest(name).await?;
        Ok(Reply::Done)
    }

    /// As [`Launcher::apply`], and closes accounts that somebody opened.
    pub(super) async fn apply_and_close(self: &Arc<Self>) -> Answer {
        let mut reply = self.apply().await?;
        let problems = self.close_accounts().await?;
        if let Reply::Applied(applied) = &mut reply {
            applied.problems.extend(problems);
        }
        Ok(reply)
    }

    /// Closes accounts that an earlier version made, and ends what runs by their logins.
    pub(super) async fn follow_logins(self: Arc<Self>) {
        match self.close_accounts().await {
            Ok(problems) => problems.iter().for_each(|problem| tracing::error!("{problem}")),
            Err(refusal) => tracing::error!("accounts of people may be open to logins past the hub: {refusal}"),
        }
    }

    async fn close_accounts(&self) -> Result<Vec<String>, Refusal> {
        let accounts = Arc::clone(&self.accounts);
        let problems = blocking(move || accounts.close_all()).await?;
        let table = self.table().await?;
        for uid in self.manager.logins().await.map_err(unit_problem)? {
            if let Some(owner) = table.owner(uid) {
                self.end_logins(uid).await?;
                tracing::warn!(user = %owner, uid, "ended what ran by a login to {owner}'s account, past the hub");
            }
        }
        Ok(problems)
    }

    /// Ends what runs as `name`'s account, but for what systemd starts for the hub meanwhile.
    pub(super) async fn end_the_rest(&self, name: &Username) -> Result<(), Refusal> {
        let (accounts, owner) = (Arc::clone(&self.accounts), name.clone());
        let Some(account) = blocking(move || accounts.find(&owner)).await? else { return Ok(()) };
        self.end_logins(account.uid).await?;
        self.start_unit(Which::jupyter(name), &self.expulsion(name, &account)).await
    }

    async fn end_logins(&self, uid: u32) -> Result<(), Refusal> {
        let logins = UnitName::logins(uid);
        self.manager.kill(&logins).await.map_err(unit_problem)?;
        self.manager.stop(&logins).await.map_err(unit_problem)?;
        // That it was killed, or could not start, is how it is meant to be.
        self.manager.forget_failure(&UnitName::user_manager(uid)).await.map_err(unit_problem)
    }

    /// What the launcher's own sandbox forbids: it neither sees people's processes nor ends them.
    fn expulsion(&self, name: &Username, account: &Account) -> TransientUnit {
        let program = self.paths.binaries().join("hubd-launcher").display().to_string();
        TransientUnit {
            name: UnitName::expulsion(name),
            properties: vec![
                Property::new("Description", format!("End of all that runs as the account of {name}")),
                Property::new("CollectMode", "inactive-or-failed"),
                Property::new("Type", "oneshot"),
                Property::new("ExecStart", Value::Program(vec![program, "expel".to_owned(), account.uid.to_string()])),
                Property::new("CapabilityBoundingSet", SET_UID),
                Property::new("NoNewPrivileges", true),
                Property::new("PrivateNetwork", true),
                Property::new("ProtectSystem", "strict"),
            ],
            auxiliary: Vec::new(),
        }
    }
}
