//! Limits for all students together, so that they can starve neither the hub nor sshd. Set anew at each boot, because the
//! machine may have more or less memory than yesterday.

use anyhow::{Context, Result, bail};
use hub_core::config::{AddressRange, Config, Denied};
use hub_core::paths::Paths;
use hub_core::unit_name::UnitName;
use hub_system::systemd::{Manager, Property, Value};

/// systemd's "no limit".
const NO_LIMIT: u64 = u64::MAX;

/// Puts the limits in force. `resolv_conf` is the text that names the machine's name servers.
///
/// # Errors
/// When the kernel does not say how much memory there is, or systemd can't be asked.
pub(super) async fn apply(manager: &Manager, config: &Config, resolv_conf: &str, paths: &Paths) -> Result<()> {
    let path = paths.kernel_figures().join("meminfo");
    let figures = fs_err::read_to_string(&path).context("reading how much memory the machine has")?;
    let Some(total) = memory_total(&figures) else { bail!("`{}` has no line `MemTotal: ... kB`", path.display()) };
    let memory = config.users_memory(total);
    // Each student's own limit says how much; without swap for anybody, full memory ends servers and not the machine.
    let swap = if config.has_swap() { NO_LIMIT } else { 0 };
    let mut limits = vec![Property::new("MemoryMax", memory), Property::new("MemorySwapMax", swap)];
    limits.extend(reach(config.machine.denied(resolv_conf)));
    manager.set_properties(&UnitName::everybody(), &limits).await?;
    tracing::info!(total_bytes = total, users_bytes = memory, "set the memory that all students may use together");
    Ok(())
}

/// What their programs don't reach; where that has a name server of the machine, it counts for more. An empty list takes
/// away what was there before. Where nothing at all is said, systemd 252 leaves what runs as it is; so everything is allowed.
fn reach(denied: Denied) -> [Property; 4] {
    let spared = match denied.ranges.as_slice() {
        [] => AddressRange::all().to_vec(),
        _ => denied.spared.into_iter().map(AddressRange::only).collect(),
    };
    let addresses = |name, ranges| Property::new(name, Value::Addresses(ranges));
    [
        addresses("IPAddressDeny", Vec::new()),
        addresses("IPAddressDeny", denied.ranges),
        addresses("IPAddressAllow", Vec::new()),
        addresses("IPAddressAllow", spared),
    ]
}

/// Bytes of memory, from the kernel's own words.
fn memory_total(figures: &str) -> Option<u64> {
    let line = figures.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_total_and_nothing_else() {
        assert_eq!(memory_total("MemTotal:       24684120 kB\nMemFree: 1 kB\n"), Some(24_684_120 * 1024));
        for figures in ["", "MemFree: 1 kB\n", "MemTotal: many kB\n", "MemTotal: 1 MB\n"] {
            assert_eq!(memory_total(figures), None, "{figures:?}");
        }
    }
}
