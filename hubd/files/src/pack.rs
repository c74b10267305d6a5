//! A home as one zip file, written while it is read: nothing of it lies anywhere in between.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::survey::walk;

/// What is read at a time, bytes.
const PIECE: usize = 64 << 10;
/// A file that claims more than this, bytes, and has less than an eighth of it on the disk, is left out: whoever unpacks it has no room.
const SPARSE: u64 = 1 << 30;
/// Names of the file in the zip that tells what is not in it.
pub(crate) const LEFT_OUT: &str = "LEFT-OUT.txt";
/// `O_NOFOLLOW | O_NONBLOCK`: what became a link or a pipe since it was seen keeps nobody waiting.
const CAREFULLY: i32 = 0o400_000 | 0o4_000;
/// Beginnings of content that gets no smaller.
const PACKED: [&str; 16] =
    ["7z", "bz2", "gif", "gz", "h5", "jpeg", "jpg", "mp3", "mp4", "npz", "parquet", "pdf", "png", "whl", "xz", "zip"];

/// What goes into the zip file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What JupyterLab shows: nothing whose name begins with a dot.
    Visible,
    /// Settings, packages and caches as well.
    Everything,
}

/// Writes what is below `home` to `out`, below the folder `name`. What can't be read is left out, and named in [`LEFT_OUT`].
///
/// # Errors
/// When `out` takes no more.
pub(crate) fn pack(home: &Path, name: &str, extent: Extent, out: impl Write) -> io::Result<()> {
    let mut zip = Zip { writer: ZipWriter::new_stream(out), left_out: Vec::new() };
    let is_hidden = |name: &OsStr| name.as_encoded_bytes().starts_with(b".");
    for entry in walk(home).skip(1) {
        let Ok(path) = entry.path().strip_prefix(home) else { continue };
        if extent == Extent::Visible && path.iter().any(is_hidden) {
            continue;
        }
        let called = format!("{name}/{}", path.display());
        match entry.metadata() {
            Ok(metadata) => zip.add(entry.path(), called, &metadata)?,
            Err(error) => zip.leave_out(&called, &error)?,
        }
    }
    zip.finish(name)
}

struct Zip<W: Write> {
    writer: ZipWriter<StreamWriter<W>>,
    left_out: Vec<String>,
}

impl<W: Write> Zip<W> {
    fn add(&mut self, path: &Path, called: String, metadata: &Metadata) -> io::Result<()> {
        let options = options(path, metadata);
        let kind = metadata.file_type();
        let added = if kind.is_dir() {
            self.writer.add_directory(called.as_str(), options)
        } else if kind.is_symlink() {
            match std::fs::read_link(path) {
                Ok(target) => self.writer.add_symlink(called.as_str(), target.to_string_lossy(), options),
                Err(error) => return self.leave_out(&called, &error),
            }
        } else if kind.is_file() {
            return self.add_file(path, &called, metadata, options);
        } else {
            let what = if kind.is_socket() { "a socket" } else { "a pipe or a device" };
            return self.leave_out(&called, &what);
        };
        self.judge(&called, added)
    }

    fn add_file(&mut self, path: &Path, called: &str, metadata: &Metadata, options: SimpleFileOptions) -> io::Result<()> {
        if metadata.len() > SPARSE && metadata.blocks() * 512 < metadata.len() / 8 {
            return self.leave_out(called, &"nearly all of it is empty, and would need far more room where it is unpacked");
        }
        let opened = File::options().read(true).custom_flags(CAREFULLY).open(path);
        let mut file = match opened {
            Ok(file) if file.metadata().is_ok_and(|now| now.is_file()) => file,
            Ok(_) => return self.leave_out(called, &"it was replaced meanwhile"),
            Err(error) => return self.leave_out(called, &error),
        };
        let mut piece = vec![0; PIECE];
        // Whoever can't be read at all is not begun.
        let mut read = match file.read(&mut piece) {
            Ok(read) => read,
            Err(error) => return self.leave_out(called, &error),
        };
        if let Err(refused) = self.writer.start_file(called, options) {
            return self.judge(called, Err(refused));
        }
        // One that grows as fast as it is read ends all the same.
        let mut left = metadata.len().saturating_add(PIECE as u64);
        while read > 0 && left > 0 {
            self.writer.write_all(&piece[..read])?;
            left = left.saturating_sub(read as u64);
            read = match file.read(&mut piece) {
                Ok(read) => read,
                Err(error) => {
                    self.leave_out(called, &format!("only its beginning is here: {error}"))?;
                    0
                }
            };
        }
        Ok(())
    }

    /// Names that are one when written as text, or too long, are left out; anything else is the end.
    fn judge(&mut self, called: &str, added: zip::result::ZipResult<()>) -> io::Result<()> {
        match added {
            Ok(()) => Ok(()),
            Err(zip::result::ZipError::Io(error)) => Err(error),
            Err(error) => self.leave_out(called, &error),
        }
    }

