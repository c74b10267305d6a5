//! Which socket leads to the hub from here, and asking through it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Result;
use hub_core::accounts::Username;
use hub_core::control::{self, RefusalKind, Reply, Request, UserInfo};
use serde::Serialize;

use super::World;
use super::failure::{Cause, Exit, Failure, exit_of, hint_of};

/// Where this hubctl runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// On the machine, as root.
    Host(PathBuf),
    /// On the machine, as an account of it that is not root: an operator, if the hub agrees.
    Operator(PathBuf),
    /// In an administrator's server.
    Inside(PathBuf),
}

impl Place {
    /// Finds out from who runs hubctl and which sockets are to be seen.
    pub(super) fn find(world: &World) -> Result<Self, Failure> {
        let (host, inside, operator) = (world.paths.control_socket(), world.paths.admin_socket(), world.paths.operator_socket());
        if world.caller.uid == 0 {
            return Ok(Self::Host(host));
        }
        // A server sees nothing of the host's /run but what is bound into it.
        if operator.parent().is_some_and(Path::exists) {
            return Ok(Self::Operator(operator));
        }
        if inside.parent().is_some_and(Path::exists) {
            return Ok(Self::Inside(inside));
        }
        Err(Failure::new(
            Cause::Refused,
            "cannot reach the hub from here",
            "hubctl works on the machine of the hub, for its operators and with sudo, and in a terminal of the hub's administrators"
                .to_owned(),
        ))
    }
}

/// Refuses what amounts to root: it can't be done from inside the hub, nor by operators.
pub(super) fn only_on_the_host(world: &World, what: &str, command: &str) -> Result<(), Failure> {
    match Place::find(world)? {
        Place::Host(_) => Ok(()),
        Place::Operator(_) => Err(Failure::new(
            Cause::Refused,
            format!("{what} needs full root on this machine"),
            format!("an account with full sudo can: sudo hubctl {command}"),
        )),
        Place::Inside(_) => Err(Failure::new(
            Cause::Refused,
            format!("`hubctl {command}` works only on the server itself"),
            format!("log in to the machine with ssh and run: sudo hubctl {command}"),
        )),
    }
}

/// Says so where there is no hub, and never was, or it was uninstalled.
pub(super) fn refuse_without_hub(world: &World) -> Result<(), Failure> {
    let (receipt, config, socket) = (world.paths.receipt(), world.paths.config_file(), world.paths.control_socket());
    let is_there = receipt.exists() || config.exists() || socket.parent().is_some_and(Path::exists);
    // Others than root don't see all of them.
    if is_there || world.caller.uid != 0 {
        return Ok(());
    }
    let hint = "to install one, as it is said in the README: sudo ./bootstrap.sh --admin NAME".to_owned();
    Err(Failure::new(Cause::Unreachable, "no hub is installed on this machine", hint))
}

/// Asks the hub. A refusal is an error.
pub(super) fn ask(world: &World, request: &Request) -> Result<Reply, Failure> {
    let place = Place::find(world)?;
    refuse_without_hub(world)?;
    let (Place::Host(socket) | Place::Operator(socket) | Place::Inside(socket)) = &place;
    match control::call(socket, request) {
        Ok(Reply::Refused(refusal)) => Err(refusal.into()),
        Ok(reply) => Ok(reply),
        Err(error) => {
            let hint = match (&place, error.kind()) {
                (Place::Inside(_), _) => "ask whoever looks after the machine: sudo hubctl status says more there",
                (Place::Host(_) | Place::Operator(_), ErrorKind::InvalidData) => {
                    "hubctl and the running hub seem to be of different versions: systemctl restart hubd"
                }
                (Place::Host(_), _) if matches!(request, Request::Status) => "systemctl status hubd says more",
                (Place::Host(_), _) => "sudo hubctl status and systemctl status hubd say more",
                (Place::Operator(_), _) if matches!(request, Request::Status) => "systemctl status hubd says more",
                (Place::Operator(_), _) => "hubctl status and systemctl status hubd say more",
            };
            let message = match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => "the hub is not running".to_owned(),
                _ => "the hub does not answer".to_owned(),
            };
            let message = format!("{message}: asking it through `{}`: {error}", socket.display());
            Err(Failure::new(Cause::Unreachable, message, hint.to_owned()))
        }
    }
}

