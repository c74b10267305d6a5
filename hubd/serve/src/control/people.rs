//! The people verbs: enrol, list, remove, passwords, links, block.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use hub_core::accounts::Username;
use hub_core::control::{AddedUser, NewUser, OpenLink, RefusalKind, Reply, ServerPhase, UserInfo};
use jiff::Timestamp;

use super::access::Actor;
use super::{ControlContext, Refusal, not_enrolled, servers};
use crate::auth::{Link, Maker, PeopleError, Token, password};

pub(super) async fn add(context: &ControlContext, users: &[NewUser], maker: &Maker) -> Result<Reply, Refusal> {
    let mut names = HashSet::new();
    for user in users {
        if !names.insert(&user.name) {
            return Err(Refusal::new(RefusalKind::Invalid, format!("{} is named twice; nobody was added", user.name)));
        }
        if let Some(password) = &user.password {
            password::check(&user.name, password).map_err(|problem| {
                Refusal::new(RefusalKind::Invalid, format!("the password of {}: {problem}; nobody was added", user.name))
            })?;
        }
    }
    let mut added: Vec<AddedUser> = Vec::with_capacity(users.len());
    for user in users {
        let one = context.people.add(&user.name, user.password.as_deref(), maker).await.map_err(|error| {
            let refusal = Refusal::from(error);
            let message = format!("enrolling {}, after {} others: {}", user.name, added.len(), refusal.message);
            Refusal::new(refusal.kind, message)
                .hint("give the same list again; `hubctl user link` makes links for those who are enrolled already")
        })?;
        let (link, expires) = one.link.map(|link| whole_link(context, &link)).unzip();
        added.push(AddedUser { name: user.name.clone(), added: one.added, link, expires });
    }
    Ok(Reply::Added { users: added })
}

pub(super) async fn list(context: &ControlContext) -> Result<Reply, Refusal> {
    Ok(Reply::Users { users: everybody(context).await? })
}

pub(super) async fn show(context: &ControlContext, name: &Username) -> Result<Reply, Refusal> {
    let user = everybody(context).await?.into_iter().find(|user| user.name == *name);
    Ok(Reply::User { user, rights: context.config.get().rights_of(name) })
}

async fn everybody(context: &ControlContext) -> Result<Vec<UserInfo>, Refusal> {
    let (people, config) = (context.people.list().await?.into_iter(), context.config.get());
    let mut links: HashMap<_, _> = context.people.open_links().await.map_err(PeopleError::from)?.into_iter().collect();
    let users = people.map(|person| UserInfo {
        link: links.remove(&person.name).map(|link| OpenLink { maker: link.maker, expires: moment(link.expires) }),
        admin: config.is_admin(&person.name),
        role: config.role_of(&person.name),
        blocked: person.blocked,
        has_password: person.has_password,
        last_active: person.last_active.map(moment),
        added: Some(moment(person.added)),
        full_name: person.profile.full_name,
        email: person.profile.email,
        name: person.name,
    });
    Ok(users.collect())
}

pub(super) async fn remove(context: &ControlContext, name: &Username, actor: &Actor) -> Result<Reply, Refusal> {
    keep_in(context, actor, name).await?;
    let removed = context.people.remove(name).await?;
    servers::stop_and_wait(context, name).await.map_err(|refusal| Refusal {
        message: format!("{name} is off the list and can't log in, but the server still runs: {}", refusal.message),
        ..refusal
    })?;
    if !removed {
        return Err(not_enrolled(name));
    }
    context.launcher.expel(name).await.map_err(|error| {
        let refusal = Refusal::from(error);
        Refusal {
            message: format!("{name} is off the list and can't log in, but something may still run: {}", refusal.message),
            ..refusal
        }
    })?;
    Ok(Reply::Done)
}

/// The server is left alone: whoever asked decides when it is started again.
pub(super) async fn reset_packages(context: &ControlContext, name: &Username, settings: bool) -> Result<Reply, Refusal> {
    if context.people.find(name).await?.is_none() {
        return Err(not_enrolled(name));
    }
    let places = context.launcher.move_aside(name, settings).await?;
    let is_running = context.servers.watch(name).borrow().phase == ServerPhase::Running;
    Ok(Reply::PackagesReset { places, is_running })
}

pub(super) async fn set_password(
    context: &ControlContext,
    name: &Username,
    password: &str,
    maker: &Maker,
) -> Result<Reply, Refusal> {
    context.people.set_password(name, password, maker).await?;
    Ok(Reply::Done)
}

pub(super) async fn new_link(context: &ControlContext, name: &Username, maker: &Maker) -> Result<Reply, Refusal> {
    let person = context.people.find(name).await?;
    if context.config.get().is_blocked(name) {
        return Err(Refusal::new(
            RefusalKind::Invalid,
            format!("the configuration blocks {name}, so a link would let nobody in"),
        )
        .hint("take the name off `blocked` under [roles]: on the host, sudo hubctl config edit"));
    }
    if person.is_some_and(|person| person.blocked) {
        return Err(Refusal::new(RefusalKind::Invalid, format!("{name} is blocked, so a link would let nobody in"))
            .hint(format!("let them in again first: hubctl user unblock {name}")));
    }
    let link = context.people.new_link(name, maker).await?;
    let (link, expires) = whole_link(context, &link);
    Ok(Reply::Link { link, expires })
}

