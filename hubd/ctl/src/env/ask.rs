//! Who answers questions about the environment: with root's rights this process, without the hub; for operators and
//! inside the hub the launcher, through the hub.

use anyhow::{Context, Result};
use hub_core::control::environment::{Asker, EnvironmentReply, EnvironmentRequest};
use hub_core::control::{RefusalKind, Reply, Request};
use hub_environment::jobs::requests::Requests;
use hub_environment::jobs::worker;
use nix::unistd::{Uid, User};

use crate::World;
use crate::connect::{self, Place};
use crate::failure::{Cause, Failure};

/// Asks. A refusal is an error.
pub(super) fn ask(world: &World, request: &EnvironmentRequest) -> Result<EnvironmentReply> {
    let answer = match Place::find(world)? {
        Place::Host(_) => here(world, request)?,
        Place::Inside(_) | Place::Operator(_) => match connect::ask(world, &Request::Environment { ask: request.clone() })? {
            Reply::Environment { answer } => *answer,
            other => return Err(connect::unexpected(&other).into()),
        },
    };
    match answer {
        EnvironmentReply::Refused(refusal) => Err(Failure::from(refusal).into()),
        answer => Ok(answer),
    }
}

fn here(world: &World, request: &EnvironmentRequest) -> Result<EnvironmentReply> {
    let account = match world.caller.behind_sudo {
        Some(uid) => {
            User::from_uid(Uid::from_raw(uid)).with_context(|| format!("looking up account {uid}"))?.map(|user| user.name)
        }
        None => None,
    };
    let (asker, requests) = (Asker::Host { account }, Requests::new(world.paths.clone()));
    Ok(match request.target() {
        (_, EnvironmentRequest::Rollback { .. } | EnvironmentRequest::Collect) => requests.act_here(&asker, request),
        (kernel, EnvironmentRequest::Status) => {
            let paths = kernel.map_or_else(|| world.paths.clone(), |name| world.paths.of_kernel(name));
            let servers = worker::in_use(&paths).map_err(|error| tracing::debug!("asking who runs on what: {error:#}"));
            requests.answer(&asker, request, servers.ok())
        }
        _ => requests.answer(&asker, request, None),
    })
}

/// An answer that does not belong to the question.
pub(super) fn unexpected(reply: &EnvironmentReply) -> Failure {
    let text = format!("{reply:?}");
    let name = text.split([' ', '(', '{']).next().unwrap_or_default();
    Failure::new(
        Cause::Hub(RefusalKind::Failed),
        format!("unexpected answer of the hub ({name})"),
        "hubctl and the running hub seem to be of different versions: systemctl restart hubd".to_owned(),
    )
}
