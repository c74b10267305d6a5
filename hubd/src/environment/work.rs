//! `hubd environment`: does the job that was left, and ends. A job that a kill or a power cut interrupted is settled first.

use anyhow::{Context, Result};
use hub_core::control::environment::{BuildState, ServersOf};
use hub_core::paths::Paths;
use hub_core::pyenv::Builder;
use hub_core::systemd::Manager;
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
    let builder = Builder::for_service(paths.clone(), SERVICE);
    loop {
        let lock = archive.lock()?;
        let job = match archive.job() {
            Ok(Some(job)) => job,
            Ok(None) => {
                // Sweeps what was left when nobody could.
                drop(builder.enter()?);
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
        match record {
            Some(record) if record.state == BuildState::Building && matches!(job.task, Task::Build { .. }) => {
                drop(builder.enter()?);
                transaction::resume(paths, &archive, record);
            }
            Some(record) if !record.is_over() => {
                let in_use = || in_use(paths);
                transaction::perform(paths, &archive, &builder, &job.task, record, &in_use);
            }
            Some(_) => {}
            None => tracing::error!("putting away job {}, which has no record", job.number),
        }
        let _lock = archive.lock()?;
        archive.clear_job()?;
    }
}

/// Who runs on which generation, asked of systemd.
pub(crate) fn in_use(paths: &Paths) -> Result<Vec<ServersOf>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().context("starting to ask systemd")?;
    runtime.block_on(servers(&Manager::system(), paths))
}

/// As [`in_use`], with a connection that is there.
pub(crate) async fn servers(manager: &Manager, paths: &Paths) -> Result<Vec<ServersOf>> {
    let mut found: Vec<ServersOf> = Vec::new();
    for status in manager.servers().await? {
        let is_up = matches!(status.active_state.as_str(), "active" | "activating" | "reloading" | "deactivating");
        let Some(number) = generation_of(&status, paths).filter(|_| is_up) else { continue };
        match found.iter_mut().find(|servers| servers.number == number) {
            Some(servers) => servers.names.push(status.owner),
            None => found.push(ServersOf { number, names: vec![status.owner] }),
        }
    }
    found.sort_by_key(|servers| servers.number);
    Ok(found)
}
