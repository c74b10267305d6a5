//! Room on every disk that the hub writes to, and whether it can be written at all.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Result;
use hub_core::config::format_bytes;
use hub_core::health::Finding;
use hub_core::sys::room::{Fullness, Room};
use nix::sys::stat::{major, minor};

use crate::look::Look;

pub(super) fn check(look: &Look<'_>, found: &mut Vec<Finding>) -> Result<()> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let mut seen = BTreeSet::new();
    for (holds, path) in places(look) {
        let Some(room) = Room::of(&path) else { continue };
        // Several places mostly share one disk, which is told of once.
        if !seen.insert(room.device) {
            continue;
        }
        let name = path.display().to_string();
        if is_read_only(&mounts, room.device) {
            found.push(
                Finding::problem("disk-read-only", format!("the disk with {holds} (`{name}`) can't be written"))
                    .about(&name)
                    .because("the kernel does that to a disk with errors; nothing on it can be saved")
                    .remedy("look for errors of the disk first; then: sudo mount -o remount,rw")
                    .command("sudo dmesg --level=err"),
            );
        }
        found.extend(full(&room, holds, &name));
    }
    Ok(())
}

/// Everything that the hub, its servers and its upkeep write to.
fn places(look: &Look<'_>) -> Vec<(&'static str, PathBuf)> {
    let paths = look.paths;
    let homes = look.config.as_ref().map_or_else(|_| paths.usual_homes(), |config| config.accounts.homes.clone());
    vec![
        ("what the hub keeps", paths.state()),
        ("people's homes", homes),
        ("the class folder", paths.class_folder()),
        ("programs and environments", paths.program_directory()),
        ("what is kept of environments", paths.environment_state()),
        ("what is kept of upgrades", paths.upgrade_state()),
        ("what is kept of backups", paths.backup_state()),
        ("the journal", paths.journals()),
        ("large temporary files", paths.large_temporary()),
        ("temporary files", paths.below("tmp")),
        ("the configuration", paths.config_directory()),
        ("sockets and locks", paths.below("run")),
    ]
}

fn full(room: &Room, holds: &str, path: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut tell = |id, fullness, what: String, command: String| {
        let why = match fullness {
            Fullness::Room => return,
            Fullness::Full => "what is saved there fails, or soon will",
            Fullness::NearlyFull => "when it is full, notebooks can't be saved and environments not be built",
        };
        let finding = if fullness == Fullness::Full { Finding::problem(id, what) } else { Finding::warning(id, what) };
        let remedy =
            "have files deleted that nobody needs (sudo apt-get clean and sudo hubctl env gc often help), or enlarge the disk";
        found.push(finding.about(path).because(why).remedy(remedy).command(command));
    };
    let space =
        format!("the disk with {holds} (`{path}`) has {} of {} left", format_bytes(room.free_bytes), format_bytes(room.bytes));
    tell("disk-space", room.fullness(), space, format!("sudo du -xh --max-depth=2 {path} | sort -h | tail"));
    let files = format!(
        "the disk with {holds} (`{path}`) takes {} more files of {}, however small they are",
        room.free_files, room.files
    );
    tell("disk-files", room.fullness_of_files(), files, format!("sudo du -x --inodes --max-depth=2 {path} | sort -n | tail"));
    found
}

/// Whether the file system itself is read-only, wherever and however it is mounted: a sandbox mounts what is not its own so, too.
fn is_read_only(mountinfo: &str, device: u64) -> bool {
    let number = format!("{}:{}", major(device), minor(device));
    mountinfo.lines().any(|line| {
        let Some((mount, system)) = line.split_once(" - ") else { return false };
        let options = system.split(' ').nth(2).unwrap_or_default();
        mount.split(' ').nth(2) == Some(&number) && options.split(',').any(|option| option == "ro")
    })
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::makedev;

    use super::*;

    #[test]
    fn a_disk_is_read_only_when_its_file_system_is() {
        let mounts = "36 35 98:0 / / rw,noatime master:1 - ext4 /dev/root rw,errors=continue\n\
                      37 35 98:1 / /sandbox ro,noatime - ext4 /dev/one rw\n\
                      38 35 98:2 / /broken rw shared:3 - ext4 /dev/two ro,errors=remount-ro\n";
        let read_only = |disk| is_read_only(mounts, makedev(98, disk));
        assert_eq!([0, 1, 2, 3].map(read_only), [false, false, true, false]);
    }

    #[test]
    fn full_is_worse_than_nearly_full() {
        let gigabytes = |free: u64| Room { device: 1, bytes: 100 << 30, free_bytes: free << 30, files: 1000, free_files: 500 };
        let told = |room: &Room| {
            full(room, "homes", "/home").iter().map(|finding| (finding.id.to_string(), finding.is_problem())).collect::<Vec<_>>()
        };
        assert_eq!(told(&gigabytes(50)), []);
        assert_eq!(told(&gigabytes(4)), [("disk-space".to_owned(), false)]);
        assert_eq!(told(&gigabytes(0)), [("disk-space".to_owned(), true)]);
        assert_eq!(told(&Room { free_files: 9, ..gigabytes(50) }), [("disk-files".to_owned(), true)]);
    }
}
