//! A change of the configuration for an operator or somebody inside the hub. The launcher asks root's file whether they may,
//! leaves the request where `hubd-config.service` finds it, and hands back what that said: it writes no configuration itself.

use hub_core::config::keys::inside;
use hub_core::control::change::{KeyChange, Requester};
use hub_core::launcher::protocol::{RefusalKind, Reply};
use hub_system::config_change::Asked;

use super::{Answer, Launcher, blocking, refusal};
use crate::accounts::Machine;

/// Changes under way and waiting. Each takes seconds; whoever has taken over the hub could queue them without an end, and take
/// all the launcher's connections with them.
pub(super) const MOST_CHANGES: usize = 16;

impl<M: Machine + 'static> Launcher<M> {
    pub(super) async fn configure(&self, requester: Requester, change: KeyChange) -> Answer {
        let config = self.config().await?;
        inside::granted(&config, &requester, &change.path()).map_err(|why| refusal(RefusalKind::NotAllowed, why))?;
        let Ok(_place) = self.changes.try_acquire() else {
            let why = format!("{MOST_CHANGES} changes of the configuration are waiting already\nhint: try again in a moment");
            return Err(refusal(RefusalKind::Busy, why));
        };
        let _turn = self.configuring.lock().await;
        let key = change.path();
        tracing::info!(%requester, %key, "configuration: `{key}` is changed for {requester}");
        let paths = self.paths.clone();
        let ended = blocking(move || Asked { requester, change }.perform(&paths)).await?;
        Ok(Reply::Configured { ended })
    }
}
