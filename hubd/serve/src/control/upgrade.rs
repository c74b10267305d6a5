//! Upgrades asked for by administrators inside the hub and operators on the host: handed on to the launcher, which judges them by itself.

use hub_core::control::environment::Asker;
use hub_core::control::{RefusalKind, Reply};
use hub_core::upgrade::{UpgradeReply, UpgradeRequest};

use super::access::Actor;
use super::{ControlContext, Refusal};

pub(super) async fn ask(context: &ControlContext, actor: &Actor, ask: &UpgradeRequest) -> Result<Reply, Refusal> {
    let asker = match actor {
        Actor::Person(name, _) => Asker::Admin { name: name.clone() },
        Actor::Operator(account) => Asker::Operator { account: account.clone() },
        // Root's hubctl needs nobody for this, so that it works while the hub does not.
        Actor::Root => {
            return Err(Refusal::new(RefusalKind::Invalid, "on the host, root's hubctl upgrades without the hub"));
        }
    };
    match context.launcher.upgrade(asker, ask.clone()).await? {
        UpgradeReply::Refused(refusal) => Err(refusal),
        answer => Ok(Reply::Upgrade { answer }),
    }
}