pub(super) async fn link_as(context: &ControlContext, name: &Username, token: &str) -> Result<Reply, Refusal> {
    let token = Token::parse(token).ok_or_else(|| Refusal::new(RefusalKind::Invalid, "that is no secret for a one-time link"))?;
    let link = context.people.set_link(name, &token, &Maker::Host).await?;
    let (link, expires) = whole_link(context, &link);
    Ok(Reply::Link { link, expires })
}

/// Whoever takes the rights of `name` away stays in, also with a password that `name` gave them.
async fn keep_in(context: &ControlContext, actor: &Actor, name: &Username) -> Result<(), Refusal> {
    match actor {
        Actor::Person(own, _) if own != name => Ok(context.people.adopt_password(own, name).await.map_err(PeopleError::from)?),
        _ => Ok(()),
    }
}

pub(super) async fn log_out(context: &ControlContext, name: &Username) -> Result<Reply, Refusal> {
    if context.people.find(name).await?.is_none() {
        return Err(not_enrolled(name));
    }
    context.people.log_out_everywhere(name).await.map_err(PeopleError::from)?;
    Ok(Reply::Done)
}

pub(super) async fn set_blocked(
    context: &ControlContext,
    name: &Username,
    blocked: bool,
    actor: &Actor,
) -> Result<Reply, Refusal> {
    if blocked && let Err(refusal) = keep_in(context, actor, name).await {
        // A block holds where nothing can be written, too.
        tracing::warn!("blocking {name}: {refusal}");
    }
    let stored = context.people.set_blocked(name, blocked).await;
    // Where it can't be stored they are out all the same, and so their server ends.
    let is_out = matches!(&stored, Err(PeopleError::Store(_))) && blocked;
    if is_out {
        servers::stop_and_wait(context, name).await?;
        context.launcher.expel(name).await?;
    }
    stored?;
    if !blocked && context.config.get().is_blocked(name) {
        return Err(Refusal::new(RefusalKind::Invalid, format!("the configuration blocks {name}"))
            .hint("take the name off `blocked` under [roles]: on the host, sudo hubctl config edit"));
    }
    if blocked {
        end_server(context, name)?;
        expel(context, vec![name.clone()]);
    }
    Ok(Reply::Done)
}

/// Ends the server of somebody who was blocked. They have no way to it any more, so nobody has to wait until it is down.
pub(super) fn end_server(context: &ControlContext, name: &Username) -> Result<(), Refusal> {
    context.apps.stop(name);
    if context.servers.watch(name).borrow().phase != ServerPhase::Stopped {
        let server = context.servers.stop(name);
        if server.borrow().phase == ServerPhase::Failed {
            let failed = servers::failed(name, &server.borrow());
            let message = format!("{name} can't log in any more, but the server still runs: {}", failed.message);
            return Err(Refusal { message, ..failed });
        }
    }
    Ok(())
}

/// Ends what runs as the accounts of these, wherever, once their servers are down; one after the other.
pub(super) fn expel(context: &ControlContext, names: Vec<Username>) {
    let (launcher, apps) = (context.launcher.clone(), context.apps.clone());
    tokio::spawn(async move {
        for name in names {
            let mut expelled = launcher.expel(&name).await;
            if apps.stop(&name) {
                // One that was on its way up may have come after that.
                apps.settled(&name).await;
                expelled = launcher.expel(&name).await;
            }
            if let Err(error) = expelled {
                tracing::error!(user = %name, "{name} is blocked, but something of theirs may still run: {error}");
            }
        }
    });
}

/// The address to hand out, where the hub knows its own; and until when it works.
pub(super) fn whole_link(context: &ControlContext, link: &Link) -> (String, String) {
    let config = context.config.get();
    let address = config.hub.url.as_deref().unwrap_or_default();
    (format!("{address}{}", link.path), moment(link.expires))
}

/// RFC 3339, UTC, whole seconds.
pub(super) fn moment(time: SystemTime) -> String {
    // Only a clock set to another geological age is out of range; text says so as well as anything.
    Timestamp::try_from(time)
        .and_then(|time| Timestamp::from_second(time.as_second()))
        .map_or_else(|error| error.to_string(), |time| time.to_string())
}

impl From<PeopleError> for Refusal {
    fn from(error: PeopleError) -> Self {
        match error {
            PeopleError::Unknown(name) => not_enrolled(&name),
            PeopleError::WeakPassword(problem) => Self::new(RefusalKind::Invalid, problem.to_string()),
            error @ PeopleError::Changed => Self::new(RefusalKind::Busy, error.to_string()).hint("look again"),
            PeopleError::Busy(busy) => Self::new(RefusalKind::Busy, busy.to_string()),
            other => {
                Self::new(RefusalKind::Failed, format!("{:#}", anyhow::Error::new(other))).hint("on the host: journalctl -u hubd")
            }
        }
    }
}
