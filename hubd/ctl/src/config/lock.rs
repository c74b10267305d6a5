//! One at a time changes the configuration. Whoever comes second is told at once who is at it, and since when.

use anyhow::Result;
use hub_system::config_store::{Busy, ConfigStore, Holder, Turn};

use super::super::World;
use super::super::failure::{Cause, Failure};
use super::super::text::{moment, printable};

/// Takes the turn; it is held as long as the configuration is being changed.
pub(super) fn take(world: &World) -> Result<Turn> {
    let holder = Holder { account: world.caller.account()?.name, process: std::process::id(), since: world.now.to_string() };
    Ok(ConfigStore::new(&world.paths).try_turn(Some(&holder))?.map_err(|busy| told(world, busy))?)
}

fn told(world: &World, Busy(holder): Busy) -> Failure {
    let (who, hint) = match holder {
        Some(Holder { account, process, since }) => (
            format!(
                "`{}` (process {process}) is changing the configuration, since {}",
                printable(&account),
                moment(&since, world.now, &world.zone)
            ),
            format!("try again when that is done; who it is: ps -f -p {process}"),
        ),
        // The holder has not signed yet, or is a program that does not.
        None => ("somebody is changing the configuration".to_owned(), "try again in a moment".to_owned()),
    };
    Failure::new(Cause::Busy, who, hint)
}
