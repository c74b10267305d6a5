//! Limits for all students together, so that they can starve neither the hub nor sshd. Set anew at each boot, because the
//! machine may have more or less memory than yesterday.

use anyhow::{Context, Result, bail};
use hub_core::config::Config;
use hub_core::paths::Paths;
use hub_core::systemd::{Manager, Property, UnitName};

/// systemd's "no limit".
const NO_LIMIT: u64 = u64::MAX;

/// Puts the limits in force.
///
/// # Errors
/// When the kernel does not say how much memory there is, or systemd can't be asked.
pub(super) async fn apply(manager: &Manager, config: &Config, paths: &Paths) -> Result<()> {
    let path = paths.kernel_figures().join("meminfo");
    let figures = fs_err::read_to_string(&path).context("reading how much memory the machine has")?;
    let Some(total) = memory_total(&figures) else { bail!("`{}` has no line `MemTotal: ... kB`", path.display()) };
    let memory = config.users_memory(total);
    // Each student's own limit says how much; without swap for anybody, full memory ends servers and not the machine.
    let swap = if config.has_swap() { NO_LIMIT } else { 0 };
    let limits = [Property::new("MemoryMax", memory), Property::new("MemorySwapMax", swap)];
    manager.set_properties(&UnitName::everybody(), &limits).await?;
    tracing::info!(total_bytes = total, users_bytes = memory, "set the memory that all students may use together");
    Ok(())
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
