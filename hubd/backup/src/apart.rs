//! Files that have a name in two homes, as hard links that were brought back: each home gets its own, or the last owner would get
//! everybody's.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use hub_system::tree::{self, Found};
use nix::fcntl::{OFlag, openat, renameat};
use nix::libc::{dev_t, ino_t};
use nix::sys::stat::{Mode, SFlag, fchmod, futimens};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown};

/// What is written first, in a directory that only root enters.
const UNFINISHED: &str = ".hubd-apart";

/// Files with several names, and the home in which the first was.
#[derive(Debug, Default)]
pub(crate) struct Apart {
    seen: HashMap<(dev_t, ino_t), usize>,
    homes: usize,
}

impl Apart {
    /// Takes every file of `home` apart from those of homes before it.
    pub(crate) fn take(&mut self, home: &Path) -> Result<()> {
        self.homes += 1;
        tree::walk(home, &mut |found| {
            if found.stat.st_nlink < 2 || !found.is(SFlag::S_IFREG) {
                return Ok(());
            }
            let first = *self.seen.entry((found.stat.st_dev, found.stat.st_ino)).or_insert(self.homes);
            if first == self.homes {
                Ok(())
            } else {
                copy(found).with_context(|| format!("copying `{}`", found.path().display()))
            }
        })
    }
}

/// Puts a copy in the place of one name.
fn copy(found: &Found<'_>) -> Result<()> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut from = File::from(openat(found.directory, found.name, flags | OFlag::O_RDONLY, Mode::empty())?);
    let new = flags | OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC;
    let mut to = File::from(openat(found.directory, UNFINISHED, new, Mode::S_IRUSR | Mode::S_IWUSR)?);
    std::io::copy(&mut from, &mut to)?;
    let stat = &found.stat;
    fchown(&to, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    fchmod(&to, Mode::from_bits_truncate(stat.st_mode))?;
    let (read, written) = (TimeSpec::new(stat.st_atime, stat.st_atime_nsec), TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec));
    futimens(&to, &read, &written)?;
    Ok(renameat(found.directory, UNFINISHED, found.directory, found.name)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn a_file_of_two_homes_is_two_files_afterwards_and_links_in_one_home_stay() {
        let place = tempfile::tempdir().unwrap();
        let [ada, bob] = ["ada", "bob"].map(|name| place.path().join(name));
        for home in [&ada, &bob] {
            std::fs::create_dir_all(home.join("below")).unwrap();
        }
        std::fs::write(ada.join("x"), "content").unwrap();
        std::fs::set_permissions(ada.join("x"), std::fs::Permissions::from_mode(0o640)).unwrap();
        std::fs::hard_link(ada.join("x"), ada.join("below/y")).unwrap();
        std::fs::hard_link(ada.join("x"), bob.join("below/z")).unwrap();
        let mut apart = Apart::default();
        apart.take(&ada).unwrap();
        apart.take(&bob).unwrap();
        let found = |path: &Path| path.metadata().unwrap();
        let (first, other) = (found(&ada.join("x")), found(&bob.join("below/z")));
        assert_eq!(first.ino(), found(&ada.join("below/y")).ino());
        assert!(first.ino() != other.ino() && other.nlink() == 1);
        assert_eq!((other.mode() & 0o7777, other.mtime()), (0o640, first.mtime()));
        assert_eq!(std::fs::read_to_string(bob.join("below/z")).unwrap(), "content");
        assert_eq!(std::fs::read_dir(bob.join("below")).unwrap().count(), 1);
    }
}
