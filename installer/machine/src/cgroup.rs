//! The control groups of a machine, on hosts with cgroup v1 controllers and on those with cgroup v2 alone.
//!
//! On v1 each machine gets a fresh group in every controller before it starts; without one two machines would share
//! their trees, and what one calls its root would be the host's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fs_err as fs;
use nix::sys::signal::Signal;

use super::process::{Process, wait_until};

const MOUNTS: &str = "/proc/self/mountinfo";
/// All machines are below this group.
const PARENT: &str = "hubd-machines";
/// Where processes of the host go when their group has to hand its controllers to machines. systemd-nspawn takes the
/// group of PID 1 for the root of the hierarchy, unless it has this name, which is then left off.
const HOST_GROUP: &str = "init.scope";
const PROCESSES: &str = "cgroup.procs";
/// The kernel lets go of a group a moment after its last process.
const REMOVAL_DEADLINE: Duration = Duration::from_secs(10);

/// Which version hands out the controllers on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Controllers in hierarchies of their own (v1), perhaps with an empty v2 beside them.
    Controllers,
    /// One hierarchy (v2).
    Unified,
}

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hierarchy {
    point: PathBuf,
    /// As in the second column of `/proc/PID/cgroup`; empty for v2.
    controllers: String,
}

/// The groups of one machine, one per hierarchy.
#[derive(Debug, Clone)]
pub(super) struct Groups {
    pub(super) layout: Layout,
    directories: Vec<PathBuf>,
}

impl Groups {
    /// The groups a machine of this name has or will have; nothing is made yet.
    pub(super) fn named(name: &str) -> Result<Self> {
        let hierarchies = hierarchies(&fs::read_to_string(MOUNTS)?);
        if hierarchies.is_empty() {
            bail!("no cgroup hierarchy is mounted on this host\nhint: mount cgroup2 on /sys/fs/cgroup");
        }
        let unified = hierarchies.iter().all(|hierarchy| hierarchy.controllers.is_empty());
        let directories = hierarchies
            .iter()
            // systemd has no use for v1 cpusets, and an empty one accepts no process.
            .filter(|hierarchy| hierarchy.controllers != "cpuset")
            .map(|hierarchy| hierarchy.point.join(PARENT).join(name))
            .collect();
        Ok(Self { layout: if unified { Layout::Unified } else { Layout::Controllers }, directories })
    }

    /// Makes the groups, and on v2 gives them every controller there is.
    pub(super) fn create(&self) -> Result<()> {
        for directory in &self.directories {
            fs::create_dir_all(directory)?;
            if self.layout == Layout::Unified {
                let Some(parent) = directory.parent() else { continue };
                if let Some(root) = parent.parent() {
                    hand_down_controllers(root)?;
                }
                hand_down_controllers(parent)?;
            }
        }
        Ok(())
    }

    /// The files a process number is written to in order to join.
    pub(super) fn entrances(&self) -> Vec<PathBuf> {
        self.directories.iter().map(|directory| directory.join(PROCESSES)).collect()
    }

    /// Kills every process in the groups, then removes them.
    pub(super) fn remove(&self) -> Result<()> {
        let what = format!("the control groups `{}` to be empty", display(&self.directories));
        wait_until(&what, REMOVAL_DEADLINE, || {
            for directory in &self.directories {
                remove_group(directory)?;
            }
            Ok(self.directories.iter().all(|directory| !directory.exists()).then_some(()))
        })
    }
}

/// The files to write a process number to so that it joins `process` in each of its groups.
pub(super) fn entrances_of(process: Process) -> Result<Vec<PathBuf>> {
    let hierarchies = hierarchies(&fs::read_to_string(MOUNTS)?);
    let own = fs::read_to_string(process.directory().join("cgroup"))?;
    let mut entrances = Vec::new();
    for (controllers, path) in memberships(&own) {
        // A hierarchy that is not mounted here is not mounted in the machine either.
        let Some(hierarchy) = hierarchies.iter().find(|hierarchy| hierarchy.controllers == controllers) else { continue };
        let path = path.trim_start_matches('/');
        if path.starts_with("..") {
            bail!("control group `{path}` of process {} lies outside what this process can see", process.pid);
        }
        entrances.push(hierarchy.point.join(path).join(PROCESSES));
    }
    Ok(entrances)
}

