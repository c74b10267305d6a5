//! `[roles]`, `[groups]` and `[users]`: who is named where, and what contradicts itself.

use std::collections::BTreeMap;

use super::{Check, Span, first, read};
use crate::accounts::Username;
use crate::config::{Group, GroupName, Roles, UserSettings};

impl Check<'_, '_> {
    pub(super) fn roles(&mut self, prefix: &str) -> Roles {
        let admins = self.names("roles.admins");
        let (teachers, helpers, blocked) =
            (self.names("roles.teachers"), self.names("roles.helpers"), self.names("roles.blocked"));
        for (name, span) in &blocked {
            if let Some((_, admin)) = admins.iter().find(|(admin, _)| admin == name) {
                let line = self.line(admin);
                let message = format!("{name} is an administrator in line {line}, and can't be blocked");
                self.conflict(span.clone(), message, Some("take the name out of `admins` first"));
            }
        }
        let operators = self.list("roles.host_operators", read::account_name).unwrap_or_default();
        for (account, span) in &operators {
            if account == "root" {
                self.conflict(span.clone(), "root needs no entry: it may do everything", Some("take it out"));
            } else if account.strip_prefix(prefix).is_some_and(|rest| rest.parse::<Username>().is_ok()) {
                let message = format!("\"{account}\" is an account of the hub's own people, who get no root");
                self.conflict(span.clone(), message, Some("name accounts of the machine; people go under `admins`"));
            }
        }
        let people = |list: Vec<(Username, Span)>| list.into_iter().map(first).collect();
        Roles {
            admins: people(admins),
            teachers: people(teachers),
            helpers: people(helpers),
            blocked: people(blocked),
            host_operators: operators.into_iter().map(first).collect(),
        }
    }

    pub(super) fn groups(&mut self) -> BTreeMap<GroupName, Group> {
        let mut groups = BTreeMap::new();
        for (written, span) in std::mem::take(&mut self.tree.groups) {
            let members = self.names(&format!("groups.{written}.members")).into_iter().map(first).collect();
            let limits = self.overrides(&format!("groups.{written}.limits"));
            match written.parse::<GroupName>() {
                Ok(name) => drop(groups.insert(name, Group { members, limits })),
                Err(error) => self.problem(span, format!("a group can't be called {written:?}: {error}"), None),
            }
        }
        groups
    }

    pub(super) fn users(&mut self) -> BTreeMap<Username, UserSettings> {
        let mut users = BTreeMap::new();
        for (written, span) in std::mem::take(&mut self.tree.users) {
            let limits = self.overrides(&format!("users.{written}.limits"));
            match person(&written) {
                Ok(name) => drop(users.insert(name, UserSettings { limits })),
                Err(message) => self.problem(span, message, None),
            }
        }
        users
    }

    fn names(&mut self, path: &str) -> Vec<(Username, Span)> {
        self.list(path, person).unwrap_or_default()
    }
}

fn person(name: &str) -> Result<Username, String> {
    name.parse().map_err(|error| {
        let lower = name.trim().to_lowercase();
        match lower.parse::<Username>() {
            Ok(near) => format!("{error}\nhint: did you mean \"{near}\"?"),
            Err(_) => format!("{error}"),
        }
    })
}
