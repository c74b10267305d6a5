//! What the kernel itself says about the limits of a server: the only word that counts.

use std::path::PathBuf;

use hub_core::config::Limits;
use hub_core::paths::Paths;
use hub_core::unit_name::UnitName;

use super::which::Which;

/// The largest page of memory the kernel rounds to.
const PAGE: u64 = 64 << 10;
/// systemd keeps the quota in whole microseconds of a tenth of a second.
const QUOTA_TOLERANCE: f64 = 0.01;

/// The control group of one server, and the one of its owner above it.
pub(super) struct Cgroup {
    root: PathBuf,
    slice: PathBuf,
    server: PathBuf,
}

impl Cgroup {
    pub(super) fn of(paths: &Paths, which: Which<'_>) -> Self {
        let slice = PathBuf::from("hubd.slice/hubd-users.slice").join(UnitName::slice(which.name).as_str());
        let server = slice.join(which.unit().as_str());
        Self { root: paths.cgroups(), slice, server }
    }

    /// Where the kernel has another limit than `limits`; empty: nowhere.
    pub(super) fn differences(&self, limits: &Limits) -> Vec<String> {
        let mut found = Vec::new();
        for (what, group) in [("server", &self.server), ("slice", &self.slice)] {
            let mut compare = |key: &str, kernel: Option<String>, holds: &dyn Fn(&str) -> bool| match kernel {
                Some(value) if holds(&value) => {}
                Some(value) => found.push(format!("{key} of the {what} is {value}")),
                None => found.push(format!("{key} of the {what} can't be read")),
            };
            let memory = self.read("memory", group, "memory.max", "memory.limit_in_bytes");
            compare("memory", memory, &|value| value.parse::<u64>().is_ok_and(|value| value.abs_diff(limits.memory) < PAGE));
            let tasks = self.read("pids", group, "pids.max", "pids.max");
            compare("tasks", tasks, &|value| value == limits.tasks.to_string());
            // systemd makes no group of the processor's controller, where that has its own hierarchy, before there is a quota.
            let quota = self.quota(group).or_else(|| limits.cpu_quota.is_none().then(|| "max".to_owned()));
            compare("cpu_quota", quota, &|value| match limits.cpu_quota {
                None => value == "max",
                Some(cores) => value.parse::<f64>().is_ok_and(|value| (value - cores).abs() <= cores * QUOTA_TOLERANCE),
            });
            // Not there where the kernel does not count swap.
            if let Some(swap) = self.unified(group, "memory.swap.max") {
                compare("swap", Some(swap), &|value| value.parse::<u64>().is_ok_and(|value| value.abs_diff(limits.swap) < PAGE));
            }
        }
        if let Some(weight) = self.unified(&self.slice, "cpu.weight")
            && weight != limits.cpu_weight.to_string()
        {
            found.push(format!("cpu_weight of the slice is {weight}"));
        }
        found
    }

    /// How many programs of the server the kernel has ended because its memory was used up; systemd itself sees that
    /// in one hierarchy only. None where the kernel does not count them.
    pub(super) fn memory_kills(&self) -> u64 {
        let counted = self.read("memory", &self.server, "memory.events", "memory.oom_control");
        let kills = counted.as_deref().and_then(|text| text.lines().find_map(|line| line.strip_prefix("oom_kill ")));
        kills.and_then(|count| count.parse().ok()).unwrap_or_default()
    }

    /// Cores, or `max`.
    fn quota(&self, group: &std::path::Path) -> Option<String> {
        if let Some(text) = self.unified(group, "cpu.max") {
            let (quota, period) = text.split_once(' ')?;
            return if quota == "max" { Some("max".to_owned()) } else { share(quota, period) };
        }
        let quota = self.divided("cpu", group, "cpu.cfs_quota_us")?;
        if quota.starts_with('-') {
            Some("max".to_owned())
        } else {
            share(&quota, &self.divided("cpu", group, "cpu.cfs_period_us")?)
        }
    }

    /// From the one hierarchy of cgroup v2, or from a controller's own of v1.
    fn read(&self, controller: &str, group: &std::path::Path, unified: &str, divided: &str) -> Option<String> {
        self.unified(group, unified).or_else(|| self.divided(controller, group, divided))
    }

