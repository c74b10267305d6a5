//! Accounts and groups that carry the names the hub needs.

use anyhow::{Context, Result};
use nix::unistd::{Group, User};

/// Unix accounts of the hub itself, with what each is for.
pub const OWN_USERS: [(&str, &str); 4] = [
    ("hubd", "hub web front"),
    ("hubd-build", "hub environment builds"),
    ("hubd-certificates", "hub certificates"),
    ("hubd-outside", "hub questions to providers of logins"),
];
/// Unix groups of the hub.
pub const OWN_GROUPS: [&str; 6] = ["hubd", "hubd-build", "hubd-certificates", "hubd-outside", "hubd-users", "hubd-admins"];

/// An account with a name of ours, whoever made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnAccount {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// What it logs in to.
    pub shell: String,
}

impl OwnAccount {
    /// Whether nobody can log in to it, as it must be for a service.
    pub fn is_for_a_service(&self) -> bool {
        let closed = ["nologin", "false"].iter().any(|program| self.shell.ends_with(&format!("/{program}")));
        closed && self.uid != 0 && self.uid < 1000
    }
}

pub(super) fn probe() -> Result<Vec<OwnAccount>> {
    let mut found = Vec::new();
    for (name, _) in OWN_USERS {
        if let Some(user) = User::from_name(name).with_context(|| format!("looking up account `{name}`"))? {
            found.push(OwnAccount { name: user.name, uid: user.uid.as_raw(), shell: user.shell.display().to_string() });
        }
    }
    Ok(found)
}

/// Whether there is a group of this name.
pub(super) fn has_group(name: &str) -> bool {
    match Group::from_name(name) {
        Ok(group) => group.is_some(),
        Err(error) => {
            tracing::debug!(%error, "looking up group `{name}`");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_services_from_people() {
        let account = |uid, shell: &str| OwnAccount { name: "hubd".into(), uid, shell: shell.into() };
        assert!(account(998, "/usr/sbin/nologin").is_for_a_service());
        assert!(account(998, "/bin/false").is_for_a_service());
        assert!(!account(998, "/bin/bash").is_for_a_service());
        assert!(!account(1000, "/usr/sbin/nologin").is_for_a_service());
        assert!(!account(0, "/usr/sbin/nologin").is_for_a_service());
    }
}
