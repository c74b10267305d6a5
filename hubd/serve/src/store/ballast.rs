//! Room on the disk that is kept for the database, and given up piece by piece when nothing else is left: what frees it has it
//! at once, and whoever filled the disk gets no more than one piece between two writes.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

/// What one write of the database needs, with room to spare.
const PIECE: usize = 512 << 10;
const PIECES: u32 = 16;
/// Made again only where this many times as much is free.
const PLENTY: u64 = 4;
/// A disk with less than this is full, whatever SQLite calls the error.
const NEXT_TO_NOTHING: u64 = 256 << 10;

/// The pieces beside one database.
#[derive(Debug, Clone)]
pub(super) struct Ballast {
    directory: PathBuf,
}

impl Ballast {
    pub(super) fn beside(database: &Path) -> Self {
        Self { directory: database.with_file_name("ballast") }
    }

    /// Frees one piece. False: there is none, or it can't be removed.
    pub(super) fn give_up(&self) -> bool {
        let freed = (0..PIECES).any(|number| std::fs::remove_file(self.piece(number)).is_ok());
        if freed {
            tracing::warn!("the disk of the database is full: using some of the room that is kept for this");
        }
        freed
    }

    /// Makes what is missing, where there is plenty of room.
    pub(super) fn fill(&self) -> std::io::Result<()> {
        let missing: Vec<PathBuf> = (0..PIECES).map(|number| self.piece(number)).filter(|piece| !piece.exists()).collect();
        let needed = missing.len() as u64 * PIECE as u64;
        if missing.is_empty() || free(&self.directory).is_none_or(|free| free < needed * PLENTY) {
            return Ok(());
        }
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let mut content = vec![0; PIECE];
        // Nothing that a file system could make smaller.
        getrandom::fill(&mut content).map_err(std::io::Error::other)?;
        for piece in missing {
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&piece)?;
            file.write_all(&content).inspect_err(|_| drop(std::fs::remove_file(&piece)))?;
        }
        Ok(())
    }

    fn piece(&self, number: u32) -> PathBuf {
        self.directory.join(number.to_string())
    }
}

/// Whether there is no room where `file` is.
pub(super) fn is_full(file: &Path) -> bool {
    free(file).is_some_and(|free| free < NEXT_TO_NOTHING)
}

/// Bytes that an account like ours may still use where `path` is, or would be.
fn free(path: &Path) -> Option<u64> {
    let disk = statvfs(path).or_else(|_| statvfs(path.parent().unwrap_or(path))).ok()?;
    Some(disk.blocks_available().saturating_mul(disk.fragment_size()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_given_up_one_by_one_and_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let ballast = Ballast::beside(&directory.path().join("hubd.db"));
        assert!(!ballast.give_up(), "there is none yet");
        ballast.fill().unwrap();
        let pieces = || std::fs::read_dir(directory.path().join("ballast")).unwrap().count();
        assert_eq!(pieces(), PIECES as usize);
        assert!(ballast.give_up() && ballast.give_up());
        assert_eq!(pieces(), PIECES as usize - 2);
        ballast.fill().unwrap();
        assert_eq!(pieces(), PIECES as usize);
    }
}