    /// The rest is packed all the same.
    fn leave_out(&mut self, called: &str, why: &dyn std::fmt::Display) -> io::Result<()> {
        self.left_out.push(format!("{called}: {why}"));
        Ok(())
    }

    fn finish(mut self, name: &str) -> io::Result<()> {
        if !self.left_out.is_empty() {
            let text = format!("These could not be packed:\n\n{}\n", self.left_out.join("\n"));
            let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
            self.writer.start_file(format!("{name}/{LEFT_OUT}"), options)?;
            self.writer.write_all(text.as_bytes())?;
        }
        self.writer.finish()?;
        Ok(())
    }
}

fn options(path: &Path, metadata: &Metadata) -> SimpleFileOptions {
    let ending = path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
    let is_packed = ending.is_some_and(|ending| PACKED.contains(&ending.as_str()));
    let method = if is_packed { CompressionMethod::Stored } else { CompressionMethod::Deflated };
    SimpleFileOptions::default()
        .compression_method(method)
        .large_file(metadata.len() >= u64::from(u32::MAX) / 2)
        .unix_permissions(metadata.mode() & 0o777)
        .last_modified_time(changed(metadata.mtime()).unwrap_or_default())
}

/// A zip file knows the years from 1980 to 2107, and no time zone.
fn changed(seconds: i64) -> Option<DateTime> {
    let at = Timestamp::from_second(seconds).ok()?.to_zoned(TimeZone::system());
    let small = |number: i8| u8::try_from(number).ok();
    DateTime::from_date_and_time(
        u16::try_from(at.year()).ok()?,
        small(at.month())?,
        small(at.day())?,
        small(at.hour())?,
        small(at.minute())?,
        small(at.second())?.min(59),
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Cursor;

    use super::*;

    fn unpacked(home: &Path, extent: Extent) -> BTreeMap<String, String> {
        let mut bytes = Vec::new();
        pack(home, "bob", extent, &mut bytes).unwrap();
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut found = BTreeMap::new();
        for index in 0..archive.len() {
            let mut file = archive.by_index(index).unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            found.insert(file.name().unwrap().into_owned(), text);
        }
        found
    }

    #[test]
    fn everything_is_there_below_one_folder_and_links_stay_links() {
        let home = tempfile::tempdir().unwrap();
        let at = |path: &str| home.path().join(path);
        std::fs::create_dir_all(at("work/empty")).unwrap();
        std::fs::create_dir_all(at(".config")).unwrap();
        std::fs::write(at("work/Grüße.ipynb"), "{}").unwrap();
        std::fs::write(at(".config/settings"), "dark").unwrap();
        std::fs::write(at("old.txt"), "old").unwrap();
        File::options().write(true).open(at("old.txt")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", at("link")).unwrap();
        let names = |extent| unpacked(home.path(), extent).into_keys().collect::<Vec<_>>();
        assert_eq!(names(Extent::Visible), ["bob/link", "bob/old.txt", "bob/work/", "bob/work/Grüße.ipynb", "bob/work/empty/"]);
        assert_eq!(names(Extent::Everything)[..2], ["bob/.config/", "bob/.config/settings"]);
        assert_eq!(unpacked(home.path(), Extent::Visible)["bob/link"], "/etc/passwd");
    }

    #[test]
    fn what_is_no_file_or_nothing_but_holes_is_named_and_keeps_nobody_waiting() {
        let home = tempfile::tempdir().unwrap();
        nix::unistd::mkfifo(&home.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        File::create(home.path().join("holes")).unwrap().set_len(1 << 40).unwrap();
        std::fs::write(home.path().join("kept"), "kept").unwrap();
        let found = unpacked(home.path(), Extent::Visible);
        assert_eq!(found.keys().collect::<Vec<_>>(), [&format!("bob/{LEFT_OUT}"), "bob/kept"]);
        let told = &found[&format!("bob/{LEFT_OUT}")];
        assert!(told.contains("bob/pipe: a pipe or a device") && told.contains("bob/holes: nearly all"), "{told}");
    }

    #[test]
    fn a_file_that_is_written_to_meanwhile_ends() {
        let home = tempfile::tempdir().unwrap();
        // Reads as much as anybody asks for.
        std::fs::write(home.path().join("log"), vec![b'x'; 3 * PIECE]).unwrap();
        assert_eq!(unpacked(home.path(), Extent::Visible)["bob/log"].len(), 3 * PIECE);
    }

    #[test]
    fn names_that_are_one_as_text_cost_nothing_else() {
        use std::os::unix::ffi::OsStrExt;
        let home = tempfile::tempdir().unwrap();
        for name in [&b"a\xff"[..], b"a\xfe", b"b"] {
            std::fs::write(home.path().join(OsStr::from_bytes(name)), "x").unwrap();
        }
        let found = unpacked(home.path(), Extent::Visible);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.contains_key("bob/b") && found.contains_key(&format!("bob/{LEFT_OUT}")));
    }

    #[test]
    fn whoever_stops_reading_ends_it() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("kept"), "kept").unwrap();
        assert_eq!(pack(home.path(), "bob", Extent::Visible, Gone).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
