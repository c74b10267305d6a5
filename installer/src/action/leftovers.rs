//! Giving back what an uninstall kept: logins, and who owned which account. The launcher makes an account anew, with its
//! old number, and opens its home again, when its owner next comes.

use std::path::Path;

use anyhow::{Context, Result};
use hub_core::accounts::lookup;
use hub_core::paths::Paths;
use hub_system::accounts::table::TableFile;
use hub_system::tree;

use super::{Check, World};

pub(super) fn check(paths: &Paths) -> Result<Check> {
    if paths.uninstalled().exists() {
        return Ok(Check::Needed { exists: true, undo: None });
    }
    Ok(Check::Satisfied(None))
}

pub(super) fn give_back(world: &mut World<'_>) -> Result<Option<String>> {
    let paths = world.paths;
    let owner = lookup::account_by_name("hubd")?.context("account `hubd` is missing")?;
    move_back(&paths.uninstalled_people(), &paths.state(), (owner.uid, owner.gid))?;
    move_back(&paths.uninstalled_launcher(), &paths.launcher_state(), (0, 0))?;
    let note = note_taken_numbers(paths)?;
    tree::remove(&paths.uninstalled())?;
    Ok(note)
}

fn move_back(kept: &Path, place: &Path, (uid, gid): (u32, u32)) -> Result<()> {
    // After a power cut it may be in its place already.
    if !kept.exists() {
        return Ok(());
    }
    // Only closed directories are walked by name: this one is root's until its top is given away, last.
    tree::give(kept, uid, gid)?;
    fs_err::rename(kept, place).context("a hub seems to have been set up by hand meanwhile")?;
    Ok(())
}

/// An account that was made meanwhile may have the number of a former student.
fn note_taken_numbers(paths: &Paths) -> Result<Option<String>> {
    let mut taken = Vec::new();
    for record in TableFile::new(paths.accounts()).read()?.records() {
        if let Some(other) = lookup::account_by_uid(record.uid)?.filter(|other| other.name != record.account) {
            taken.push(format!("{} (number {}, now of `{}`)", record.name, record.uid, other.name));
        }
    }
    if taken.is_empty() {
        return Ok(None);
    }
    Ok(Some(format!("the numbers of some accounts now belong to others, so their homes stay closed: {}", taken.join(", "))))
}
