//! The disk of a machine: an overlay on a base, and removing trees that may have mounts in them.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fs_err as fs;
use hub_system::tree;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};

use super::MACHINES_DIRECTORY;

const MOUNTS: &str = "/proc/self/mountinfo";
/// Column of the mount point in `mountinfo`.
const MOUNT_POINT_COLUMN: usize = 4;

/// The directories of one machine.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    pub(super) directory: PathBuf,
}

impl Disk {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The root of the machine as the host sees it.
    pub(super) fn root(&self) -> PathBuf {
        self.directory.join("root")
    }

    fn changes(&self) -> PathBuf {
        self.directory.join("layers/changes")
    }

    fn work(&self) -> PathBuf {
        self.directory.join("layers/work")
    }

    /// Makes the directories and mounts the overlay, unless it is mounted already.
    pub(super) fn mount(&self, base: &Path) -> Result<()> {
        let layers = self.directory.join("layers");
        fs::create_dir_all(&layers)?;
        fs::create_dir_all(self.root())?;
        let mounted = mounts_below(&self.directory)?;
        if mounted.contains(&self.root()) {
            return Ok(());
        }
        if statfs(&layers)?.filesystem_type() == OVERLAYFS_SUPER_MAGIC {
            // Changes can't be kept on an overlay, so they live in memory on such a host.
            mount(Some("tmpfs"), &layers, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))
                .with_context(|| format!("mounting `{}`", layers.display()))?;
        }
        fs::create_dir_all(self.changes())?;
        fs::create_dir_all(self.work())?;
        let options =
            format!("lowerdir={},upperdir={},workdir={}", base.display(), self.changes().display(), self.work().display());
        mount(Some("overlay"), &self.root(), Some("overlay"), MsFlags::empty(), Some(options.as_str()))
            .with_context(|| format!("mounting `{}`", self.root().display()))
    }

    /// Moves what was changed to `target`; the machine does not run.
    pub(super) fn keep_changes(&self, target: &Path) -> Result<()> {
        umount2(&self.root(), MntFlags::empty()).with_context(|| format!("unmounting `{}`", self.root().display()))?;
        Ok(fs::rename(self.changes(), target)?)
    }

    /// Whether nothing of the machine is left.
    pub(super) fn is_gone(&self) -> bool {
        !self.directory.exists()
    }
}

/// Whether [`super::Machine::keep_changes`] works here: not where machines have their changes in memory.
///
/// # Errors
/// When the directory of the machines can't be made.
pub fn changes_can_be_kept() -> Result<bool> {
    fs::create_dir_all(MACHINES_DIRECTORY)?;
    Ok(statfs(MACHINES_DIRECTORY)?.filesystem_type() != OVERLAYFS_SUPER_MAGIC)
}

/// Removes a directory tree, unmounting what is mounted in it first, so that nothing outside is ever deleted.
pub(super) fn remove_tree(directory: &Path) -> Result<()> {
    if !directory.exists() {
        return Ok(());
    }
    let mut mounts = mounts_below(directory)?;
    // Deepest first; of two on the same place the later one lies on top.
    mounts.reverse();
    for point in &mounts {
        umount2(point, MntFlags::MNT_DETACH).with_context(|| format!("unmounting `{}`", point.display()))?;
    }
    tree::remove(directory).map(drop)
}

fn mounts_below(directory: &Path) -> Result<Vec<PathBuf>> {
    let table = fs::read(MOUNTS)?;
    Ok(mount_points(&table).into_iter().filter(|point| point.starts_with(directory)).collect())
}

fn mount_points(table: &[u8]) -> Vec<PathBuf> {
    table
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(MOUNT_POINT_COLUMN))
        .map(|escaped| PathBuf::from(std::ffi::OsStr::from_bytes(&unescape(escaped))))
        .collect()
}

/// The kernel writes blanks and backslashes in paths as three octal digits.
fn unescape(escaped: &[u8]) -> Vec<u8> {
    let (mut plain, mut rest) = (Vec::with_capacity(escaped.len()), escaped);
    while let [first, tail @ ..] = rest {
        if *first == b'\\'
            && let [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] = tail
        {
            plain.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            rest = tail;
        } else {
            plain.push(*first);
            rest = tail;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_mount_points_with_escaped_blanks() {
        let table = b"22 1 0:5 / /proc rw - proc proc rw\n23 1 0:6 / /a\\040b\\134c rw - tmpfs tmpfs rw\n";
        assert_eq!(mount_points(table), [PathBuf::from("/proc"), PathBuf::from("/a b\\c")]);
    }

    #[test]
    fn removes_a_tree_and_accepts_that_it_is_gone() {
        let parent = tempfile::tempdir().unwrap();
        let tree = parent.path().join("tree");
        std::fs::create_dir_all(tree.join("deep/er")).unwrap();
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
        remove_tree(&tree).unwrap();
    }
}
