//! The students' accounts go; their homes stay, closed to everybody but root, with a manifest of whose they were.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use hub_core::accounts::lookup;
use hub_core::paths::Paths;
use hub_system::accounts::home;
use hub_system::accounts::shadow;
use hub_system::accounts::table::TableFile;

use crate::facts::{self, ConfigFact};
use crate::leftovers::{Home, Leftovers};

/// Closes every home and deletes the account before it. The manifest is on disk before anything is changed.
pub(super) fn close(paths: &Paths, left: &mut Leftovers) -> Result<()> {
    let table = TableFile::new(paths.accounts()).read()?;
    let homes = directory(paths);
    let mut accounts = Vec::new();
    for record in table.records() {
        let (name, account) = (record.name.clone(), record.account.clone());
        let found = lookup::account_by_name(&account)?.filter(|found| found.uid == record.uid);
        // One that has no account was closed by an earlier uninstall, and its owner has not come back since.
        let known = found.as_ref().map(|found| found.home.clone());
        // Earlier versions made them in the second place, where others may have something of that name.
        let is_ours = |path: &PathBuf| path.metadata().is_ok_and(|found| [record.uid, 0].contains(&found.uid()));
        let former = Some(paths.common_homes().join(&account)).filter(is_ours);
        let mut places = known.into_iter().chain([homes.join(&account)]).chain(former);
        if let Some(path) = places.find(|path| path.exists()) {
            left.put(Home { name, account, uid: record.uid, path });
        }
        accounts.extend(found);
    }
    left.save(paths)?;
    for account in accounts {
        let home = home::Home {
            path: &account.home,
            uid: account.uid,
            gid: account.gid,
            // Nothing is made here.
            skeleton: &paths.uninstalled(),
            link: None,
        };
        home.put_aside()?;
        shadow::remove(&account.name).with_context(|| format!("deleting account `{}`", account.name))?;
    }
    Ok(())
}

/// Where homes are; a configuration that can't be read is one more thing that may be wrong with a hub that has to go.
fn directory(paths: &Paths) -> PathBuf {
    match facts::read_config(paths) {
        ConfigFact::Valid(_, config) => config.accounts.homes,
        _ => paths.usual_homes(),
    }
}
