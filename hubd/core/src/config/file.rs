//! From a file, or the bytes of one, to a configuration. What is wrong with the bytes is a located problem like any other.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::decode::{LARGEST, decode};
use super::diagnostic::{Found, Source, Words};
use super::{Config, Denied, Machine, Problems, address_range, check};
use crate::paths::Paths;
use crate::sys::name_servers;
use crate::text::NoText;

/// A valid configuration, and the text that says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// What it means.
    pub config: Config,
    /// What is written.
    pub text: String,
}

/// Why a file gave no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It could not be read.
    #[error("reading the configuration `{}`", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// It says something else than a configuration does.
    #[error(transparent)]
    Invalid(#[from] Problems),
}

impl ReadError {
    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Unreadable { cause, .. } if cause.kind() == io::ErrorKind::NotFound)
    }
}

/// Reads the configuration at `path`. Everybody who reads it does it this way, so all see the same problems.
///
/// # Errors
/// When the file can't be read, or is not a valid configuration: then with every problem and its place.
pub fn read(path: &Path) -> Result<Loaded, ReadError> {
    let unreadable = |cause| ReadError::Unreadable { path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    // One more than allowed tells a file that is too large from one that just fits.
    File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    Ok(validate(&bytes, &path.display().to_string())?)
}

/// What people's programs and builds don't reach, by the configuration of the machine at `paths`; as by default while that
/// can't be read.
pub fn denied(paths: &Paths) -> Denied {
    let machine = read(&paths.config_file()).map(|loaded| loaded.config.machine).unwrap_or_else(|error| {
        tracing::debug!("denying the usual addresses: {error}");
        Machine { reserve: None, denied_addresses: address_range::metadata() }
    });
    machine.denied(&name_servers::text(paths))
}

/// The configuration that `bytes` say; `path` is what messages call the file.
///
/// # Errors
/// Every problem found, in the order of the file.
pub fn validate(bytes: &[u8], path: &str) -> Result<Loaded, Problems> {
    let text = decode(bytes).map_err(|reason| unreadable(bytes, path, &reason))?.text;
    let mut found = Found::new(&text);
    let config = check::validate(&mut found);
    found.finish(path)?;
    Ok(Loaded { config, text })
}

/// A problem of the bytes themselves, at its place.
fn unreadable(bytes: &[u8], path: &str, reason: &NoText) -> Problems {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = String::from_utf8_lossy(bytes);
    let (kind, text, at, message) = match reason {
        NoText::TooLarge(_) => ("too_large", text.lines().next().unwrap_or_default(), 0, reason.to_string()),
        NoText::Other(_) | NoText::Utf16 => ("encoding", "", 0, reason.to_string()),
        // The place is told beside it.
        NoText::NotUtf8 { at, byte, .. } => ("encoding", &*text, *at, format!("byte 0x{byte:02x} is not UTF-8")),
        NoText::Nul { at, .. } => ("encoding", &*text, *at, "a NUL character".to_owned()),
    };
    let words = Words { kind, message, hint: Some(reason.hint().to_owned()) };
    Problems { path: path.to_owned(), diagnostics: vec![Source::new(text).diagnostic(at..at + 1, words)], left_out: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> String {
        validate(bytes, "config.toml").unwrap_err().to_string()
    }

    #[test]
    fn what_windows_editors_add_means_nothing() {
        let loaded = validate(b"\xef\xbb\xbf[limits]\r\ntasks = 100\r\n", "config.toml").unwrap();
        assert_eq!((loaded.config.limits.tasks, loaded.text.as_str()), (100, "[limits]\ntasks = 100\n"));
        let error = shown(b"\xef\xbb\xbf[limits]\r\ntasks = 1\r\n");
        assert!(error.starts_with("config.toml:2:9: 1 is out of range; expected 32 to 1000000\n  |\n2 | tasks = 1\n"), "{error}");
    }

    #[test]
    fn what_is_no_text_is_a_problem_with_a_place() {
        assert_eq!(
            shown(b"[hub]\nname = \"M\xfcller\"\n"),
            "config.toml:2:10: byte 0xfc is not UTF-8\n  |\n2 | name = \"M\u{fffd}ller\"\n  |          ^\n  = hint: save it as UTF-8 in the editor"
        );
        assert_eq!(
            shown(b"\xff\xfe["),
            "config.toml:1:1: it begins like UTF-16, and is not\n  |\n1 |\n  | ^\n  = hint: save it as UTF-8 in the editor"
        );
    }

    #[test]
    fn what_powershell_and_old_editors_write_is_read() {
        let wide: Vec<u8> = "\u{feff}[limits]\r\ntasks = 100\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(validate(&wide, "config.toml").unwrap().config.limits.tasks, 100);
        assert_eq!(validate(b"[limits]\ntasks = 100 # f\xfcr alle\n", "config.toml").unwrap().config.limits.tasks, 100);
        assert!(shown(b"[hub]\nname = \"a\0b\"\n").starts_with("config.toml:2:10: a NUL character"));
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read_to_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        let fits = format!("[hub]\nname = \"x\"\n{}", "#".repeat(LARGEST as usize - 17));
        std::fs::write(&path, &fits).unwrap();
        assert_eq!(read(&path).unwrap().text, fits);
        std::fs::write(&path, format!("{fits}#")).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.ends_with(
            ":1:1: it has more than 1024 kB\n  |\n1 | [hub]\n  | ^\n  = hint: long lists of people belong into the hub: hubctl user add --from FILE"
        ), "{error}");
    }

    #[test]
    fn a_missing_file_is_told_from_an_unreadable_one() {
        let directory = tempfile::tempdir().unwrap();
        let missing = read(&directory.path().join("config.toml")).unwrap_err();
        assert!(missing.is_missing());
        assert_eq!(
            missing.to_string(),
            format!("reading the configuration `{}`", directory.path().join("config.toml").display())
        );
        assert!(!read(directory.path()).unwrap_err().is_missing());
    }

    #[test]
    fn thousands_of_problems_are_found_in_little_time_and_not_all_shown() {
        let text: String = (0..100_000).map(|number| format!("k{number}=1\n")).collect();
        let problems = validate(text.as_bytes(), "config.toml").unwrap_err();
        assert_eq!((problems.diagnostics.len(), problems.left_out), (100, 99_900));
        assert!(problems.to_string().ends_with("\nand 99900 more"));
    }
}
