//! Who may ask what. The host's root may ask everything; in the hub it is the role that decides, and nobody does anything
//! to somebody with a higher one.

use std::fmt;

use hub_core::accounts::{Username, lookup};
use hub_core::config::edit::KeyPath;
use hub_core::config::keys::inside;
use hub_core::config::{Config, Role};
use hub_core::control::change::{ChangeVerb, KeyChange, Requester};
use hub_core::control::{RefusalKind, Request};

use super::{ControlContext, Refusal};
use crate::auth::{Giver, Holder, Maker};

/// Which socket somebody comes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The control socket: root of this machine, and nobody else.
    Host,
    /// The admin socket: people to whom the configuration gives a role.
    Admin,
    /// The operator socket: accounts of this machine that the configuration names as operators.
    Operator,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Actor {
    Root,
    /// A person of the hub, and the role at this moment.
    Person(Username, Role),
    /// An account of this machine. It may what administrators inside the hub may, and nothing that amounts to root.
    Operator(String),
}

impl Actor {
    /// As who this one gives people links and passwords.
    pub(super) fn maker(&self) -> Maker {
        match self {
            Self::Root => Maker::Host,
            Self::Operator(account) => Maker::Operator(account.clone()),
            Self::Person(name, role) => Maker::Person(name.clone(), *role),
        }
    }
}

impl Actor {
    /// As whom root's side is asked for a change of the configuration; `None`: root asks nobody.
    pub(super) fn requester(&self) -> Option<Requester> {
        match self {
            Self::Root => None,
            Self::Person(name, _) => Some(Requester::Person(name.clone())),
            Self::Operator(account) => Some(Requester::Operator(account.clone())),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => formatter.write_str("root on the host"),
            Self::Person(name, _) => formatter.write_str(name.as_str()),
            Self::Operator(account) => write!(formatter, "{account} on the host"),
        }
    }
}

/// Finds out who `uid` is, and whether that is somebody who may ask anything here at all.
pub(super) async fn admit(access: Access, uid: u32, context: &ControlContext) -> Result<Actor, Refusal> {
    match access {
        Access::Host if uid == 0 => Ok(Actor::Root),
        Access::Host => {
            Err(no("the control socket is for root of this machine")
                .hint("operators have the operator socket, and hubctl finds it"))
        }
        Access::Admin if uid == 0 => Err(no("the admin socket is for people of the hub; root has the control socket")),
        Access::Admin => {
            let Some(name) = context.launcher.who_is(uid).await? else {
                return Err(no(format!("account {uid} belongs to nobody of the hub")).hint("it is not for this account"));
            };
            person(context, &name).await
        }
        Access::Operator if uid == 0 => Err(no("the operator socket is for operators; root has the control socket")),
        Access::Operator => {
            let named = context.config.get().roles.host_operators.clone();
            match tokio::task::spawn_blocking(move || operator(&named, uid)).await {
                Ok(Ok(account)) => Ok(Actor::Operator(account)),
                Ok(Err(refusal)) => Err(refusal),
                Err(error) => Err(Refusal::new(RefusalKind::Failed, format!("looking up account {uid}: {error}"))),
            }
        }
    }
}

/// `name` with the role of this moment. The account, or a session, may outlive the person, and the role may have been taken
/// away since it began.
pub(super) async fn person(context: &ControlContext, name: &Username) -> Result<Actor, Refusal> {
    let config = context.config.get();
    let role = config.role_of(name);
    match context.people.find(name).await? {
        Some(person) if !person.blocked && !config.is_blocked(name) && role > Role::Student => {
            Ok(Actor::Person(name.clone(), role))
        }
        _ => Err(no(format!("{name} has no role in this hub"))
            .hint("administrators, teachers and helpers are named in the configuration, under [roles]")),
    }
}

/// Whoever made the token, if they are still somebody who may.
pub(super) async fn maker_of(context: &ControlContext, holder: &Holder) -> Result<Actor, Refusal> {
    let lost =
        || no("whoever made this token may not have one any more").hint("an administrator makes another: hubctl token create");
    match &holder.maker {
        None => Ok(Actor::Root),
        Some(Giver::Operator(account)) => {
            let is_named = context.config.get().roles.host_operators.contains(account);
            if is_named { Ok(Actor::Operator(account.clone())) } else { Err(lost()) }
        }
        Some(Giver::Person(name)) => match person(context, name).await? {
            actor @ Actor::Person(_, Role::Admin) => Ok(actor),
            _ => Err(lost()),
        },
    }
}

