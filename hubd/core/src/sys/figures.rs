//! How much memory, swap and how many processors this machine has, in the kernel's own words.

use crate::paths::Paths;

/// What the kernel says; `None`: it does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Bytes of swap.
    pub swap: Option<u64>,
    /// Processors.
    pub cores: Option<usize>,
}

impl Figures {
    /// Asks the kernel.
    pub fn probe(paths: &Paths) -> Self {
        let path = paths.kernel_figures().join("meminfo");
        let text = std::fs::read_to_string(&path)
            .inspect_err(|error| tracing::debug!(%error, path = %path.display(), "looking up the memory of the machine"))
            .unwrap_or_default();
        Self {
            memory: line(&text, "MemTotal:"),
            swap: line(&text, "SwapTotal:"),
            cores: std::thread::available_parallelism().ok().map(usize::from),
        }
    }
}

fn line(meminfo: &str, label: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.strip_prefix(label))?;
    rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let text = "MemTotal:       24684120 kB\nMemFree: 1 kB\nSwapTotal:             0 kB\n";
        assert_eq!((line(text, "MemTotal:"), line(text, "SwapTotal:")), (Some(24_684_120 * 1024), Some(0)));
        for text in ["", "MemFree: 1 kB\n", "MemTotal: many kB\n", "MemTotal: 1 MB\n"] {
            assert_eq!(line(text, "MemTotal:"), None, "{text:?}");
        }
    }
}
