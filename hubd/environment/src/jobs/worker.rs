//! `hubd-environment`: does the job that was left, and ends. A job that a kill or a power cut interrupted is settled first.

use std::collections::{BTreeMap, BTreeSet};

use hub_core::accounts::Username;
use hub_core::control::environment::{BuildState, ServersOf};
use hub_core::paths::Paths;
use hub_system::systemd::{Manager, UnitStatus};

use crate::pyenv::Builder;
use anyhow::{Context, Result};
use tokio::runtime;

use crate::generation_of;
use crate::jobs::store::{JobStore, Task};
use crate::jobs::transaction;

/// The service that runs this.
pub const SERVICE: &str = "hubd-environment.service";

/// Does what is to be done, until there is nothing.
///
/// # Errors
/// When the job can't be read or put away. What goes wrong with the job itself is in its record.
pub fn run(paths: &Paths) -> Result<()> {
    let store = JobStore::new(paths);
    loop {
        let lock = store.lock()?;
        let job = match store.job() {
            Ok(Some(job)) => job,
            Ok(None) => {
                // Sweeps what was left when nobody could.
                drop(Builder::for_service(paths.clone(), SERVICE).enter()?);
                return Ok(());
            }
            Err(error) => {
                tracing::error!("putting away a job that can't be read: {error:#}");
                store.clear_job()?;
                continue;
            }
        };
        let record = store.record(job.number)?;
        drop(lock);
        let paths = &job.kernel.as_ref().map_or_else(|| paths.clone(), |name| paths.of_kernel(name));
        let builder = Builder::for_service(paths.clone(), SERVICE);
        match record {
            Some(record) if record.state == BuildState::Building && matches!(job.task, Task::Build { .. }) => {
                drop(builder.enter()?);
                transaction::resume(paths, &store, record);
            }
            Some(record) if !record.is_over() => {
                transaction::perform(paths, &store, &builder, &job.task, record, &in_use);
            }
            Some(_) => {}
            None => tracing::error!("putting away job {}, which has no record", job.number),
        }
        let _lock = store.lock()?;
        store.finish(job.number)?;
    }
}

/// Who runs on which generation, asked of systemd.
pub fn in_use(paths: &Paths) -> Result<Vec<ServersOf>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().context("starting to ask systemd")?;
    runtime.block_on(servers(&Manager::system(), paths))
}

/// As [`in_use`], with a connection that is there.
pub async fn servers(manager: &Manager, paths: &Paths) -> Result<Vec<ServersOf>> {
    let users: Vec<(u32, Username)> = if paths.kernel().is_some() {
        let lines = manager.command_lines().await?;
        lines.into_iter().filter_map(|(owner, line)| Some((generation_named(&line, paths)?, owner))).collect()
    } else {
        let is_up =
            |status: &UnitStatus| matches!(status.active_state.as_str(), "active" | "activating" | "reloading" | "deactivating");
        let apps = manager.apps().await?.into_iter().map(|(_, status)| status);
        let up = manager.servers().await?.into_iter().chain(apps).filter(is_up);
        up.filter_map(|status| Some((generation_of(&status, paths)?, status.owner))).collect()
    };
    let mut found: BTreeMap<u32, BTreeSet<Username>> = BTreeMap::new();
    for (number, name) in users {
        found.entry(number).or_default().insert(name);
    }
    Ok(found.into_iter().map(|(number, names)| ServersOf { number, names: names.into_iter().collect() }).collect())
}

/// The generation of the kernel that a process was started from, as its command line tells.
fn generation_named(line: &str, paths: &Paths) -> Option<u32> {
    let store = format!("{}/", paths.environments().display());
    line.split(['\'', '"', ' ']).find_map(|word| word.strip_prefix(&store)?.split('/').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_known_by_its_command_line() {
        let paths = Paths::default().of_kernel(&"r".parse().unwrap());
        for (line, number) in [
            ("/opt/hubd/jupyter/kernels/r/12/bin/python -m ipykernel_launcher -f /tmp/x.json", Some(12)),
            ("bash -c \"/opt/hubd/jupyter/kernels/r/3/bin/python x\"", Some(3)),
            ("/opt/hubd/jupyter/kernels/rr/12/bin/python", None),
            ("/opt/hubd/jupyter/kernels/r/kernel.json", None),
            ("/opt/hubd/env/bin/python", None),
        ] {
            assert_eq!(generation_named(line, &paths), number, "{line}");
        }
    }
}
