//! The admins as the hub knows them, and how they get their first password.

use anyhow::{Result, bail};
use hub_core::accounts::Username;
use hub_core::control::{self, NewUser, Reply, Request, UserInfo};
use hub_core::paths::Paths;
use hub_core::token::Token;
use serde::Serialize;

use super::{Check, Secret, World};

/// How somebody sets a first password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Invitation {
    /// Who.
    pub name: Username,
    /// Whoever opens it first sets the password.
    pub link: String,
}

pub(super) fn check(paths: &Paths, admins: &[Username]) -> Result<Check> {
    // A hub that does not run yet has nobody enrolled, as far as a plan can tell.
    let enrolled = enrolled(paths).unwrap_or_default();
    if admins.iter().all(|name| enrolled.iter().any(|user| user.name == *name)) {
        return Ok(Check::Satisfied(None));
    }
    Ok(Check::Needed { exists: false, undo: None })
}

pub(super) fn enrol(world: &mut World<'_>, admins: &[Username], password: Option<&(Username, Secret)>) -> Result<()> {
    let user = |name: &Username| NewUser {
        name: name.clone(),
        password: password.filter(|(owner, _)| owner == name).map(|(_, Secret(password))| password.clone()),
    };
    match ask(world.paths, &Request::UserAdd { users: admins.iter().map(user).collect() })? {
        Reply::Added { users } => {
            let invitations = users.into_iter().filter_map(|user| Some(Invitation { name: user.name, link: user.link? }));
            world.invitations.extend(invitations);
            Ok(())
        }
        other => bail!("enrolling admins: unexpected answer {other:?}"),
    }
}

/// Fresh links for those of `admins` who have no password and are not in `known`: a link that a run cut short has made
/// was shown to nobody.
///
/// # Errors
/// When the hub does not answer.
pub(crate) fn invite_the_rest(paths: &Paths, admins: &[Username], known: &[Invitation]) -> Result<Vec<Invitation>> {
    let mut invitations = Vec::new();
    for user in enrolled(paths)? {
        let waits = !user.has_password && admins.contains(&user.name) && known.iter().all(|known| known.name != user.name);
        if !waits {
            continue;
        }
        match ask(paths, &Request::UserLink { name: user.name.clone() })? {
            Reply::Link { link, .. } => invitations.push(Invitation { name: user.name, link }),
            other => bail!("asking for a link for {}: unexpected answer {other:?}", user.name),
        }
    }
    Ok(invitations)
}

/// Makes the link of `name` one whose secret is known already.
///
/// # Errors
/// When the hub does not answer.
pub(crate) fn invite_with(paths: &Paths, name: &Username, secret: &Token) -> Result<Invitation> {
    match ask(paths, &Request::UserLinkAs { name: name.clone(), token: secret.as_str().to_owned() })? {
        Reply::Link { link, .. } => Ok(Invitation { name: name.clone(), link }),
        other => bail!("giving {name} a link: unexpected answer {other:?}"),
    }
}

fn enrolled(paths: &Paths) -> Result<Vec<UserInfo>> {
    match ask(paths, &Request::UserList)? {
        Reply::Users { users } => Ok(users),
        other => bail!("asking who is enrolled: unexpected answer {other:?}"),
    }
}

/// Asks the hub; a refusal is an error with its hint.
///
/// # Errors
/// When it does not answer, or refuses.
pub(crate) fn ask(paths: &Paths, request: &Request) -> Result<Reply> {
    match control::call(&paths.control_socket(), request)? {
        Reply::Refused(refusal) => bail!("{}", refusal.text()),
        reply => Ok(reply),
    }
}
