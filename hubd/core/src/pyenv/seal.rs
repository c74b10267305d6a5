//! Makes a built tree root's: nobody else may write to it, nothing in it gains rights or leads out of it. The build's
//! user has no process left when this runs, so nothing changes underneath.

use std::fs::{FileType, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::{Component, Path};

use anyhow::{Context, Result, bail};

/// How many files and bytes there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// Seals the tree at `root`, where only the links at `interpreter_links` may lead out, and only to `interpreter`.
/// Everything then belongs to `owner` (user and group; `None` leaves that alone).
///
/// # Errors
/// At anything but plain files, directories and links that stay inside.
pub(super) fn seal(root: &Path, interpreter: &Path, owner: Option<(u32, u32)>) -> Result<Sealed> {
    let mut sealed = Sealed::default();
    let mut directories = vec![root.to_owned()];
    own(root, owner)?;
    fs_err::set_permissions(root, Permissions::from_mode(0o755))?;
    while let Some(directory) = directories.pop() {
        for entry in fs_err::read_dir(&directory)? {
            let path = entry?.path();
            entry_sealed(root, &path, interpreter, owner, &mut sealed)
                .with_context(|| format!("sealing `{}`", path.display()))?
                .then(|| directories.push(path));
        }
    }
    Ok(sealed)
}

/// Whether the entry is a directory to go into.
fn entry_sealed(root: &Path, path: &Path, interpreter: &Path, owner: Option<(u32, u32)>, sealed: &mut Sealed) -> Result<bool> {
    let metadata = fs_err::symlink_metadata(path)?;
    let kind = metadata.file_type();
    if kind.is_symlink() {
        let target = fs_err::read_link(path)?;
        if !stays_inside(root, path, &target) && target != interpreter {
            bail!("it is a link to `{}`, expected one that stays inside the environment", target.display());
        }
        own(path, owner)?;
        return Ok(false);
    }
    if !kind.is_dir() && !kind.is_file() {
        bail!("it is {}, expected a file, a directory or a link", describe(kind));
    }
    if kind.is_file() && metadata.nlink() != 1 {
        bail!("it has {} names, expected one: its content could be changed by another", metadata.nlink());
    }
    // The owner first: a change of owner may clear bits, and never the other way round.
    own(path, owner)?;
    let executable = kind.is_dir() || metadata.mode() & 0o111 != 0;
    fs_err::set_permissions(path, Permissions::from_mode(if executable { 0o755 } else { 0o644 }))?;
    if kind.is_file() {
        sealed.files += 1;
        sealed.bytes += metadata.len();
    }
    Ok(kind.is_dir())
}

fn own(path: &Path, owner: Option<(u32, u32)>) -> Result<()> {
    if let Some((user, group)) = owner {
        lchown(path, Some(user), Some(group)).with_context(|| format!("changing the owner of `{}`", path.display()))?;
    }
    Ok(())
}

/// Whether `target` leads from `link` to a place below `root`. Steps up may only come first: there they leave real
/// directories, while after a name they could leave another link's target.
fn stays_inside(root: &Path, link: &Path, target: &Path) -> bool {
    let Some(Ok(directory)) = link.parent().map(|directory| directory.strip_prefix(root)) else { return false };
    let mut depth = directory.components().count();
    let mut named = false;
    for component in target.components() {
        match component {
            Component::Normal(_) => named = true,
            Component::CurDir => (),
            Component::ParentDir if named || depth == 0 => return false,
            Component::ParentDir => depth -= 1,
            Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    true
}

fn describe(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match () {
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () if kind.is_block_device() || kind.is_char_device() => "a device",
        () => "of an unknown kind",
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    const PYTHON: &str = "/usr/bin/python3.11";

    fn tree() -> (tempfile::TempDir, PathBuf) {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("1.new");
        std::fs::create_dir_all(root.join("bin")).unwrap();
        symlink(PYTHON, root.join("bin/python")).unwrap();
        symlink("python", root.join("bin/python3")).unwrap();
        symlink("lib", root.join("lib64")).unwrap();
        (scratch, root)
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn takes_away_every_right_to_write_and_every_special_bit() {
        let (_scratch, root) = tree();
        let (program, data, directory) = (root.join("bin/program"), root.join("data"), root.join("private"));
        std::fs::write(&program, "#!").unwrap();
        std::fs::set_permissions(&program, Permissions::from_mode(0o6777)).unwrap();
        std::fs::write(&data, "four").unwrap();
        std::fs::set_permissions(&data, Permissions::from_mode(0o600)).unwrap();
        std::fs::create_dir(&directory).unwrap();
        std::fs::set_permissions(&directory, Permissions::from_mode(0o3700)).unwrap();
        let sealed = seal(&root, Path::new(PYTHON), None).unwrap();
        assert_eq!(sealed, Sealed { files: 2, bytes: 6 });
        assert_eq!((mode(&program), mode(&data), mode(&directory), mode(&root)), (0o755, 0o644, 0o755, 0o755));
    }

    #[test]
    fn refuses_links_that_lead_out() {
        for target in ["/etc/passwd", "../../etc/passwd", "../..", "self/..", "/usr/bin/python3.12"] {
            let (_scratch, root) = tree();
            symlink(target, root.join("bin/link")).unwrap();
            let error = format!("{:#}", seal(&root, Path::new(PYTHON), None).unwrap_err());
            assert!(error.contains(&format!("it is a link to `{target}`")), "{error}");
        }
    }

    #[test]
    fn refuses_a_file_with_a_second_name() {
        let (scratch, root) = tree();
        std::fs::write(scratch.path().join("outside"), "").unwrap();
        std::fs::hard_link(scratch.path().join("outside"), root.join("inside")).unwrap();
        let error = format!("{:#}", seal(&root, Path::new(PYTHON), None).unwrap_err());
        assert!(error.contains("it has 2 names, expected one"), "{error}");
    }

    #[test]
    fn refuses_what_is_no_file() {
        let (_scratch, root) = tree();
        nix::unistd::mkfifo(&root.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let error = format!("{:#}", seal(&root, Path::new(PYTHON), None).unwrap_err());
        assert!(error.ends_with("it is a named pipe, expected a file, a directory or a link"), "{error}");
    }
}
