//! `hubd environment`: does the job that was left, and ends. A job that a kill or a power cut interrupted is settled first.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use hub_core::accounts::Username;
use hub_core::control::environment::{BuildState, ServersOf};
use hub_core::paths::Paths;
use hub_core::pyenv::Builder;
use hub_core::systemd::{Manager, UnitStatus};
use tokio::runtime;

use super::archive::{Archive, Task};
use super::transaction;
use crate::launcher::generation_of;

/// The service that runs this.
pub(crate) const SERVICE: &str = "hubd-environment.service";

/// Does what is to be done, until there is nothing.
///
/// # Errors
/// When the job can't be read or put away. What goes wrong with the job itself is in its record.
pub(crate) fn run(paths: &Paths) -> Result<()> {
    let archive = Archive::new(paths);
    loop {
        let lock = archive.lock()?;
        let job = match archive.job() {
            Ok(Some(job)) => job,
            Ok(None) => {
                // Sweeps what was left when nobody could.
                drop(Builder::for_service(paths.clone(), SERVICE).enter()?);
                return Ok(());
            }
            Err(error) => {
                tracing::error!("putting away a job that can't be read: {error:#}");
                archive.clear_job()?;
                continue;
            }
        };
        let record = archive.record(job.number)?;
        drop(lock);
        let paths = &job.kernel.as_ref().map_or_else(|| paths.clone(), |name| paths.of_kernel(name));
        let builder = Builder::for_service(paths.clone(), SERVICE);
        match record {
            Some(record) if record.state == BuildState::Building && matches!(job.task, Task::Build { .. }) => {
                drop(builder.enter()?);
                transaction::resume(paths, &archive, record);
            }
            Some(record) if !record.is_over() => {
                transaction::perform(paths, &archive, &builder, &job.task, record, &in_use);
            }
            Some(_) => {}
            None => tracing::error!("putting away job {}, which has no record", job.number),
        }
        let _lock = archive.lock()?;
        archive.finish(job.number)?;
    }
}

/// Who runs on which generation, asked of systemd.
pub(crate) fn in_use(paths: &Paths) -> Result<Vec<ServersOf>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().context("starting to ask systemd")?;
    runtime.block_on(servers(&Manager::system(), paths))
}

/// As [`in_use`], with a connection that is there.
pub(crate) async fn servers(manager: &Manager, paths: &Paths) -> Result<Vec<ServersOf>> {
    let users: Vec<(u32, Username)> = if paths.kernel().is_some() {
        let lines = manager.command_lines().await?;
        lines.into_iter().filter_map(|(owner, line)| Some((generation_named(&line, paths)?, owner))).collect()
    } else {
        let is_up =
            |status: &UnitStatus| matches!(status.active_state.as_str(), "active" | "activating" | "reloading" | "deactivating");
        let up = manager.servers().await?.into_iter().filter(is_up);
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
