//! Reading what another account keeps, which may have been taken over: no link leads elsewhere, nothing makes the reader wait
//! for ever, nothing fills its memory.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

/// The content of the file at `path`, which is below `directory`; whoever owns that decides what is in it. At most `most`
/// bytes.
///
/// # Errors
/// When it can't be read, is no plain file, is larger, or the way to it from `directory` leads over a link.
pub fn read(directory: &Path, path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let below = path.strip_prefix(directory).map_err(io::Error::other)?;
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    // A pipe would keep the reader at opening it.
    let content = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let way = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let mut file = File::options().read(true).custom_flags(way.bits()).open(directory)?;
    // Step by step: `openat2`, which could do it at once, is kept from the hub by `RestrictSUIDSGID=`.
    let mut steps = below.components().peekable();
    while let Some(step) = steps.next() {
        let Component::Normal(name) = step else { return Err(invalid("its path leads out of its directory".to_owned())) };
        let flags = if steps.peek().is_some() { way } else { content };
        file = openat(&file, name, flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())?.into();
    }
    if !file.metadata()?.is_file() {
        return Err(invalid("it is no plain file".to_owned()));
    }
    let mut content = Vec::new();
    file.take(most + 1).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(invalid(format!("it has more than {most} bytes")));
    }
    Ok(content)
}

/// As [`read`], a text in the directory that holds it; `None`: there is none.
///
/// # Errors
/// As [`read`], and when it is no text.
pub fn text(path: &Path, most: u64) -> io::Result<Option<String>> {
    match read(path.parent().unwrap_or(path), path, most) {
        Ok(content) => String::from_utf8(content).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn plain_files_are_read_and_nothing_that_leads_elsewhere_or_never_ends() {
        let root = tempfile::tempdir().unwrap();
        let (entrusted, secret) = (root.path().join("entrusted"), root.path().join("secret"));
        std::fs::create_dir_all(entrusted.join("real")).unwrap();
        std::fs::create_dir(&secret).unwrap();
        std::fs::write(secret.join("file"), "secret").unwrap();
        let place = |name: &str| entrusted.join(name);
        std::fs::write(place("real/file"), "content").unwrap();
        assert_eq!(read(&entrusted, &place("real/file"), 7).unwrap(), b"content");
        assert_eq!(text(&place("real/file"), 7).unwrap().as_deref(), Some("content"));
        assert_eq!(text(&place("real/none"), 7).unwrap(), None);

        symlink(secret.join("file"), place("link")).unwrap();
        symlink("../secret", place("directory")).unwrap();
        symlink("real/file", place("inside")).unwrap();
        mkfifo(&place("pipe"), Mode::S_IRWXU).unwrap();
        for name in ["link", "directory/file", "inside", "pipe", "real", "../secret/file"] {
            let error = read(&entrusted, &place(name), 100).unwrap_err();
            assert_ne!(error.kind(), io::ErrorKind::NotFound, "{name}: {error}");
        }
        let error = read(&entrusted, &place("real/file"), 6).unwrap_err();
        assert_eq!(error.to_string(), "it has more than 6 bytes");
        // The directory itself is not the other account's to replace.
        symlink(&entrusted, root.path().join("moved")).unwrap();
        assert_eq!(read(&root.path().join("moved"), &root.path().join("moved/real/file"), 7).unwrap(), b"content");
    }
}
