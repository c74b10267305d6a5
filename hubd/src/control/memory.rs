//! Memory of all servers together, as the kernel counts it for their slice.

use std::path::Path;

use hub_core::control::Memory;

/// What the cgroup at `directory` uses and may use. `None`: there is no such cgroup (no server has run yet).
pub(super) fn of_all_servers(directory: &Path) -> Option<Memory> {
    let read = |file: &str| match fs_err::read_to_string(directory.join(file)) {
        Ok(text) => Some(text),
        Err(error) => {
            tracing::debug!(%error, "looking up the memory of all servers");
            None
        }
    };
    let used_bytes = read("memory.current")?.trim().parse().ok()?;
    // The kernel writes `max` for no limit.
    Some(Memory { used_bytes, allowed_bytes: read("memory.max")?.trim().parse().ok() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(of_all_servers(directory.path()), None);
        std::fs::write(directory.path().join("memory.current"), "1048576\n").unwrap();
        for (limit, allowed_bytes) in [("2097152\n", Some(2_097_152)), ("max\n", None)] {
            std::fs::write(directory.path().join("memory.max"), limit).unwrap();
            assert_eq!(of_all_servers(directory.path()), Some(Memory { used_bytes: 1_048_576, allowed_bytes }));
        }
    }
}
