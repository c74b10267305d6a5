//! One line in the journal for each thing somebody had the hub do: who, what, to whom, and what came of it. Never a
//! password, never a link.

use hub_core::control::Request;
use hub_core::text::shortened;

use super::Refusal;
use super::access::Actor;

/// How many names a line has room for.
const MOST_NAMES: usize = 20;
/// How long what was asked for may be in a line, and why it was refused; bytes.
const LONGEST: usize = 1000;

/// By which way somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Through {
    /// A process of this account.
    Account(u32),
    /// A page of the hub.
    Page,
    /// An API token with this number.
    Token(i64),
}

/// Records what `actor` asked for. Looking something up is not worth a line.
pub(super) fn record(actor: &Actor, through: Through, request: &Request, refusal: Option<&Refusal>) {
    let (uid, token) = match through {
        Through::Account(uid) => (Some(uid), None),
        Through::Page => (None, None),
        Through::Token(token) => (None, Some(token)),
    };
    let with = token.map(|token| format!(", with API token {token},")).unwrap_or_default();
    let (verb, target) = describe(request);
    let Some(target) = target else {
        tracing::debug!(%actor, uid, token, verb, "{actor}{with} asked for {verb}");
        return;
    };
    let target = shortened(&target, LONGEST);
    match refusal {
        // What came of it, and for whom, is told where it is done.
        None if matches!(request, Request::Roster { .. }) => {}
        None => tracing::info!(%actor, uid, token, verb, %target, "{actor}{with} did {verb} for {target}"),
        Some(refusal) => {
            let refusal = refusal.to_string();
            let refusal = shortened(&refusal, LONGEST);
            tracing::warn!(%actor, uid, token, verb, %target, "{actor}{with} could not do {verb} for {target}: {refusal}");
        }
    }
}

/// The verb as hubctl spells it, and for acts the people they are done to.
fn describe(request: &Request) -> (&'static str, Option<String>) {
    let (verb, name) = match request {
        Request::Status => return ("status", None),
        Request::Reload => return ("config reload", Some("the hub".to_owned())),
        Request::CheckDatabase => return ("doctor", None),
        Request::CopyDatabase => return ("backup create", Some("the database".to_owned())),
        Request::Environment { ask } => return ("env", ask.act()),
        Request::Upgrade { ask } => return ("upgrade", ask.act()),
        Request::ConfigGet { .. } => return ("config get", None),
        Request::Limits { .. } => return ("limits explain", None),
        Request::ConfigChange { change } => return ("config change", Some(change.path().to_string())),
        Request::UserList => return ("user list", None),
        Request::UserShow { .. } => return ("user show", None),
        Request::Shortages => return ("status", None),
        Request::UsageHistory { .. } => return ("usage", None),
        Request::ServerList => return ("server list", None),
        Request::LoginList => return ("login list", None),
        Request::LoginUnlink { name } => ("login unlink", name),
        Request::TokenList => return ("token list", None),
        Request::TokenCreate { scopes, note, .. } => {
            let scopes: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
            return ("token create", Some(format!("{note:?}: {}", scopes.join(", "))));
        }
        Request::TokenRevoke { id } => return ("token revoke", Some(format!("API token {id}"))),
        Request::Https => return ("https status", None),
        Request::UserAdd { users } => {
            let mut names: Vec<&str> = users.iter().take(MOST_NAMES).map(|user| user.name.as_str()).collect();
            let more = format!("{} more", users.len() - names.len());
            if users.len() > names.len() {
                names.push(&more);
            }
            return ("user add", Some(names.join(", ")));
        }
        Request::Roster { ask } if ask.go.is_none() => return ("roster apply --dry-run", None),
        Request::Roster { ask } => {
            return ("roster apply", Some(format!("a class list with {} lines", ask.list.lines().count())));
        }
        Request::UserRemove { name } => ("user remove", name),
        Request::UserPassword { name, .. } => ("user password", name),
        Request::UserLink { name } | Request::UserLinkAs { name, .. } => ("user link", name),
        Request::UserLogout { name } => ("user logout", name),
        Request::UserBlock { name, blocked: true } => ("user block", name),
        Request::UserBlock { name, blocked: false } => ("user unblock", name),
        Request::UserResetPackages { name, .. } => ("user reset-packages", name),
        Request::ServerStart { name, without_own: false } => ("server start", name),
        Request::ServerStart { name, without_own: true } => ("server start --without-own", name),
        Request::ServerRestart { name, without_own: false } => ("server restart", name),
        Request::ServerRestart { name, without_own: true } => ("server restart --without-own", name),
        Request::ServerStop { name } => ("server stop", name),
        // Reading somebody's log is looking into their affairs.
        Request::ServerLogs { name, .. } => ("server logs", name),
    };
    (verb, Some(name.to_string()))
}

#[cfg(test)]
mod tests {
    use hub_core::control::NewUser;

    use super::*;

    #[test]
    fn a_whole_class_fits_a_line_and_no_password_is_in_it() {
        let user =
            |number: usize| NewUser { name: format!("s{number}").parse().unwrap(), password: Some("correct horse".into()) };
        let (verb, target) = describe(&Request::UserAdd { users: (0..25).map(user).collect() });
        let target = target.unwrap();
        assert_eq!(verb, "user add");
        assert!(target.starts_with("s0, s1, ") && target.ends_with("s19, 5 more"), "{target}");
        assert!(!target.contains("horse"));
        let (_, target) = describe(&Request::UserAdd { users: (0..2).map(user).collect() });
        assert_eq!(target.unwrap(), "s0, s1");
        let password = Request::UserPassword { name: "ada".parse().unwrap(), password: "correct horse".to_owned() };
        assert_eq!(describe(&password), ("user password", Some("ada".to_owned())));
    }
}