fn hand_down_controllers(group: &Path) -> Result<()> {
    let wanted: String = fs::read_to_string(group.join("cgroup.controllers"))?
        .split_whitespace()
        .map(|controller| format!("+{controller} "))
        .collect();
    let file = group.join("cgroup.subtree_control");
    match std::fs::write(&file, &wanted) {
        Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
            // Only a group without processes of its own may hand controllers down (seen in containers).
            let inner = group.join(HOST_GROUP);
            fs::create_dir_all(&inner)?;
            for pid in fs::read_to_string(group.join(PROCESSES))?.split_whitespace() {
                match std::fs::write(inner.join(PROCESSES), pid) {
                    // It ended meanwhile.
                    Err(error) if error.raw_os_error() == Some(nix::libc::ESRCH) => {}
                    other => other.with_context(|| format!("moving process {pid} to `{}`", inner.display()))?,
                }
            }
            fs::write(&file, wanted)?;
        }
        other => other.with_context(|| format!("writing `{}`", file.display()))?,
    }
    Ok(())
}

/// Removes a group and those below it, as far as the kernel lets go of them already.
fn remove_group(directory: &Path) -> Result<()> {
    if !directory.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_group(&entry.path())?;
        }
    }
    for pid in fs::read_to_string(directory.join(PROCESSES)).unwrap_or_default().split_whitespace() {
        if let Some(process) = pid.parse().ok().and_then(Process::find) {
            process.signal(Signal::SIGKILL)?;
        }
    }
    match std::fs::remove_dir(directory) {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind(), std::io::ErrorKind::ResourceBusy | std::io::ErrorKind::NotFound) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("removing control group `{}`", directory.display())),
    }
}

fn hierarchies(mountinfo: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let mut right = right.split(' ');
        let (kind, options) = (right.next(), right.nth(1).unwrap_or_default());
        let controllers = match kind {
            Some("cgroup2") => String::new(),
            Some("cgroup") => controllers(options),
            _ => continue,
        };
        let Some(point) = left.split(' ').nth(4) else { continue };
        if found.iter().all(|hierarchy| hierarchy.controllers != controllers) {
            found.push(Hierarchy { point: PathBuf::from(point), controllers });
        }
    }
    found
}

/// The controllers among the options of a v1 mount, in the spelling of `/proc/PID/cgroup`.
fn controllers(options: &str) -> String {
    const OTHERS: [&str; 6] = ["rw", "ro", "xattr", "clone_children", "none", "noprefix"];
    let named: Vec<&str> =
        options.split(',').filter(|option| !OTHERS.contains(option) && !option.starts_with("release_agent=")).collect();
    named.join(",")
}

fn memberships(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'))
}

fn display(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join("`, `")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
30 25 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
32 30 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/usr/lib/agent,name=systemd
33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
34 30 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
";

    #[test]
    fn finds_every_hierarchy_with_its_controllers() {
        let found: Vec<(String, String)> = hierarchies(HYBRID)
            .into_iter()
            .map(|hierarchy| (hierarchy.point.display().to_string(), hierarchy.controllers))
            .collect();
        let expected = [
            ("/sys/fs/cgroup/unified", ""),
            ("/sys/fs/cgroup/systemd", "name=systemd"),
            ("/sys/fs/cgroup/cpu,cpuacct", "cpu,cpuacct"),
            ("/sys/fs/cgroup/cpuset", "cpuset"),
        ];
        assert_eq!(found, expected.map(|(point, controllers)| (point.to_owned(), controllers.to_owned())));
    }

    #[test]
    fn reads_memberships_of_both_versions() {
        let text = "4:cpu,cpuacct:/a/init.scope\n1:name=systemd:/a:b\n0::/machine.slice/payload\n";
        let found: Vec<_> = memberships(text).collect();
        assert_eq!(found, [("cpu,cpuacct", "/a/init.scope"), ("name=systemd", "/a:b"), ("", "/machine.slice/payload")]);
    }
}