    fn unified(&self, group: &std::path::Path, file: &str) -> Option<String> {
        text(&self.root.join(group).join(file))
    }

    fn divided(&self, controller: &str, group: &std::path::Path, file: &str) -> Option<String> {
        text(&self.root.join(controller).join(group).join(file))
    }
}

fn share(quota: &str, period: &str) -> Option<String> {
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    Some((quota / period).to_string())
}

fn text(path: &std::path::Path) -> Option<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Some(text.trim().to_owned()),
        Err(error) => {
            tracing::debug!(path = %path.display(), %error, "reading a limit back");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { memory: 512 << 20, swap: 0, cpu_quota: Some(1.5), cpu_weight: 50, tasks: 100, network: true }
    }

    fn cgroup(files: &[(&str, &str)], prefix: impl Fn(&str) -> String) -> (tempfile::TempDir, Cgroup) {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        let cgroup = Cgroup::of(&paths, Which::jupyter(&"ada".parse().unwrap()));
        for group in [&cgroup.slice, &cgroup.server] {
            for (file, content) in files {
                let directory = cgroup.root.join(prefix(file)).join(group);
                std::fs::create_dir_all(&directory).unwrap();
                std::fs::write(directory.join(file), format!("{content}\n")).unwrap();
            }
        }
        (root, cgroup)
    }

    const UNIFIED: [(&str, &str); 5] = [
        ("memory.max", "536870912"),
        ("memory.swap.max", "0"),
        ("pids.max", "100"),
        ("cpu.max", "150000 100000"),
        ("cpu.weight", "50"),
    ];

    #[test]
    fn reads_both_kinds_of_hierarchy() {
        let (_root, unified) = cgroup(&UNIFIED, |_| String::new());
        assert_eq!(unified.differences(&limits()), Vec::<String>::new());
        let files = [
            ("memory.limit_in_bytes", "536870912"),
            ("pids.max", "100"),
            ("cpu.cfs_quota_us", "150000"),
            ("cpu.cfs_period_us", "100000"),
        ];
        let (_root, divided) = cgroup(&files, |file| file.split('.').next().unwrap().to_owned());
        assert_eq!(divided.differences(&limits()), Vec::<String>::new());
    }

    #[test]
    fn every_limit_that_the_kernel_does_not_have_is_named() {
        let (_root, cgroup) = cgroup(&UNIFIED, |_| String::new());
        for (changed, expected) in [
            (Limits { memory: 1 << 30, ..limits() }, "memory of the server is 536870912; memory of the slice is 536870912"),
            (Limits { swap: 1 << 20, ..limits() }, "swap of the server is 0; swap of the slice is 0"),
            (Limits { tasks: 101, ..limits() }, "tasks of the server is 100; tasks of the slice is 100"),
            (Limits { cpu_quota: None, ..limits() }, "cpu_quota of the server is 1.5; cpu_quota of the slice is 1.5"),
            (Limits { cpu_weight: 100, ..limits() }, "cpu_weight of the slice is 50"),
        ] {
            assert_eq!(cgroup.differences(&changed).join("; "), expected);
        }
    }

    #[test]
    fn counts_what_was_ended_for_want_of_memory() {
        let events = [("memory.events", "low 0\nhigh 0\nmax 31\noom 2\noom_kill 2\noom_group_kill 0")];
        let (_root, unified) = cgroup(&events, |_| String::new());
        assert_eq!(unified.memory_kills(), 2);
        let control = [("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3")];
        let (_root, divided) = cgroup(&control, |_| "memory".to_owned());
        assert_eq!(divided.memory_kills(), 3);
        let (_root, older) = cgroup(&[("memory.oom_control", "oom_kill_disable 0\nunder_oom 0")], |_| "memory".to_owned());
        assert_eq!(older.memory_kills(), 0);
    }

    #[test]
    fn what_can_not_be_read_does_not_hold() {
        let root = tempfile::tempdir().unwrap();
        let cgroup = Cgroup::of(&Paths::under(root.path()), Which::jupyter(&"ada".parse().unwrap()));
        assert_eq!(cgroup.differences(&limits()).len(), 6);
        assert_eq!(cgroup.differences(&Limits { cpu_quota: None, ..limits() }).len(), 4, "no group, no quota");
    }
}