/// What the hub says; a hub that is down is no reason not to go on.
pub(super) fn told_by_hub(world: &World, request: &Request) -> Option<Reply> {
    ask(world, request).inspect_err(|failure| tracing::debug!(%failure, ?request, "asking the hub")).ok()
}

/// Everybody who is enrolled; `None`: the hub does not say.
pub(super) fn people(world: &World) -> Option<Vec<UserInfo>> {
    match told_by_hub(world, &Request::UserList)? {
        Reply::Users { users } => Some(users),
        _ => None,
    }
}

/// An answer that does not belong to the question.
pub(super) fn unexpected(reply: &Reply) -> Failure {
    Failure::new(
        Cause::Hub(RefusalKind::Failed),
        format!("unexpected answer of the hub ({})", kind_of(reply)),
        "hubctl and the running hub seem to be of different versions: systemctl restart hubd".to_owned(),
    )
}

fn kind_of(reply: &Reply) -> &'static str {
    match reply {
        Reply::Done => "done",
        Reply::Status(_) => "status",
        Reply::Reloaded(_) => "reloaded",
        Reply::Database { .. } => "the database",
        Reply::Added { .. } => "added",
        Reply::Users { .. } => "users",
        Reply::User { .. } => "user",
        Reply::Link { .. } => "link",
        Reply::TokenCreated { .. } => "a token",
        Reply::Logins { .. } => "logins",
        Reply::Tokens { .. } => "tokens",
        Reply::Servers { .. } => "servers",
        Reply::Shortages { .. } => "shortages",
        Reply::UsageHistory { .. } => "usage history",
        Reply::Logs { .. } => "logs",
        Reply::Https(_) => "https",
        Reply::ConfigValue { .. } => "config value",
        Reply::ConfigChanged { .. } => "config changed",
        Reply::Limits { .. } => "limits",
        Reply::Environment { .. } => "environment",
        Reply::PackagesReset { .. } => "packages reset",
        Reply::Upgrade { .. } => "upgrade",
        Reply::Roster(_) => "a class list",
        Reply::Refused(_) => "refused",
    }
}

/// What went wrong with one of several people, as `--json` prints it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    pub(super) name: Username,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// What came of doing the same for several people.
#[derive(Debug)]
pub(super) struct Outcomes<T> {
    pub(super) done: Vec<T>,
    pub(super) problems: Vec<Problem>,
    pub(super) exit: Exit,
}

/// Does `act` for each of `names`; a problem with one does not stop the others, unless the hub is not there at all.
pub(super) fn for_each<T>(
    world: &mut World,
    names: &[Username],
    mut act: impl FnMut(&mut World, &Username) -> Result<T>,
) -> Result<Outcomes<T>> {
    let mut outcomes = Outcomes { done: Vec::new(), problems: Vec::new(), exit: Exit::Done };
    for name in names {
        match act(world, name) {
            Ok(done) => outcomes.done.push(done),
            Err(error) if error.downcast_ref::<Failure>().is_none_or(Failure::stops_everything) => return Err(error),
            Err(error) => {
                if outcomes.exit == Exit::Done {
                    outcomes.exit = exit_of(&error);
                }
                let (message, hint) = (format!("{error:#}"), hint_of(&error));
                world.printer.error(&format!("{name}: {message}"), hint.as_deref())?;
                let (message, hint) = (world.printer.typed(&message), hint.map(|hint| world.printer.typed(&hint)));
                outcomes.problems.push(Problem { name: name.clone(), message, hint });
            }
        }
    }
    Ok(outcomes)
}
