//! The students' accounts go; their homes stay, closed to everybody but root, with a manifest of whose they were.

use anyhow::{Context, Result};
use hub_core::accounts::home;
use hub_core::accounts::table::TableFile;
use hub_core::accounts::{lookup, shadow};
use hub_core::paths::Paths;

use crate::leftovers::{Home, Leftovers};

/// Closes every home and deletes the account before it. The manifest is on disk before anything is changed.
pub(super) fn close(paths: &Paths, left: &mut Leftovers) -> Result<()> {
    let table = TableFile::new(paths.accounts()).read()?;
    let mut accounts = Vec::new();
    for record in table.records() {
        // One whose account is gone was closed before a power cut, or by hand.
        if let Some(account) = lookup::account_by_name(&record.account)?.filter(|account| account.uid == record.uid) {
            let (name, account_name) = (record.name.clone(), record.account.clone());
            left.put(Home { name, account: account_name, uid: record.uid, path: account.home.clone() });
            accounts.push(account);
        }
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
    left.homes.retain(|home| home.path.exists());
    Ok(())
}
