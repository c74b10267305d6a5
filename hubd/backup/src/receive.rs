//! What writes a file that was brought back into its owner's home: as its owner, in a unit of theirs, into a directory that is new.
//! Whatever the owner has put in the way leads only to where they may write themselves.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Files that somebody brings back on one day.
const MOST: u32 = 1000;

/// Writes `content` to `restored-DATE/PATH` in `home`; returns that, below the home.
///
/// # Errors
/// When `path` leads out of the home, or it can't be written.
pub fn receive(home: &Path, date: &str, path: &Path, content: &mut dyn Read) -> Result<PathBuf> {
    if !is_below_a_home(path) || !date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        bail!("`{}` is not the path of a file below a home", path.display());
    }
    let directory = new_directory(home, date)?;
    let place = directory.join(path);
    if let Some(parent) = place.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(home.join(parent))?;
    }
    let making = || format!("writing `{}`", place.display());
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).custom_flags(nix::libc::O_NOFOLLOW).open(home.join(&place));
    std::io::copy(content, &mut file.with_context(making)?).with_context(making)?;
    Ok(place)
}

/// Whether `path` is relative and has names only, the last of which a file can have.
pub fn is_below_a_home(path: &Path) -> bool {
    let text = path.as_os_str().as_encoded_bytes();
    let mut parts = path.components();
    !text.is_empty() && !text.ends_with(b"/") && !text.ends_with(b"/.") && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// A new directory: never one that is there, whatever it is.
fn new_directory(home: &Path, date: &str) -> Result<PathBuf> {
    for number in 1..=MOST {
        let name = if number == 1 { format!("restored-{date}") } else { format!("restored-{date}-{number}") };
        match DirBuilder::new().mode(0o700).create(home.join(&name)) {
            Ok(()) => return Ok(name.into()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("making `{name}`")),
        }
    }
    bail!("there are {MOST} of `restored-{date}` already; delete some")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const DATE: &str = "2026-11-30";

    #[test]
    fn a_file_is_written_into_a_new_directory_and_never_over_another() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        std::fs::create_dir(home.join("notebooks")).unwrap();
        std::fs::write(home.join("notebooks/x.ipynb"), "today's").unwrap();
        let put = |content: &str| receive(home, DATE, Path::new("notebooks/x.ipynb"), &mut content.as_bytes()).unwrap();
        assert_eq!(put("yesterday's"), Path::new("restored-2026-11-30/notebooks/x.ipynb"));
        assert_eq!(put("the day's before"), Path::new("restored-2026-11-30-2/notebooks/x.ipynb"));
        let read = |path: &str| std::fs::read_to_string(home.join(path)).unwrap();
        assert_eq!(read("notebooks/x.ipynb"), "today's");
        assert_eq!(read("restored-2026-11-30/notebooks/x.ipynb"), "yesterday's");
    }

    #[test]
    fn what_lies_in_the_way_is_not_written_through() {
        let (home, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let home = home.path();
        symlink(elsewhere.path(), home.join("restored-2026-11-30")).unwrap();
        std::fs::write(home.join("restored-2026-11-30-2"), "a file").unwrap();
        symlink("nowhere", home.join("restored-2026-11-30-3")).unwrap();
        let place = receive(home, DATE, Path::new("x"), &mut "content".as_bytes()).unwrap();
        assert_eq!(place, Path::new("restored-2026-11-30-4/x"));
        assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_what_is_below_the_home_is_named() {
        for path in ["", "/etc/passwd", "../bob/x", "a/../../x", "a/..", ".", "a/", "a/.", ".."] {
            assert!(!is_below_a_home(Path::new(path)), "{path:?}");
            let home = tempfile::tempdir().unwrap();
            assert!(receive(home.path(), DATE, Path::new(path), &mut "".as_bytes()).is_err());
            assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "{path:?}");
        }
        for path in ["x", "a/b c", "new\nline", "$HOME", "-rf", "..x", "a//b"] {
            assert!(is_below_a_home(Path::new(path)), "{path:?}");
        }
        let home = tempfile::tempdir().unwrap();
        assert!(receive(home.path(), "../x", Path::new("x"), &mut "".as_bytes()).is_err());
    }
}
