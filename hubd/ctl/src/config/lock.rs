//! One at a time changes the configuration. Whoever comes second is told at once who is at it, and since when.

use anyhow::{Context, Result};
use hub_system::lock::{self, LockGuard};
use serde::{Deserialize, Serialize};

use super::super::World;
use super::super::failure::{Cause, Failure};
use super::super::text::{moment, printable};

/// Held as long as the configuration is being changed.
#[derive(Debug)]
pub(super) struct Lock {
    _guard: LockGuard,
}

/// The note in the lock file.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    account: String,
    process: u32,
    since: String,
}

impl Lock {
    pub(super) fn take(world: &World) -> Result<Self> {
        let path = world.paths.config_lock();
        let Some(mut guard) = lock::try_lock(&path)? else { return Err(busy(world, &lock::note(&path)?).into()) };
        let account = world.caller.account()?.name;
        let holder = Holder { account, process: std::process::id(), since: world.now.to_string() };
        guard.leave_note(&serde_json::to_string(&holder).context("writing a note into the configuration's lock")?)?;
        Ok(Self { _guard: guard })
    }
}

fn busy(world: &World, note: &str) -> Failure {
    let (who, hint) = match serde_json::from_str::<Holder>(note) {
        Ok(Holder { account, process, since }) => (
            format!(
                "`{}` (process {process}) is changing the configuration, since {}",
                printable(&account),
                moment(&since, world.now, &world.zone)
            ),
            format!("try again when that is done; who it is: ps -f -p {process}"),
        ),
        // The holder has not signed yet, or is a program that does not.
        Err(_) => ("somebody is changing the configuration".to_owned(), "try again in a moment".to_owned()),
    };
    Failure::new(Cause::Busy, who, hint)
}
