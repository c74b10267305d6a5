//! Files with holes, which say that they are larger than what the disk has of them: `truncate -s 16T x` makes one in an instant. restic
//! reads a hole as zeros, and writes them out when it brings the file back, so a few of them would keep everybody's backup from
//! ending, and fill the disk of a restore. Those of a home that are too many are left out, the largest holes first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use anyhow::Result;
use hub_system::tree;
use nix::libc::PATH_MAX;
use nix::sys::stat::SFlag;

/// Bytes in holes that a home may have in any case; and as many as it has on the disk.
const ALLOWED: u64 = 1 << 30;
/// Files of one home that are left out by name; where that is not enough, all of the home is.
const MOST: usize = 1000;
/// How often a home is looked at whose directories are moved meanwhile.
const ATTEMPTS: u32 = 3;
/// The kernel counts in these, whatever the disk has.
const BLOCK: u64 = 512;

/// What a home has.
#[derive(Debug, Default)]
pub(crate) struct Sizes {
    on_disk: u64,
    in_holes: u64,
    /// The largest file of those that are not known by name.
    largest: u64,
    /// The largest holes: bytes in holes, size, path.
    with_holes: BinaryHeap<Reverse<(u64, u64, Vec<u8>)>>,
}

/// What is not to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LeftOut {
    /// These files.
    Files(Vec<Vec<u8>>),
    /// Everything.
    All,
}

impl Sizes {
    fn add(&mut self, size: u64, on_disk: u64, path: impl FnOnce() -> Vec<u8>) {
        self.on_disk = self.on_disk.saturating_add(on_disk);
        let hole = size.saturating_sub(on_disk);
        self.in_holes = self.in_holes.saturating_add(hole);
        if hole == 0 || (self.with_holes.len() == MOST && self.with_holes.peek().is_some_and(|least| least.0.0 >= hole)) {
            self.largest = self.largest.max(size);
            return;
        }
        self.with_holes.push(Reverse((hole, size, path())));
        if self.with_holes.len() > MOST
            && let Some(Reverse((_, size, _))) = self.with_holes.pop()
        {
            self.largest = self.largest.max(size);
        }
    }

    /// What is left out, and how large the largest file is that is not.
    pub(crate) fn judge(self) -> (LeftOut, u64) {
        let allowed = ALLOWED.max(self.on_disk);
        let (mut in_holes, mut largest, mut files) = (self.in_holes, self.largest, Vec::new());
        // From the largest hole to the least.
        for Reverse((hole, size, path)) in self.with_holes.into_sorted_vec() {
            if in_holes > allowed {
                in_holes -= hole;
                files.push(path);
            } else {
                largest = largest.max(size);
            }
        }
        if in_holes > allowed { (LeftOut::All, 0) } else { (LeftOut::Files(files), largest) }
    }
}

/// Looks at the home, or another directory, at `path`, while its owner works.
///
/// # Errors
/// When it can't be looked at, also not in another attempt.
pub(crate) fn look(path: &Path) -> Result<Sizes> {
    let mut attempt = 1;
    loop {
        match measure(path) {
            Err(_) if attempt < ATTEMPTS => attempt += 1,
            done => return done,
        }
    }
}

fn measure(path: &Path) -> Result<Sizes> {
    let mut sizes = Sizes::default();
    tree::walk(path, &mut |found| {
        if found.is(SFlag::S_IFREG) {
            let number = |count: i64| u64::try_from(count).unwrap_or(0);
            let (size, on_disk) = (number(found.stat.st_size), number(found.stat.st_blocks).saturating_mul(BLOCK));
            sizes.add(size, on_disk, || found.path().into_os_string().into_vec());
        }
        Ok(())
    })?;
    Ok(sizes)
}

/// A line of restic's file of what is left out, which stands for `path` and nothing else; `None`: no program can name that to the kernel,
/// so restic does not read it.
pub(crate) fn line(path: &[u8]) -> Option<Vec<u8>> {
    if path.len() >= usize::try_from(PATH_MAX).unwrap_or(0) {
        return None;
    }
    let mut line = Vec::new();
    for (index, &byte) in path.iter().enumerate() {
        match byte {
            b'*' | b'?' | b'[' | b'\\' => line.extend([b'\\', byte]),
            // restic puts variables in.
            b'$' => line.extend(b"$$"),
            // One sign, whatever it is: the line would end there.
            b'\n' | b'\r' => line.push(b'?'),
            // Taken off the end of a line.
            _ if index + 1 == path.len() && !byte.is_ascii_graphic() => line.push(b'?'),
            _ => line.push(byte),
        }
    }
    Some(line)
}

#[cfg(test)]
mod tests;
