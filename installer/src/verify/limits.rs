//! Do limits hold? Some machines (containers above all) take `MemoryMax=` and ignore it without a word. So what the
//! configuration allows everybody is tried: a probe takes more than that, and what it got is measured.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use fs_err as fs;
use hub_core::config::{self, Denied, Limits, format_bytes};
use hub_core::paths::Paths;
use hub_system::transient::{Attachment, TransientRun};
use serde::Serialize;

use crate::finding::Finding;

const PROBE_DEADLINE: Duration = Duration::from_secs(90);
/// The hidden command of this program that runs a probe.
pub const PROBE_COMMAND: &str = "probe-limit";
/// What the probe for memory wants on top of what is allowed.
const MORE_MEMORY: u64 = 64 << 20;
/// What the probe for tasks wants on top of what is allowed.
const MORE_TASKS: u64 = 32;
/// What the probe for the processor wants on top of what is allowed, thousandths of a core.
const MORE_PROCESSOR: u64 = 1000;
/// A quota is given out in pieces of a tenth of a second, so that a second may see one more.
const PROCESSOR_TOLERANCE: f64 = 1.15;
/// Less than this share of what is allowed, and something else than the limit was in the way.
const LEAST_SHARE: f64 = 0.5;

/// One limit that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TriedLimit {
    /// What is limited, for people.
    pub what: &'static str,
    /// What was allowed, for people.
    pub allowed: String,
    /// How much a program got that wanted more; empty where it was not tried.
    pub got: String,
    /// Whether it was kept from having more.
    pub holds: bool,
    /// Why not the configured value was tried, or none at all; empty otherwise.
    pub note: String,
}

/// Tries each limit that the configuration has for everybody.
///
/// # Errors
/// When a probe can't be run, or its outcome says nothing.
pub(super) fn check(paths: &Paths, limits: &Limits) -> Result<Vec<TriedLimit>> {
    let tried = vec![
        memory(paths, limits).context("trying the limit for memory")?,
        tasks(paths, limits).context("trying the limit for processes and threads")?,
        processor(paths, limits).context("trying the limit for processor time")?,
    ];
    for limit in tried.iter().filter(|limit| !limit.holds) {
        tracing::warn!(what = limit.what, allowed = limit.allowed, got = limit.got, "limit does not hold");
    }
    Ok(tried)
}

fn memory(paths: &Paths, limits: &Limits) -> Result<TriedLimit> {
    let figures = fs::read_to_string(paths.kernel_figures().join("meminfo"))?;
    let (free, swap) = (figure(&figures, "MemAvailable:"), figure(&figures, "SwapTotal:"));
    let (allowed, note) = memory_to_try(limits.memory, free);
    // Swap counts where there is any: a program may have both.
    let together = allowed + limits.swap.min(swap);
    let properties = [format!("MemoryMax={allowed}"), format!("MemorySwapMax={}", limits.swap)];
    let got = measure(paths, "memory", together + MORE_MEMORY, &properties)?;
    conclusive(got, together, "bytes")?;
    let allowed = format_bytes(together);
    Ok(TriedLimit { what: "memory", allowed, got: format_bytes(got), holds: got <= together, note })
}

/// How much memory is allowed to the probe where `configured` is and `free` is there, and why not as much; bytes.
fn memory_to_try(configured: u64, free: u64) -> (u64, String) {
    // The rest is for whoever else is on the machine at this moment.
    let possible = free / 2;
    if configured + MORE_MEMORY <= possible {
        return (configured, String::new());
    }
    let smaller = possible.saturating_sub(MORE_MEMORY).max(MORE_MEMORY);
    (smaller, format!("the configured {} can't be tried with {} free", format_bytes(configured), format_bytes(free)))
}

fn tasks(paths: &Paths, limits: &Limits) -> Result<TriedLimit> {
    let got = measure(paths, "tasks", limits.tasks + MORE_TASKS, &[format!("TasksMax={}", limits.tasks)])?;
    conclusive(got, limits.tasks, "threads")?;
    let allowed = limits.tasks.to_string();
    Ok(TriedLimit {
        what: "processes and threads",
        allowed,
        got: got.to_string(),
        holds: got <= limits.tasks,
        note: String::new(),
    })
}

