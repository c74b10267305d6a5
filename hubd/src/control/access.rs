//! Who may ask what. The host's root may ask everything; in the hub, administrators may, but not shut themselves out.

use std::fmt;

use hub_core::accounts::Username;
use hub_core::control::{RefusalKind, Request};

use super::{ControlContext, Refusal};

/// Which socket somebody comes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The control socket: root of this machine, and nobody else.
    Host,
    /// The admin socket: people whom the configuration names as administrators.
    Admin,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Actor {
    Root,
    Admin(Username),
}

impl fmt::Display for Actor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => formatter.write_str("root on the host"),
            Self::Admin(name) => formatter.write_str(name.as_str()),
        }
    }
}

/// Finds out who `uid` is, and whether that is somebody who may ask anything here at all.
pub(super) async fn admit(access: Access, uid: u32, context: &ControlContext) -> Result<Actor, Refusal> {
    match access {
        Access::Host if uid == 0 => Ok(Actor::Root),
        Access::Host => Err(no("the control socket is for root of this machine").hint("run hubctl with sudo")),
        Access::Admin if uid == 0 => Err(no("the admin socket is for people of the hub; root has the control socket")),
        Access::Admin => {
            let Some(name) = context.launcher.who_is(uid).await? else {
                return Err(no(format!("account {uid} belongs to nobody of the hub")).hint("on the host run hubctl with sudo"));
            };
            // The account may outlive the person, and the role may have been taken away since the server started.
            match context.people.find(&name).await? {
                Some(person) if !person.blocked && context.config.is_admin(&name) => Ok(Actor::Admin(name)),
                _ => Err(no(format!("{name} is not an administrator of this hub"))
                    .hint("administrators are named in the configuration, under [roles]")),
            }
        }
    }
}

/// Whether `actor` may ask for this.
pub(super) fn allow(actor: &Actor, request: &Request) -> Result<(), Refusal> {
    let Actor::Admin(own) = actor else { return Ok(()) };
    let (name, what, command) = match request {
        Request::UserRemove { name } => (name, "take yourself off the list", "remove"),
        Request::UserBlock { name, blocked: true } => (name, "block yourself", "block"),
        _ => return Ok(()),
    };
    if name == own {
        let hint = format!("another administrator can, or on the host: sudo hubctl user {command} {name}");
        return Err(no(format!("you can't {what}")).hint(hint));
    }
    Ok(())
}

fn no(message: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::NotAllowed, message)
}
