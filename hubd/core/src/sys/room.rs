//! How much room a disk has.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::statvfs::statvfs;
use serde::{Deserialize, Serialize};

/// The disk of some directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// The kernel's number of it: two directories with the same one share it.
    pub device: u64,
    /// Bytes.
    pub bytes: u64,
    /// Bytes that others than root can still write.
    pub free_bytes: u64,
    /// Files there can be; 0: as many as have room.
    pub files: u64,
    /// Files that others than root can still make.
    pub free_files: u64,
}

/// How full something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fullness {
    /// There is room.
    Room,
    /// Somebody should see to it.
    NearlyFull,
    /// What is written next may fail.
    Full,
}

impl Room {
    /// How full of bytes it is. A large disk has enough for the next files with a small share of it.
    pub fn fullness(&self) -> Fullness {
        let less = |percent: u64, bytes: u64| self.free_bytes < (self.bytes / 100 * percent).min(bytes);
        match () {
            () if less(2, 500 << 20) => Fullness::Full,
            () if less(10, 5 << 30) => Fullness::NearlyFull,
            () => Fullness::Room,
        }
    }

    /// How full of files it is. File systems that make room for files as they come count none.
    pub fn fullness_of_files(&self) -> Fullness {
        match self.files {
            0 => Fullness::Room,
            files if self.free_files.saturating_mul(100) < files => Fullness::Full,
            files if self.free_files.saturating_mul(20) < files => Fullness::NearlyFull,
            _ => Fullness::Room,
        }
    }

    /// Of the disk with `path`, or where that would be; `None`: the kernel does not tell.
    pub fn of(path: &Path) -> Option<Self> {
        let there = path.ancestors().find(|path| path.exists())?;
        let (disk, device) = (statvfs(there).ok()?, std::fs::metadata(there).ok()?.dev());
        let bytes = |blocks: u64| blocks.saturating_mul(disk.fragment_size());
        Some(Self {
            device,
            bytes: bytes(disk.blocks()),
            free_bytes: bytes(disk.blocks_available()),
            files: disk.files(),
            free_files: disk.files_available(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_yet_is_where_it_would_be() {
        let directory = tempfile::tempdir().unwrap();
        let (room, later) = (Room::of(directory.path()).unwrap(), Room::of(&directory.path().join("a/b")).unwrap());
        assert_eq!(room.device, later.device);
        assert!(room.bytes > 0 && room.free_bytes <= room.bytes && room.free_files <= room.files, "{room:?}");
        assert_eq!(Room::of(Path::new("relative/and/not/there")), None);
    }
}
