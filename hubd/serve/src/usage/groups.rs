//! What the kernel counts for people's servers, by control group: in the one hierarchy of cgroup v2, in those of v1, and
//! where a machine has both.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hub_core::accounts::Username;
use hub_core::control::Memory;
use hub_core::paths::Paths;
use hub_core::unit_name::UnitName;

/// Above this a limit of cgroup v1 is none: the kernel writes the largest number there is, rounded to its pages.
const NO_LIMIT: u64 = 1 << 60;

/// The control groups of this machine.
#[derive(Debug, Clone)]
pub(super) struct Groups(PathBuf);

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Group {
    root: PathBuf,
    path: PathBuf,
}

impl Groups {
    pub(super) fn new(paths: &Paths) -> Self {
        Self(paths.cgroups())
    }

    /// Everything that runs in `name`'s server.
    pub(super) fn server(&self, name: &Username) -> Group {
        let path = Path::new("hubd.slice/hubd-users.slice").join(UnitName::slice(name).as_str());
        Group { root: self.0.clone(), path: path.join(UnitName::server(name).as_str()) }
    }

    /// All servers together.
    pub(super) fn everybody(&self) -> Group {
        Group { root: self.0.clone(), path: PathBuf::from("hubd.slice/hubd-users.slice") }
    }
}

impl Group {
    /// Processor time since it was made; `None`: it is not there, or the kernel does not count.
    pub(super) fn cpu(&self) -> Option<Duration> {
        // A hierarchy of v2 counts this everywhere, also beside those of v1.
        let stat = self.text("", "cpu.stat").filter(|text| text.starts_with("usage_usec "));
        if let Some(text) = stat.or_else(|| self.text("unified", "cpu.stat")) {
            return text.lines().next()?.strip_prefix("usage_usec ")?.parse().ok().map(Duration::from_micros);
        }
        let own = ["cpuacct", "cpu,cpuacct"].into_iter().find_map(|controller| self.text(controller, "cpuacct.usage"));
        own?.trim().parse().ok().map(Duration::from_nanos)
    }

    /// Memory in use and allowed. What files left in it and the kernel can take back at any time counts as used.
    pub(super) fn memory(&self) -> Option<Memory> {
        let (used, limit) =
            self.either("memory.current", "memory.usage_in_bytes").zip(self.either("memory.max", "memory.limit_in_bytes"))?;
        // v2 writes `max` for no limit.
        let allowed_bytes = limit.trim().parse().ok().filter(|limit| *limit < NO_LIMIT);
        Some(Memory { used_bytes: used.trim().parse().ok()?, allowed_bytes })
    }

    /// Memory without what files left in it that nobody has touched for a while: the kernel takes that back when it is needed.
    pub(super) fn working_memory(&self) -> Option<u64> {
        let used: u64 = self.either("memory.current", "memory.usage_in_bytes")?.trim().parse().ok()?;
        let stat = self.either("memory.stat", "memory.stat").unwrap_or_default();
        let label = |line: &str| line.strip_prefix("total_inactive_file ").and_then(|bytes| bytes.parse::<u64>().ok());
        let own = |line: &str| line.strip_prefix("inactive_file ").and_then(|bytes| bytes.parse().ok());
        // In v1 only the first counts what is below.
        let idle = stat.lines().find_map(label).or_else(|| stat.lines().find_map(own));
        Some(used.saturating_sub(idle.unwrap_or_default()))
    }

    fn either(&self, unified: &str, divided: &str) -> Option<String> {
        self.text("", unified).or_else(|| self.text("memory", divided))
    }

    fn text(&self, hierarchy: &str, file: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(hierarchy).join(&self.path).join(file)).ok()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Writes a file of `group` in one of the hierarchies below `paths`.
    pub(in super::super) fn write(paths: &Paths, hierarchy: &str, group: &Group, file: &str, text: &str) {
        let directory = paths.cgroups().join(hierarchy).join(&group.path);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(file), text).unwrap();
    }

    fn machine() -> (tempfile::TempDir, Paths, Group) {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        let group = Groups::new(&paths).server(&"b-c".parse().unwrap());
        (root, paths, group)
    }

    #[test]
    fn processor_time_is_read_in_each_kind_of_hierarchy() {
        const STAT: &str = "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n";
        for (hierarchy, file, text) in [
            ("", "cpu.stat", STAT),
            ("unified", "cpu.stat", STAT),
            ("cpuacct", "cpuacct.usage", "2500000000\n"),
            ("cpu,cpuacct", "cpuacct.usage", "2500000000\n"),
        ] {
            let (_root, paths, group) = machine();
            assert_eq!(group.cpu(), None);
            write(&paths, hierarchy, &group, file, text);
            assert_eq!(group.cpu(), Some(Duration::from_millis(2500)), "{hierarchy}");
        }
        let (_root, paths, group) = machine();
        assert!(group.path.ends_with(r"hubd-users-b\x2dc.slice/hubd-user-b\x2dc.service"), "{}", group.path.display());
        write(&paths, "", &group, "cpu.stat", "nr_periods 0\n");
        assert_eq!(group.cpu(), None, "that of the processor's controller in v1 has no times");
    }

    #[test]
    fn memory_is_read_in_both_kinds_of_hierarchy() {
        let (_root, paths, group) = machine();
        assert_eq!(group.memory(), None);
        write(&paths, "", &group, "memory.current", "1048576\n");
        for (limit, allowed_bytes) in [("2097152\n", Some(2_097_152)), ("max\n", None)] {
            write(&paths, "", &group, "memory.max", limit);
            assert_eq!(group.memory(), Some(Memory { used_bytes: 1_048_576, allowed_bytes }));
        }
        let (_root, paths, group) = machine();
        write(&paths, "memory", &group, "memory.usage_in_bytes", "1048576\n");
        for (limit, allowed_bytes) in [("2097152\n", Some(2_097_152)), ("9223372036854771712\n", None)] {
            write(&paths, "memory", &group, "memory.limit_in_bytes", limit);
            assert_eq!(group.memory(), Some(Memory { used_bytes: 1_048_576, allowed_bytes }));
        }
    }

    #[test]
    fn what_the_kernel_can_take_back_is_not_worked_with() {
        for (hierarchy, file, stat) in [
            ("", "memory.current", "anon 5\ninactive_file 1000\nactive_file 7\n"),
            ("memory", "memory.usage_in_bytes", "inactive_file 3\ntotal_rss 5\ntotal_inactive_file 1000\n"),
        ] {
            let (_root, paths, group) = machine();
            assert_eq!(group.working_memory(), None);
            write(&paths, hierarchy, &group, file, "4000\n");
            assert_eq!(group.working_memory(), Some(4000));
            write(&paths, hierarchy, &group, "memory.stat", stat);
            assert_eq!(group.working_memory(), Some(3000), "{hierarchy}");
        }
    }
}
