//! The environment verbs, for administrators inside the hub and operators on the host: handed on to the launcher, which judges them by itself.

use hub_core::control::environment::{Asker, EnvironmentReply, EnvironmentRequest};
use hub_core::control::{RefusalKind, Reply};

use super::access::Actor;
use super::{ControlContext, Refusal};

pub(super) async fn ask(context: &ControlContext, actor: &Actor, ask: &EnvironmentRequest) -> Result<Reply, Refusal> {
    let asker = match actor {
        Actor::Person(name, _) => Asker::Admin { name: name.clone() },
        Actor::Operator(account) => Asker::Operator { account: account.clone() },
        // Root's hubctl needs nobody for this, so that it works while the hub does not.
        Actor::Root => {
            return Err(Refusal::new(RefusalKind::Invalid, "on the host, root's hubctl changes the environment without the hub"));
        }
    };
    match context.launcher.environment(asker, ask.clone()).await? {
        EnvironmentReply::Refused(refusal) => Err(refusal),
        answer => Ok(Reply::Environment { answer: Box::new(answer) }),
    }
}