/// Which of the accounts that are `named` as operators has the number `uid`.
fn operator(named: &[String], uid: u32) -> Result<String, Refusal> {
    let failed = |error: anyhow::Error| Refusal::new(RefusalKind::Failed, format!("{error:#}"));
    for name in named {
        if lookup::account_by_name(name).map_err(failed)?.is_some_and(|account| account.uid == uid) {
            return Ok(name.clone());
        }
    }
    let account = lookup::account_by_uid(uid).map_err(failed)?.map_or_else(|| uid.to_string(), |account| account.name);
    let hint = format!(
        "with full sudo: sudo hubctl ...; who has that makes {account} an operator with: sudo hubctl config add \
         roles.host_operators {account}"
    );
    Err(no(format!("{account} is not an operator of this hub")).hint(hint))
}

/// Whether `actor` may what administrators may.
pub(super) fn is_administrator(actor: &Actor) -> bool {
    matches!(actor, Actor::Root | Actor::Operator(_) | Actor::Person(_, Role::Admin))
}

/// Whether `actor` may ask for this.
pub(super) fn allow(actor: &Actor, request: &Request, config: &Config) -> Result<(), Refusal> {
    let (own, role) = match actor {
        Actor::Root => return Ok(()),
        Actor::Person(own, role) => (Some(own), *role),
        Actor::Operator(_) => (None, Role::Admin),
    };
    match request {
        Request::Reload => return Err(no("the configuration is root's").hint("on the host: sudo hubctl config apply")),
        Request::CopyDatabase => return Err(no("a copy of the database is for root of the machine")),
        Request::CheckDatabase => {
            return Err(no("a look into the database is for root of the machine").hint("sudo hubctl doctor"));
        }
        // Whoever chooses the secret of a link knows a link that works as long as its owner has not used it.
        Request::UserLinkAs { .. } => return Err(no("only the installer chooses a link").hint("hubctl user link makes one")),
        Request::ConfigGet { key } => return may_read(own.is_some(), role, &KeyPath::new(key)),
        Request::ConfigChange { change } => return may_change(actor, change, config),
        _ => {}
    }
    let Rule { least, about, takes_over, what } = rule(request);
    if role < least {
        return Err(no(format!("a {role} can't {what}")).hint(format!("{} can", and_above(least))));
    }
    for name in about {
        let theirs = config.role_of(name);
        // Whoever makes a link for somebody can be that person; so it is for those below only. Administrators are all
        // that can be from inside the hub, and may help each other.
        let allowed =
            role == Role::Admin || theirs < role || (theirs == role && !takes_over) || (Some(name) == own && !takes_over);
        if !allowed {
            let theirs = with_article(theirs);
            return Err(no(format!("{name} is {theirs}, and a {role} can't {what} like that")).hint("administrators can"));
        }
    }
    own.map_or(Ok(()), |own| shuts_out_itself(own, request))
}

/// Whether a list that `actor` gives may enrol `name`, or change what is stored about them: as it is with links.
pub(super) fn may_list(actor: &Actor, name: &Username, config: &Config) -> Result<(), String> {
    let theirs = config.role_of(name);
    match actor {
        Actor::Person(_, role) if *role < Role::Admin && theirs >= *role => {
            Err(format!("{name} is {}, whom administrators look after", with_article(theirs)))
        }
        _ => Ok(()),
    }
}

/// Who may ask for something, and about whom it is.
struct Rule<'request> {
    /// The lowest role that may.
    least: Role,
    about: Vec<&'request Username>,
    /// Whether it lets somebody act as that person, or keeps that person from acting.
    takes_over: bool,
    /// For messages.
    what: &'static str,
}

