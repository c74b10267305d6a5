//! The environment verbs, for administrators inside the hub: handed on to the launcher, which judges them by itself.

use hub_core::control::environment::{Asker, EnvironmentReply, EnvironmentRequest};
use hub_core::control::{RefusalKind, Reply};

use super::access::Actor;
use super::{ControlContext, Refusal};

pub(super) async fn ask(context: &ControlContext, actor: &Actor, ask: &EnvironmentRequest) -> Result<Reply, Refusal> {
    let Actor::Person(name, _) = actor else {
        // Root's hubctl needs nobody for this, so that it works while the hub does not.
        return Err(Refusal::new(RefusalKind::Invalid, "on the host hubctl looks after the environment by itself"));
    };
    let asker = Asker::Admin { name: name.clone() };
    match context.launcher.environment(asker, ask.clone()).await? {
        EnvironmentReply::Refused { kind, message, hint } => Err(Refusal { kind, message, hint }),
        answer => Ok(Reply::Environment { answer: Box::new(answer) }),
    }
}
