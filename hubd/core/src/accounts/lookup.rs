//! What the machine knows about unix accounts and groups, wherever it keeps them (files, LDAP, ...).
//!
//! "Could not find out" is an error here, never "there is none": a uid must not look free because a directory service
//! is down.

use std::path::PathBuf;

use anyhow::{Context, Result};
use nix::unistd::{Gid, Group, Uid, User};

/// A unix account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Number of its primary group.
    pub gid: u32,
    /// Its home.
    pub home: PathBuf,
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), home: user.dir }
    }
}

/// The account called `name`.
///
/// # Errors
/// When the machine can't tell.
pub fn account_by_name(name: &str) -> Result<Option<Account>> {
    Ok(User::from_name(name).with_context(|| format!("looking up unix account `{name}`"))?.map(Account::from))
}

/// The account with number `uid`.
///
/// # Errors
/// When the machine can't tell.
pub fn account_by_uid(uid: u32) -> Result<Option<Account>> {
    Ok(User::from_uid(Uid::from_raw(uid)).with_context(|| format!("looking up uid {uid}"))?.map(Account::from))
}

/// The accounts that the group called `name` lists as its members.
///
/// # Errors
/// When the machine can't tell.
pub fn members_of(name: &str) -> Result<Vec<String>> {
    let group = Group::from_name(name).with_context(|| format!("looking up group `{name}`"))?;
    Ok(group.map(|group| group.mem).unwrap_or_default())
}

/// The number of the group called `name`.
///
/// # Errors
/// When the machine can't tell.
pub fn group_by_name(name: &str) -> Result<Option<u32>> {
    Ok(Group::from_name(name).with_context(|| format!("looking up unix group `{name}`"))?.map(|group| group.gid.as_raw()))
}

/// The name of the group with number `gid`.
///
/// # Errors
/// When the machine can't tell.
pub fn group_by_gid(gid: u32) -> Result<Option<String>> {
    Ok(Group::from_gid(Gid::from_raw(gid)).with_context(|| format!("looking up gid {gid}"))?.map(|group| group.name))
}

/// Names of all groups that a process of `account` gets.
pub fn groups_of(account: &Account) -> Vec<String> {
    let groups = users::get_user_groups(&account.name, account.gid).unwrap_or_default();
    groups.iter().map(|group| group.name().to_string_lossy().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_root_by_name_and_number() {
        let root = account_by_name("root").unwrap().unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert_eq!(account_by_uid(0).unwrap(), Some(root.clone()));
        assert_eq!(group_by_name("root").unwrap(), Some(0));
        assert_eq!(group_by_gid(0).unwrap().as_deref(), Some("root"));
        assert!(groups_of(&root).contains(&"root".to_owned()));
    }

    #[test]
    fn nobody_is_called_that() {
        assert_eq!(account_by_name("no-such-account-here").unwrap(), None);
        assert_eq!(group_by_name("no-such-group-here").unwrap(), None);
    }
}
