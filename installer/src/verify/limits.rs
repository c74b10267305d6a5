//! Do limits hold? Some machines (containers above all) take `MemoryMax=` and ignore it without a word.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use hub_core::config::{self, Denied};
use hub_core::paths::Paths;
use hub_core::sys::command::Command;

use crate::preflight::Finding;

const SYSTEMD_RUN: &str = "/usr/bin/systemd-run";
const PROBE_DEADLINE: Duration = Duration::from_secs(30);
/// What a probe says when it got all it wanted.
const GOT_IT_ALL: &str = "got it all";
/// The hidden command of this program that runs a probe.
pub const PROBE_COMMAND: &str = "probe-limit";

/// Between two programs of one machine.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
const ALLOWED_MEGABYTES: usize = 64;
const WANTED_MEGABYTES: usize = 192;
const ALLOWED_TASKS: usize = 24;
const WANTED_TASKS: usize = 64;

/// Something a probe takes too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Probe {
    /// Memory.
    Memory,
    /// Threads.
    Tasks,
    /// An address of the network.
    Addresses,
}

/// The limits this machine does not enforce, for people.
pub(super) fn check(paths: &Paths) -> Result<Vec<String>> {
    let mut not_held = Vec::new();
    let memory = [format!("MemoryMax={ALLOWED_MEGABYTES}M"), "MemorySwapMax=0".to_owned()];
    let tasks = [format!("TasksMax={ALLOWED_TASKS}")];
    for (probe, argument, properties, what) in
        [(Probe::Memory, "memory", &memory[..], "memory"), (Probe::Tasks, "tasks", &tasks[..], "processes and threads")]
    {
        if !holds(paths, argument, properties).with_context(|| format!("trying the limit for {what}"))? {
            tracing::warn!(?probe, "limit does not hold");
            not_held.push(what.to_owned());
        }
    }
    Ok(not_held)
}

/// What people's programs reach although the configuration denies it.
pub(super) fn reachable(paths: &Paths) -> Result<Vec<Finding>> {
    let Denied { ranges, spared } = config::denied(paths);
    let list = |items: &[String]| items.join(", ");
    let mut found = Vec::new();
    if !ranges.is_empty() {
        let deny = ["IPAddressDeny=localhost".to_owned()];
        if !holds(paths, "addresses", &deny).context("trying whether addresses can be denied")? {
            let ranges: Vec<_> = ranges.iter().map(ToString::to_string).collect();
            found.push(Finding {
                what: format!("people's programs reach {}, which machine.denied_addresses denies", list(&ranges)),
                remedy:
                    "denying takes control groups of version 2 and a kernel with BPF, which containers mostly lack; on a machine \
                         that is not rented nobody answers there"
                        .to_owned(),
            });
            return Ok(found);
        }
    }
    if !spared.is_empty() {
        let spared: Vec<_> = spared.iter().map(ToString::to_string).collect();
        found.push(Finding {
            what: format!(
                "people's programs reach {}, which machine.denied_addresses denies, because names are looked up there",
                list(&spared)
            ),
            remedy: "let a program of the machine ask it for them: apt-get install systemd-resolved".to_owned(),
        });
    }
    Ok(found)
}

/// Runs the probe in a unit with these limits; true when it was kept from what it wanted.
fn holds(paths: &Paths, probe: &str, properties: &[String]) -> Result<bool> {
    let program = paths.binaries().join("hub-installer");
    // Without limits first: a probe that fails for another reason would prove nothing.
    if !got_it_all(&program.display().to_string(), probe, &[])? {
        bail!("the probe did not come to its end even without a limit");
    }
    Ok(!got_it_all(&program.display().to_string(), probe, properties)?)
}

fn got_it_all(program: &str, probe: &str, properties: &[String]) -> Result<bool> {
    let output = Command::new(SYSTEMD_RUN, PROBE_DEADLINE)
        .args(["--quiet", "--wait", "--pipe", "--collect", "--slice=hubd-users.slice"])
        .args(["--property=LimitCORE=0", "--property=OOMPolicy=kill", "--property=RuntimeMaxSec=20"])
        .args(properties.iter().map(|property| format!("--property={property}")))
        .args(["--", program, PROBE_COMMAND, probe])
        .output()?;
    tracing::debug!(probe, ?properties, code = ?output.code, stderr = output.stderr.trim(), "limit probe ended");
    Ok(output.success() && output.stdout.trim() == GOT_IT_ALL)
}

/// Takes more than a limit would allow, and says so when it could.
///
/// # Errors
/// When it can't get a thread, or reach an address: the limit holds.
pub fn probe(probe: Probe) -> Result<&'static str> {
    match probe {
        Probe::Memory => {
            // Written to, page by page: memory that is only reserved counts for nothing.
            let memory = vec![1_u8; WANTED_MEGABYTES << 20];
            let sum: usize = memory.iter().step_by(4096).map(|byte| usize::from(*byte)).sum();
            if sum != memory.len() / 4096 {
                bail!("memory does not hold what was written to it");
            }
        }
        Probe::Tasks => take_threads(WANTED_TASKS)?,
        Probe::Addresses => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            TcpStream::connect_timeout(&listener.local_addr()?, CONNECT_DEADLINE)?;
        }
    }
    Ok(GOT_IT_ALL)
}

fn take_threads(count: usize) -> Result<()> {
    let gate = Arc::new(RwLock::new(()));
    // Each thread waits at the gate until all are there.
    let closed = gate.write();
    let mut threads = Vec::new();
    let mut outcome = Ok(());
    for _ in 0..count {
        let gate = gate.clone();
        match std::thread::Builder::new().stack_size(64 * 1024).spawn(move || drop(gate.read())) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                outcome = Err(error).context("starting a thread");
                break;
            }
        }
    }
    drop(closed);
    for thread in threads {
        if thread.join().is_err() {
            bail!("a thread of the probe ended badly");
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_limit_the_probes_get_it_all() {
        for wanted in [Probe::Memory, Probe::Tasks, Probe::Addresses] {
            assert_eq!(probe(wanted).unwrap(), GOT_IT_ALL);
        }
    }
}
