//! Who is enrolled, who is to be, and what a changed configuration did to them.

use serde::{Deserialize, Serialize};

use crate::accounts::Username;
use crate::config::Role;

/// Somebody to enrol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// The name to log in with.
    pub name: Username,
    /// The first password; without one the reply has a one-time link.
    #[serde(default)]
    pub password: Option<String>,
}

/// What came of enrolling one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedUser {
    /// Who.
    pub name: Username,
    /// Whether the person was new; `false`: already enrolled, nothing changed.
    pub added: bool,
    /// The one-time link, for a new person without a password: a whole URL when the hub knows its address, else a path.
    pub link: Option<String>,
    /// When the link stops working, RFC 3339, UTC.
    pub expires: Option<String>,
}

/// One enrolled person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserInfo {
    /// The name to log in with.
    pub name: Username,
    /// As people call them, by a class list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// Where they get mail, by a class list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the configuration names this person as an administrator.
    pub admin: bool,
    /// What this person may do, by the configuration.
    #[serde(default)]
    pub role: Role,
    /// Whether this person is kept out.
    pub blocked: bool,
    /// Whether a password is set.
    pub has_password: bool,
    /// When this person last did something, RFC 3339, UTC.
    pub last_active: Option<String>,
    /// When this person was enrolled, RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<String>,
    /// The one-time link that was not used yet; `None`: there is none that works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<OpenLink>,
}

/// A one-time link that was not used yet, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenLink {
    /// Who made it; `None`: somebody on the host.
    pub maker: Option<Username>,
    /// When it stops working, RFC 3339, UTC.
    pub expires: String,
}

/// What a changed configuration did to people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Who was an administrator and is none any more: their sessions have ended.
    pub demoted: Vec<Username>,
    /// Who rose: their sessions have ended, and a link for them works only if its maker may make one for this role.
    #[serde(default)]
    pub promoted: Vec<Username>,
    /// Who has a role and can't log in with the password they have: it came from somebody who may not give one to people of
    /// that role (any more).
    #[serde(default)]
    pub need_link: Vec<Username>,
    /// Whom the configuration keeps out: they have no session.
    pub blocked: Vec<Username>,
    /// Whose servers are on their way down because of this.
    pub stopping: Vec<Username>,
    /// Whether a new process is needed, because the listening sockets are other ones.
    pub restart_needed: bool,
}