/// Listed one by one: a new request is nobody's before somebody decided so.
fn rule(request: &Request) -> Rule<'_> {
    let rule = |least, about, takes_over, what| Rule { least, about, takes_over, what };
    match request {
        Request::Status => rule(Role::Helper, vec![], false, "see how the hub is"),
        Request::Shortages => rule(Role::Teacher, vec![], false, "see what is short on the machine"),
        Request::UsageHistory { .. } => rule(Role::Teacher, vec![], false, "see what was used of the machine"),
        Request::ServerList => rule(Role::Helper, vec![], false, "see whose servers run"),
        Request::ServerStart { name, .. } => rule(Role::Helper, vec![name], false, "start a server"),
        Request::ServerRestart { name, .. } => rule(Role::Helper, vec![name], false, "restart a server"),
        Request::ServerStop { name } => rule(Role::Helper, vec![name], false, "stop a server"),
        Request::ServerLogs { name, .. } => rule(Role::Helper, vec![name], false, "read a log"),
        Request::Environment { .. } => rule(Role::Admin, vec![], true, "look after the environment"),
        Request::Upgrade { .. } => rule(Role::Admin, vec![], true, "upgrade the hub"),
        Request::Https => rule(Role::Admin, vec![], false, "see how https is doing"),
        // Whoever has a token acts as its maker, as whoever opens a link acts as its owner; and it goes on when its maker has
        // logged out. Operators make links for administrators, so a token gives them nothing that they don't have.
        Request::TokenCreate { .. } => rule(Role::Admin, vec![], true, "make an API token"),
        Request::LoginList => rule(Role::Admin, vec![], false, "see who came by which login"),
        Request::LoginUnlink { name } => rule(Role::Admin, vec![name], true, "unlink somebody's accounts"),
        Request::TokenList => rule(Role::Admin, vec![], false, "see which API tokens there are"),
        Request::TokenRevoke { .. } => rule(Role::Admin, vec![], true, "revoke an API token"),
        Request::UserList => rule(Role::Teacher, vec![], false, "see who is enrolled"),
        Request::UserShow { name } => rule(Role::Teacher, vec![name], false, "see what somebody may do"),
        // Whoever is enrolled already stays as they are; but somebody may have a role before being enrolled.
        Request::UserAdd { users } => rule(Role::Teacher, users.iter().map(|user| &user.name).collect(), true, "enrol somebody"),
        // Whom the list may be about is judged name by name, once it is read.
        Request::Roster { .. } => rule(Role::Teacher, vec![], true, "apply a class list"),
        Request::UserLink { name } => rule(Role::Teacher, vec![name], true, "make a link"),
        Request::UserLogout { name } => rule(Role::Teacher, vec![name], true, "log somebody out"),
        Request::UserBlock { name, blocked: true } => rule(Role::Teacher, vec![name], true, "block somebody"),
        Request::UserBlock { name, blocked: false } => rule(Role::Teacher, vec![name], true, "unblock somebody"),
        Request::UserPassword { name, .. } => rule(Role::Admin, vec![name], true, "set a password"),
        Request::UserResetPackages { name, .. } => rule(Role::Admin, vec![name], true, "move somebody's packages aside"),
        Request::UserRemove { name } => rule(Role::Admin, vec![name], true, "take people off the list"),
        Request::Limits { name } => rule(Role::Helper, vec![name], false, "see what somebody may use"),
        // Each key decides: that was said before.
        Request::ConfigGet { .. } => rule(Role::Admin, vec![], false, "read the configuration"),
        Request::ConfigChange { .. } => rule(Role::Admin, vec![], true, "change the configuration"),
        // Nobody's from inside the hub: that was said before.
        Request::UserLinkAs { name, .. } => rule(Role::Admin, vec![name], true, "choose a link"),
        Request::Reload => rule(Role::Admin, vec![], true, "put a configuration in force"),
        Request::CheckDatabase => rule(Role::Admin, vec![], true, "look into the database"),
        Request::CopyDatabase => rule(Role::Admin, vec![], true, "copy the database"),
    }
}

fn may_change(actor: &Actor, change: &KeyChange, config: &Config) -> Result<(), Refusal> {
    let Some(requester) = actor.requester() else { return Ok(()) };
    let key = change.path();
    let hint = match requester {
        Requester::Person(_) => "what the machine depends on is changed there, with ssh: sudo hubctl config edit".to_owned(),
        Requester::Operator(_) => {
            let value = if change.verb == ChangeVerb::Unset { "" } else { " VALUE" };
            format!("an account with full sudo can: sudo hubctl config {} {key}{value}", change.verb)
        }
    };
    inside::granted(config, &requester, &key).map_err(|why| no(why).hint(hint))
}

fn may_read(is_inside: bool, role: Role, key: &KeyPath) -> Result<(), Refusal> {
    match inside::may_read(&key.parts().join(".")) {
        Some(least) if role >= least => Ok(()),
        Some(least) => Err(no(format!("a {role} can't read `{key}`")).hint(format!("{} can", and_above(least)))),
        None if is_inside => {
            Err(no(format!("`{key}` can't be read inside the hub")).hint(format!("on the host: sudo hubctl config get {key}")))
        }
        None => Err(no(format!("reading `{key}`, which may hold a password, needs full root on this machine"))
            .hint(format!("an account with full sudo can: sudo hubctl config get {key}"))),
    }
}

fn shuts_out_itself(own: &Username, request: &Request) -> Result<(), Refusal> {
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

fn and_above(least: Role) -> &'static str {
    match least {
        Role::Student | Role::Helper => "helpers, teachers and administrators",
        Role::Teacher => "teachers and administrators",
        Role::Admin => "administrators",
    }
}

fn with_article(role: Role) -> String {
    let article = if role == Role::Admin { "an" } else { "a" };
    format!("{article} {role}")
}

fn no(message: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::NotAllowed, message)
}
