//! The configuration, for people inside the hub and operators: read here, changed by root's side, which judges the request by
//! itself.

use hub_core::accounts::Username;
use hub_core::config::edit::KeyPath;
use hub_core::config::effects;
use hub_core::control::change::KeyChange;
use hub_core::control::{RefusalKind, Reply};

use super::access::Actor;
use super::{ControlContext, Refusal};

/// Whether somebody may read it was decided before.
pub(super) fn get(context: &ControlContext, key: &[String]) -> Result<Reply, Refusal> {
    Ok(Reply::ConfigValue { value: effects::values(&context.config.get()).remove(&KeyPath::new(key)) })
}

pub(super) fn limits(context: &ControlContext, name: &Username) -> Reply {
    Reply::Limits { limits: context.config.get().explain_limits(name) }
}

pub(super) async fn change(context: &ControlContext, actor: &Actor, change: &KeyChange) -> Result<Reply, Refusal> {
    let Some(requester) = actor.requester() else {
        // Root's hubctl needs nobody for this, so that it works while the hub does not.
        return Err(Refusal::new(RefusalKind::Invalid, "root's hubctl changes the configuration without the hub"));
    };
    Ok(Reply::ConfigChanged { ended: context.launcher.configure(requester, change).await? })
}
