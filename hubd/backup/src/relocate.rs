//! Moving something to another place by renaming it, and where that is not possible (another disk, a directory of a lower layer)
//! entry by entry. Done again after it was cut short, it goes on.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, lchown, symlink};
use std::path::Path;

use anyhow::{Context, Result};
use nix::sys::stat::{Mode, SFlag, mknod};

/// Moves what is at `from` to `to`; what is there already of a directory stays.
///
/// # Errors
/// When something can't be moved; what was not is where it was.
pub(crate) fn relocate(from: &Path, to: &Path) -> Result<()> {
    match std::fs::rename(from, to) {
        Ok(()) => return Ok(()),
        Err(error)
            if matches!(error.kind(), ErrorKind::CrossesDevices | ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {}
        Err(error) => return Err(error).with_context(|| format!("moving `{}` to `{}`", from.display(), to.display())),
    }
    let found = fs_err::symlink_metadata(from)?;
    if found.is_dir() {
        match fs_err::create_dir(to) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
            _ => as_it_was(to, &found)?,
        }
        for entry in fs_err::read_dir(from)? {
            let entry = entry?;
            relocate(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(fs_err::remove_dir(from)?);
    }
    if found.is_symlink() {
        remove(to)?;
        symlink(fs_err::read_link(from)?, to).with_context(|| format!("making link `{}`", to.display()))?;
        lchown(to, Some(found.uid()), Some(found.gid()))?;
    } else if found.is_file() {
        remove(to)?;
        fs_err::copy(from, to)?;
        as_it_was(to, &found)?;
        fs_err::File::open(to)?.sync_all()?;
    } else {
        // A pipe, or a socket that nobody listens to any more: it is made again as it is.
        remove(to)?;
        let (kind, mode) = (SFlag::from_bits_truncate(found.mode()) & SFlag::S_IFMT, Mode::from_bits_truncate(found.mode()));
        mknod(to, kind, mode, found.rdev()).with_context(|| format!("making `{}`", to.display()))?;
        as_it_was(to, &found)?;
    }
    Ok(fs_err::remove_file(from)?)
}

/// What an earlier attempt left.
fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn as_it_was(path: &Path, found: &Metadata) -> Result<()> {
    lchown(path, Some(found.uid()), Some(found.gid())).with_context(|| format!("giving away `{}`", path.display()))?;
    Ok(fs_err::set_permissions(path, found.permissions())?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use std::os::unix::fs::FileTypeExt;

    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn a_directory_that_was_moved_half_way_is_moved_to_its_end_with_owners_and_links() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        std::fs::create_dir_all(from.join("below")).unwrap();
        std::fs::write(from.join("below/file"), "content").unwrap();
        std::fs::set_permissions(from.join("below/file"), std::fs::Permissions::from_mode(0o640)).unwrap();
        symlink("/nowhere", from.join("link")).unwrap();
        lchown(from.join("below/file"), Some(20_000), Some(20_001)).unwrap();
        // As an attempt left it: what is there keeps a rename from working.
        std::fs::create_dir_all(to.join("below")).unwrap();
        std::fs::write(to.join("moved"), "before").unwrap();
        std::fs::write(to.join("below/file"), "cont").unwrap();
        relocate(&from, &to).unwrap();
        let found = to.join("below/file").metadata().unwrap();
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (20_000, 20_001, 0o640));
        assert_eq!(std::fs::read_to_string(to.join("below/file")).unwrap(), "content");
        assert_eq!(std::fs::read_link(to.join("link")).unwrap(), Path::new("/nowhere"));
        assert!(to.join("moved").exists() && !from.exists());
    }

    #[test]
    fn to_another_disk_it_is_copied() {
        let (here, there) = (tempfile::tempdir_in("/dev/shm").unwrap(), tempfile::tempdir().unwrap());
        let (from, to) = (here.path().join("from"), there.path().join("to"));
        std::fs::create_dir(&from).unwrap();
        std::fs::write(from.join("file"), "content").unwrap();
        lchown(from.join("file"), Some(20_000), Some(20_000)).unwrap();
        mkfifo(&from.join("pipe"), Mode::S_IRUSR).unwrap();
        drop(std::os::unix::net::UnixListener::bind(from.join("socket")).unwrap());
        relocate(&from, &to).unwrap();
        assert_eq!((std::fs::read_to_string(to.join("file")).unwrap().as_str(), from.exists()), ("content", false));
        assert_eq!(to.join("file").metadata().unwrap().uid(), 20_000);
        let kind = |name: &str| to.join(name).symlink_metadata().unwrap().file_type();
        assert!(kind("pipe").is_fifo() && kind("socket").is_socket());
    }
}
