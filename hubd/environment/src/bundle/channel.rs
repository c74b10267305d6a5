//! Conda packages of bundles, laid out as the channel that any conda tool reads: archives by kind of machine, beside an
//! index of them.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hub_core::sys::atomic::{self, Access};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::open_directory;
use crate::pyenv::conda::Lock;

const INDEX: &str = "repodata.json";
/// The part of a channel that serves every machine; without it there is no channel.
const NOARCH: &str = "noarch";

/// The index of one part of a channel.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Index {
    info: Info,
    packages: Map<String, Value>,
    #[serde(rename = "packages.conda")]
    newer_packages: Map<String, Value>,
    repodata_version: u32,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Info {
    subdir: String,
}

impl Index {
    /// What is in `directory`; nothing where none was written yet.
    fn read(directory: &Path) -> Result<Self> {
        let file = directory.join(INDEX);
        match std::fs::read(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let subdir = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Ok(Self { info: Info { subdir }, repodata_version: 1, ..Self::default() })
            }
            read => serde_json::from_slice(&read?).with_context(|| format!("reading `{}`", file.display())),
        }
    }

    fn write(&self, directory: &Path) -> Result<()> {
        open_directory(directory)?;
        atomic::replace(&directory.join(INDEX), &serde_json::to_vec(self)?, Access::mode(0o644))
    }

    fn insert(&mut self, file_name: &str, record: Value) -> Option<Value> {
        let packages = if file_name.ends_with(".conda") { &mut self.newer_packages } else { &mut self.packages };
        packages.insert(file_name.to_owned(), record)
    }
}

/// Writes down in the channel in `directory` what `lock` says of its packages, beside what is there.
///
/// # Errors
/// When two packages come in files of one name, or the disk is full.
pub(super) fn describe(directory: &Path, lock: &Lock) -> Result<()> {
    let mut indexes = BTreeMap::from([(NOARCH, Index::read(&directory.join(NOARCH))?)]);
    for archive in lock.archives() {
        if !indexes.contains_key(archive.subdir) {
            indexes.insert(archive.subdir, Index::read(&directory.join(archive.subdir))?);
        }
        let Some(index) = indexes.get_mut(archive.subdir) else { continue };
        let before = index.insert(archive.file_name, archive.record()?);
        if before.is_some_and(|before| before["sha256"] != archive.sha256) {
            bail!(
                "two kernels have different packages called `{}`, from different channels\nhint: ask for another version in one of \
                 them, or make the bundle without that kernel",
                archive.file_name
            );
        }
    }
    indexes.into_iter().try_for_each(|(subdir, index)| index.write(&directory.join(subdir)))
}

/// Files in the channel in `directory`, each with its part of the channel and without the indexes.
///
/// # Errors
/// When it can't be read.
pub(super) fn archives(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for part in parts(directory)? {
        for entry in fs_err::read_dir(directory.join(&part))? {
            found.extend(Some(PathBuf::from(&part).join(entry?.file_name())).filter(|path| !path.ends_with(INDEX)));
        }
    }
    found.sort();
    Ok(found)
}

/// Adds the indexes of the channel in `from` to those in `into`; where both know a file, the word of `from` counts.
///
/// # Errors
/// When one can't be read or written.
pub(super) fn merge(from: &Path, into: &Path) -> Result<()> {
    for part in parts(from)? {
        let (new, mut index) = (Index::read(&from.join(&part))?, Index::read(&into.join(&part))?);
        for (file_name, record) in new.packages.into_iter().chain(new.newer_packages) {
            index.insert(&file_name, record);
        }
        index.write(&into.join(&part))?;
    }
    Ok(())
}

fn parts(directory: &Path) -> Result<Vec<String>> {
    let entries = match fs_err::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        found.extend(entry?.file_name().into_string());
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(name: &str, subdir: &str, sha256: &str) -> Lock {
        let file_name = format!("{name}-1.0-0.conda");
        let record = serde_json::json!([{
            "name": name, "version": "1.0", "build": "0", "build_number": 0, "subdir": subdir, "depends": ["python"],
            "sha256": sha256.repeat(64), "fn": file_name, "url": format!("https://c.example/{subdir}/{file_name}"),
            "channel": "https://c.example/",
        }]);
        Lock::parse(&record.to_string()).unwrap()
    }

    fn records(directory: &Path) -> Map<String, Value> {
        Index::read(directory).unwrap().newer_packages
    }

    #[test]
    fn what_locks_name_becomes_a_channel() {
        let root = tempfile::tempdir().unwrap();
        describe(root.path(), &lock("a", "linux-64", "a")).unwrap();
        describe(root.path(), &lock("b", "linux-64", "b")).unwrap();
        let found = records(&root.path().join("linux-64"));
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a-1.0-0.conda", "b-1.0-0.conda"]);
        assert_eq!(found["a-1.0-0.conda"]["depends"][0], "python");
        assert_eq!(found["a-1.0-0.conda"].get("url"), None, "where it was is nobody's business");
        assert!(root.path().join("noarch").join(INDEX).exists(), "no tool takes it for a channel without");
        let error = describe(root.path(), &lock("a", "linux-64", "c")).unwrap_err().to_string();
        assert!(error.starts_with("two kernels have different packages called `a-1.0-0.conda`"), "{error}");
    }

    #[test]
    fn a_second_bundle_comes_beside_the_first() {
        let root = tempfile::tempdir().unwrap();
        let (first, second) = (root.path().join("first"), root.path().join("second"));
        describe(&first, &lock("a", "linux-64", "a")).unwrap();
        describe(&second, &lock("a", "linux-64", "c")).unwrap();
        describe(&second, &lock("b", "noarch", "b")).unwrap();
        merge(&second, &first).unwrap();
        assert_eq!(records(&first.join("linux-64"))["a-1.0-0.conda"]["sha256"], "c".repeat(64));
        assert_eq!(records(&first.join("noarch")).len(), 1);
        std::fs::write(second.join("noarch/b-1.0-0.conda"), "b").unwrap();
        assert_eq!(archives(&second).unwrap(), [Path::new("noarch/b-1.0-0.conda")]);
        assert_eq!(archives(&root.path().join("none")).unwrap(), Vec::<PathBuf>::new());
    }
}
