//! Accounts and groups of the hub itself, and what a receipt says that is no file.

use std::path::Path;

use anyhow::{Context, Result, bail};
use hub_core::accounts::lookup;
use hub_system::accounts::shadow;

use super::{Check, Ownership, packages, services};
use crate::files::Attributes;
use crate::undo::{Undo, Undone};

pub(super) fn resolve(owner: Ownership) -> Result<Attributes> {
    let uid = match owner.user {
        "root" => 0,
        name => lookup::account_by_name(name)?.with_context(|| format!("account `{name}` is missing"))?.uid,
    };
    let gid = match owner.group {
        "root" => 0,
        name => lookup::group_by_name(name)?.with_context(|| format!("group `{name}` is missing"))?,
    };
    Ok(Attributes { uid, gid, mode: owner.mode })
}

pub(super) fn check_group(name: &str) -> Result<Check> {
    Ok(match lookup::group_by_name(name)? {
        Some(_) => Check::Satisfied(None),
        None => Check::Needed { exists: false, undo: Some(Undo::DeleteGroup { name: name.to_owned() }) },
    })
}

pub(super) fn check_user(name: &str) -> Result<Check> {
    Ok(match lookup::account_by_name(name)? {
        Some(_) => Check::Satisfied(None),
        None => Check::Needed { exists: false, undo: Some(Undo::DeleteUser { name: name.to_owned() }) },
    })
}

pub(super) fn make_group(name: &str) -> Result<()> {
    shadow::add_group(name)
}

pub(super) fn make_user(name: &str, comment: &str, home: &Path) -> Result<()> {
    shadow::add_service(&shadow::ServiceAccount { name, comment, home, group: name })
}

/// Takes back what is no file.
///
/// # Errors
/// When an account or group can't be deleted or a unit not be stopped.
pub(crate) fn undo(undo: &Undo) -> Result<Undone> {
    match undo {
        Undo::DeleteUser { name } if lookup::account_by_name(name)?.is_none() => Ok(Undone::AlreadyGone),
        Undo::DeleteUser { name } => shadow::remove(name).map(|()| Undone::Removed),
        Undo::DeleteGroup { name } if lookup::group_by_name(name)?.is_none() => Ok(Undone::AlreadyGone),
        Undo::DeleteGroup { name } => shadow::remove_group(name).map(|()| Undone::Removed),
        Undo::DisableUnits { units } => services::disable(units).map(|()| Undone::Removed),
        Undo::LetGo { names } => packages::let_go(names).map(|()| Undone::Removed),
        Undo::Packages { names } => Ok(Undone::Kept(format!(
            "distribution packages that the install brought stay: {0} (apt-get remove {0})",
            names.join(" ")
        ))),
        other => bail!("`{other:?}` is about files"),
    }
}
