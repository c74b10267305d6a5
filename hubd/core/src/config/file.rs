//! From a file, or the bytes of one, to a configuration. What is wrong with the bytes is a located problem like any other.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::diagnostic::{Found, Source, Words};
use super::{Config, Denied, Machine, Problems, address_range, check};
use crate::paths::Paths;
use crate::sys::name_servers;

/// No configuration is larger, in bytes.
pub const LARGEST: u64 = 1 << 20;

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
    Ok(judge(&bytes, &path.display().to_string())?)
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
pub fn judge(bytes: &[u8], path: &str) -> Result<Loaded, Problems> {
    let sole = |text: &str, at: usize, words: Words| Problems {
        path: path.to_owned(),
        diagnostics: vec![Source::new(text).diagnostic(at..at + 1, words)],
        left_out: 0,
    };
    let words = |kind, message: &str, hint: &str| Words { kind, message: message.to_owned(), hint: Some(hint.to_owned()) };
    if bytes.len() as u64 > LARGEST {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
        let hint = "look at what it is: a configuration has a few kB";
        let first = text.lines().next().unwrap_or_default();
        return Err(sole(first, 0, words("too_large", "the file has more than 1 MB", hint)));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(sole("", 0, words("encoding", "the file is UTF-16", "save it as UTF-8")));
    }
    // What Windows editors add means nothing, and hubctl leaves it out when it saves.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let text = String::from_utf8_lossy(bytes);
        sole(&text, error.valid_up_to(), words("encoding", "the file is not UTF-8 here", "save it as UTF-8"))
    })?;
    let text = text.replace("\r\n", "\n");
    let mut found = Found::new(&text);
    let config = check::judge(&mut found);
    found.finish(path)?;
    Ok(Loaded { config, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> String {
        judge(bytes, "config.toml").unwrap_err().to_string()
    }

    #[test]
    fn what_windows_editors_add_means_nothing() {
        let loaded = judge(b"\xef\xbb\xbf[limits]\r\ntasks = 100\r\n", "config.toml").unwrap();
        assert_eq!((loaded.config.limits.tasks, loaded.text.as_str()), (100, "[limits]\ntasks = 100\n"));
        let error = shown(b"\xef\xbb\xbf[limits]\r\ntasks = 1\r\n");
        assert!(error.starts_with("config.toml:2:9: 1 is out of range; expected 32 to 1000000\n  |\n2 | tasks = 1\n"), "{error}");
    }

    #[test]
    fn every_encoding_but_utf_8_is_a_problem_with_a_place() {
        assert_eq!(
            shown(b"[hub]\nname = \"M\xfcller\"\n"),
            "config.toml:2:10: the file is not UTF-8 here\n  |\n2 | name = \"M\u{fffd}ller\"\n  |          ^\n  = hint: save it as UTF-8"
        );
        assert_eq!(shown(b"\xff\xfe[\0"), "config.toml:1:1: the file is UTF-16\n  |\n1 |\n  | ^\n  = hint: save it as UTF-8");
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
            ":1:1: the file has more than 1 MB\n  |\n1 | [hub]\n  | ^\n  = hint: look at what it is: a configuration has a few kB"
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
        let problems = judge(text.as_bytes(), "config.toml").unwrap_err();
        assert_eq!((problems.diagnostics.len(), problems.left_out), (100, 99_900));
        assert!(problems.to_string().ends_with("\nand 99900 more"));
    }
}
