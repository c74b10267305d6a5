//! API tokens: what one may do, and what is told of it afterwards. Scopes have the names that JupyterHub gave them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One thing that a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// See who is enrolled.
    #[serde(rename = "list:users")]
    ListUsers,
    /// See what is known of people, but for their servers.
    #[serde(rename = "read:users")]
    ReadUsers,
    /// See when people did something last.
    #[serde(rename = "read:users:activity")]
    ReadUsersActivity,
    /// See people's servers.
    #[serde(rename = "read:servers")]
    ReadServers,
    /// Start servers.
    #[serde(rename = "start:servers")]
    StartServers,
    /// Stop servers.
    #[serde(rename = "delete:servers")]
    DeleteServers,
    /// See, start and stop servers.
    #[serde(rename = "servers")]
    Servers,
    /// The same: of what more that name stands for in JupyterHub there is nothing here.
    #[serde(rename = "admin:servers")]
    AdminServers,
    /// Read the metrics.
    #[serde(rename = "read:metrics")]
    ReadMetrics,
    /// See which versions are at work.
    #[serde(rename = "read:hub")]
    ReadHub,
}

/// Every scope, its name, and what it allows.
const SCOPES: [(Scope, &str, &str); 10] = [
    (Scope::ListUsers, "list:users", "see who is enrolled, and who is an administrator"),
    (Scope::ReadUsers, "read:users", "see role, groups and last activity of people, and whether a server runs"),
    (Scope::ReadUsersActivity, "read:users:activity", "see when people were last active"),
    (Scope::ReadServers, "read:servers", "see people's servers"),
    (Scope::StartServers, "start:servers", "start servers"),
    (Scope::DeleteServers, "delete:servers", "stop servers"),
    (Scope::Servers, "servers", "see, start and stop servers"),
    (Scope::AdminServers, "admin:servers", "see, start and stop servers"),
    (Scope::ReadMetrics, "read:metrics", "read /hub/metrics"),
    (Scope::ReadHub, "read:hub", "see the versions of the hub"),
];

impl Scope {
    /// Every scope that there is.
    pub fn all() -> impl Iterator<Item = Self> {
        SCOPES.into_iter().map(|(scope, ..)| scope)
    }

    /// Its name, as in `list:users`.
    pub fn name(self) -> &'static str {
        self.described().0
    }

    /// What it allows, as in "see who is enrolled".
    pub fn about(self) -> &'static str {
        self.described().1
    }

    /// This one and every scope that comes with it.
    pub fn with_implied(self) -> &'static [Self] {
        match self {
            Self::ListUsers => &[Self::ListUsers],
            Self::ReadUsers => &[Self::ReadUsers, Self::ReadUsersActivity],
            Self::ReadUsersActivity => &[Self::ReadUsersActivity],
            Self::ReadServers => &[Self::ReadServers],
            Self::StartServers => &[Self::StartServers],
            Self::DeleteServers => &[Self::DeleteServers],
            Self::Servers => &[Self::Servers, Self::ReadServers, Self::StartServers, Self::DeleteServers],
            Self::AdminServers => {
                &[Self::AdminServers, Self::Servers, Self::ReadServers, Self::StartServers, Self::DeleteServers]
            }
            Self::ReadMetrics => &[Self::ReadMetrics],
            Self::ReadHub => &[Self::ReadHub],
        }
    }

    fn described(self) -> (&'static str, &'static str) {
        SCOPES.iter().find(|(scope, ..)| *scope == self).map_or(("", ""), |(_, name, about)| (name, about))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        SCOPES.iter().find(|(_, name, _)| *name == text).map(|(scope, ..)| *scope).ok_or_else(|| {
            let names: Vec<&str> = SCOPES.iter().map(|(_, name, _)| *name).collect();
            format!("{text:?} is not a scope; expected one of {}", names.join(", "))
        })
    }
}

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenInfo {
    /// Its number.
    pub id: i64,
    /// Who made it, and by whose right it acts: a name, or `root on the host`, or `NAME on the host`.
    pub maker: String,
    /// What it is for, in the maker's words.
    pub note: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made, RFC 3339, UTC.
    pub created: String,
    /// When it stops working, RFC 3339, UTC; `None`: not by itself.
    pub expires: Option<String>,
    /// When it was used last, give or take a minute, RFC 3339, UTC.
    pub last_used: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_has_one_name_wherever_it_is_written() {
        assert_eq!(Scope::all().count(), 10);
        for scope in Scope::all() {
            assert_eq!(scope.name().parse(), Ok(scope));
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
            assert!(scope.with_implied().contains(&scope) && !scope.about().is_empty(), "{scope}");
        }
        assert!("admin:users".parse::<Scope>().unwrap_err().contains("expected one of list:users, "));
    }

    #[test]
    fn nothing_comes_with_a_scope_but_what_is_less() {
        for (scope, others) in
            [(Scope::Servers, &[Scope::ListUsers, Scope::ReadUsers][..]), (Scope::ReadUsers, &[Scope::ReadServers])]
        {
            assert!(others.iter().all(|other| !scope.with_implied().contains(other)), "{scope}");
        }
    }
}