fn processor(paths: &Paths, limits: &Limits) -> Result<TriedLimit> {
    let what = "processor";
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let Some(quota) = limits.cpu_quota.filter(|quota| *quota < cores as f64) else {
        let allowed = format!("all {cores} cores");
        return Ok(TriedLimit {
            what,
            allowed,
            got: String::new(),
            holds: true,
            note: "there is nothing to be kept from".to_owned(),
        });
    };
    let wanted = (quota * 1000.0).round() as u64 + MORE_PROCESSOR;
    let got = measure(paths, "processor", wanted, &[format!("CPUQuota={}%", (quota * 100.0).round())])?;
    let got = got as f64 / 1000.0;
    let holds = got <= quota * PROCESSOR_TOLERANCE;
    Ok(TriedLimit { what, allowed: format!("{quota} cores"), got: format!("{got:.2}"), holds, note: String::new() })
}

/// A probe that got far less than it may met something else than the limit, and proves nothing.
fn conclusive(got: u64, allowed: u64, unit: &str) -> Result<()> {
    if (got as f64) < allowed as f64 * LEAST_SHARE {
        bail!("the probe may have {allowed} {unit} and got {got}");
    }
    Ok(())
}

/// A line of `/proc/meminfo`, bytes.
fn figure(text: &str, key: &str) -> u64 {
    let kilobytes = text.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or_default() << 10
}

/// What people's programs reach although the configuration denies it.
pub(super) fn reachable(paths: &Paths) -> Result<Vec<Finding>> {
    let Denied { ranges, spared } = config::denied(paths);
    let list = |items: &[String]| items.join(", ");
    let mut found = Vec::new();
    if !ranges.is_empty() {
        // Without a limit first: a probe that fails for another reason would prove nothing.
        if measure(paths, "addresses", 1, &[]).context("reaching an address of this machine")? != 1 {
            bail!("a program of this machine can't reach the machine's own loopback address");
        }
        if measure(paths, "addresses", 1, &["IPAddressDeny=localhost".to_owned()])
            .context("trying whether addresses can be denied")?
            == 1
        {
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

/// Runs a probe that wants `amount` in a unit with these limits, and returns how much it had in the end.
fn measure(paths: &Paths, probe: &str, amount: u64, properties: &[String]) -> Result<u64> {
    let output = TransientRun::new(Attachment::Piped, "Tries whether limits hold")
        .slice("hubd-users.slice")
        .properties(["LimitCORE=0", "OOMPolicy=kill", "RuntimeMaxSec=60"])
        .properties(properties)
        .command(PROBE_DEADLINE, &paths.binaries().join("hub-installer"), [PROBE_COMMAND, probe, &amount.to_string()])
        .output()?;
    let stderr = output.stderr.trim();
    tracing::debug!(probe, amount, ?properties, code = ?output.code, stderr, "limit probe ended");
    Ok(output.stdout.lines().last().and_then(|line| line.trim().parse().ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_configured_is_what_is_tried_where_there_is_room() {
        assert_eq!(memory_to_try(1 << 30, 4 << 30), (1 << 30, String::new()));
        assert_eq!(memory_to_try(300 << 20, 4 << 30), (300 << 20, String::new()));
        let (less, note) = memory_to_try(8 << 30, 4 << 30);
        assert_eq!(less, (2 << 30) - MORE_MEMORY);
        assert_eq!(note, "the configured 8 GB can't be tried with 4 GB free");
    }

    #[test]
    fn reads_the_kernels_figures() {
        let text = "MemTotal:       24684000 kB\nMemAvailable:   22000000 kB\nSwapTotal:             0 kB\n";
        assert_eq!(figure(text, "MemAvailable:"), 22_000_000 << 10);
        assert_eq!(figure(text, "SwapTotal:"), 0);
        assert_eq!(figure(text, "SwapFree:"), 0);
    }

    #[test]
    fn a_probe_that_got_far_less_than_it_may_proves_nothing() {
        assert!(conclusive(300, 512, "threads").is_ok());
        let error = conclusive(20, 512, "threads").unwrap_err();
        assert_eq!(error.to_string(), "the probe may have 512 threads and got 20");
    }
}
