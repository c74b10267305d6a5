//! Who is who: roles, groups, settings of one person. Who is enrolled at all is not decided here.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Config, LimitOverrides};
use crate::accounts::Username;

/// `[roles]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Roles {
    /// People who manage the hub from inside it.
    pub admins: Vec<Username>,
    /// People who run a class: what helpers do, and enrol and block people.
    pub teachers: Vec<Username>,
    /// People who look after a class: see who runs, start and stop servers, read their logs.
    pub helpers: Vec<Username>,
    /// People who are kept out.
    pub blocked: Vec<Username>,
    /// Unix accounts of this machine that may run `hubctl` with sudo.
    pub host_operators: Vec<String>,
}

/// What a person may do in the hub; a later one includes the earlier ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Has a server.
    #[default]
    Student,
    /// Sees who runs, starts and stops servers, reads their logs.
    Helper,
    /// Also enrols people, makes links, blocks and unblocks; never administrators.
    Teacher,
    /// Everything that can be done from inside the hub.
    Admin,
}

impl Role {
    /// The highest role of the people to whom somebody with this one may give a link or a password, which is to say
    /// whom they could be if they wanted to; `None`: they may give none.
    pub fn vouches_for(self) -> Option<Self> {
        match self {
            Self::Student | Self::Helper => None,
            Self::Teacher => Some(Self::Helper),
            Self::Admin => Some(Self::Admin),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Student => "student",
            Self::Helper => "helper",
            Self::Teacher => "teacher",
            Self::Admin => "administrator",
        })
    }
}

/// `[groups.NAME]`
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Group {
    /// Who is in it.
    pub members: Vec<Username>,
    /// What its members may use, where that differs from everybody's limits.
    pub limits: LimitOverrides,
}

/// `[users.NAME]`
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct UserSettings {
    /// What this person may use, whatever the groups and everybody's limits say.
    pub limits: LimitOverrides,
}

impl Config {
    /// Whether the configuration names `name` as an administrator.
    pub fn is_admin(&self, name: &Username) -> bool {
        self.roles.admins.contains(name)
    }

    /// The highest role that the configuration gives to `name`. It says nothing about whether `name` is enrolled or
    /// [blocked](Self::is_blocked).
    pub fn role_of(&self, name: &Username) -> Role {
        let Roles { admins, teachers, helpers, .. } = &self.roles;
        let roles = [(admins, Role::Admin), (teachers, Role::Teacher), (helpers, Role::Helper)];
        roles.iter().find(|(people, _)| people.contains(name)).map_or(Role::Student, |(_, role)| *role)
    }

    /// Whether the configuration keeps `name` out. The hub keeps a list of its own too, which `hubctl user block` changes.
    pub fn is_blocked(&self, name: &Username) -> bool {
        self.roles.blocked.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn the_highest_role_counts() {
        let config = parse(
            "[roles]\nadmins = [\"ada\"]\nteachers = [\"bob\", \"ada\"]\nhelpers = [\"bob\", \"eve\"]\nblocked = [\"eve\"]\n",
            "",
        )
        .unwrap();
        for (name, role) in [("ada", Role::Admin), ("bob", Role::Teacher), ("eve", Role::Helper), ("tom", Role::Student)] {
            assert_eq!(config.role_of(&name.parse().unwrap()), role, "{name}");
        }
        assert!(config.is_blocked(&"eve".parse().unwrap()) && !config.is_blocked(&"bob".parse().unwrap()));
    }
}
