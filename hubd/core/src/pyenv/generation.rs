//! Numbers, places and the record of generations. One that lies under its number is whole: it gets that name last.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::Python;
use crate::paths::Paths;
use crate::sys::atomic::{self, Access};

const MANIFEST: &str = "hubd-environment.json";
const FORMAT: u32 = 1;

/// What a generation says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this record.
    pub format: u32,
    /// The generation's number.
    pub generation: u32,
    /// The interpreter it stands on, which stays the distribution's.
    pub python: Python,
    /// The `uv` that built it.
    pub uv: String,
    /// SHA-256 of the lock file.
    pub lock_sha256: String,
}

impl Manifest {
    pub(super) fn new(generation: u32, python: Python, lock_sha256: String) -> Self {
        Self { format: FORMAT, generation, python, uv: super::uv::VERSION.to_owned(), lock_sha256 }
    }

    pub(super) fn write(&self, directory: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        atomic::replace(&directory.join(MANIFEST), format!("{text}\n").as_bytes(), Access::mode(0o644))
    }
}

/// A whole generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    path: PathBuf,
    manifest: Manifest,
}

impl Generation {
    /// The generation `number`, or `None` when there is none.
    ///
    /// # Errors
    /// When something lies there that is no generation.
    pub fn open(paths: &Paths, number: u32) -> Result<Option<Self>> {
        let path = paths.environment(number);
        if !path.try_exists().with_context(|| format!("looking for `{}`", path.display()))? {
            return Ok(None);
        }
        let read = || -> Result<Manifest> {
            let manifest: Manifest = serde_json::from_slice(&fs_err::read(path.join(MANIFEST))?)?;
            if (manifest.format, manifest.generation) != (FORMAT, number) {
                bail!(
                    "it is generation {} in format {}, expected {number} in format {FORMAT}",
                    manifest.generation,
                    manifest.format
                );
            }
            Ok(manifest)
        };
        let manifest = read().with_context(|| format!("reading environment `{}`", path.display()))?;
        Ok(Some(Self { path, manifest }))
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.manifest.generation
    }

    /// Its directory, to be bound to [`Paths::environment_mount`] read-only.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

/// The number of the generation that new servers get, or `None` before the first.
///
/// # Errors
/// When the file can't be read or holds anything but a number.
pub fn current(paths: &Paths) -> Result<Option<u32>> {
    let file = paths.current_environment();
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("reading `{}`", file.display())),
    };
    let number = text.trim_end().parse().with_context(|| format!("reading `{}`: {text:?} is no number", file.display()))?;
    Ok(Some(number))
}

/// Gives new servers `generation`; running ones keep theirs.
///
/// # Errors
/// When the file can't be written.
pub fn switch(paths: &Paths, generation: &Generation) -> Result<()> {
    atomic::replace(&paths.current_environment(), format!("{}\n", generation.number()).as_bytes(), Access::mode(0o644))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> (tempfile::TempDir, Paths) {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        std::fs::create_dir_all(paths.environments()).unwrap();
        (root, paths)
    }

    fn manifest(number: u32) -> Manifest {
        let python = Python { interpreter: "/usr/bin/python3.11".into(), version: "3.11.2".to_owned() };
        Manifest::new(number, python, "00".to_owned())
    }

    #[test]
    fn switches_to_a_whole_generation() {
        let (_root, paths) = machine();
        assert_eq!(current(&paths).unwrap(), None);
        assert_eq!(Generation::open(&paths, 3).unwrap(), None);
        std::fs::create_dir(paths.environment(3)).unwrap();
        manifest(3).write(&paths.environment(3)).unwrap();
        let generation = Generation::open(&paths, 3).unwrap().unwrap();
        assert_eq!((generation.number(), generation.path()), (3, paths.environment(3).as_path()));
        switch(&paths, &generation).unwrap();
        assert_eq!(current(&paths).unwrap(), Some(3));
    }

    #[test]
    fn a_directory_without_its_record_is_an_error_that_names_it() {
        let (_root, paths) = machine();
        std::fs::create_dir(paths.environment(1)).unwrap();
        let error = format!("{:#}", Generation::open(&paths, 1).unwrap_err());
        assert!(error.starts_with(&format!("reading environment `{}`", paths.environment(1).display())), "{error}");
        manifest(2).write(&paths.environment(1)).unwrap();
        let error = format!("{:#}", Generation::open(&paths, 1).unwrap_err());
        assert!(error.ends_with("it is generation 2 in format 1, expected 1 in format 1"), "{error}");
    }

    #[test]
    fn a_damaged_number_is_an_error_that_shows_it() {
        let (_root, paths) = machine();
        std::fs::write(paths.current_environment(), "one\n").unwrap();
        let error = format!("{:#}", current(&paths).unwrap_err());
        assert!(error.contains("\"one\\n\" is no number"), "{error}");
    }

    #[test]
    fn reads_the_record_of_the_first_release() {
        let text = r#"{"format": 1, "generation": 1, "python": {"interpreter": "/usr/bin/python3.11", "version": "3.11.2"},
            "uv": "0.13.7", "lock_sha256": "00"}"#;
        assert_eq!(serde_json::from_str::<Manifest>(text).unwrap(), manifest(1));
    }
}
