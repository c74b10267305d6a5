//! Packages of the distribution: fetched with all that they build on, and installed from a directory as from an archive
//! of their own, so that apt takes only what a machine lacks. The machine's own lists and sources stay as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use hub_core::sys::atomic::{self, Access};
use hub_system::command::Command;
use hub_system::digest;

const APT_GET: &str = "/usr/bin/apt-get";
const DPKG_DEB: &str = "/usr/bin/dpkg-deb";
/// A few dozen megabytes over a slow line.
const FETCH_DEADLINE: Duration = Duration::from_secs(1800);
const ASK_DEADLINE: Duration = Duration::from_secs(60);
/// The index of an archive.
const INDEX: &str = "Packages";

/// Fetches `names` and everything they need, as for a machine that has nothing, into `target`, with an index; out of
/// `archive`, where the machine has its packages from bundles.
///
/// # Errors
/// When the machine's archives can't be reached.
pub(super) fn fetch(names: &[&str], target: &Path, network: &BTreeMap<String, String>, archive: Option<&Archive>) -> Result<()> {
    // Within what a killed process leaves to the next.
    let scratch = tempfile::tempdir_in(target.parent().unwrap_or(target))?;
    let place = |name: &str| scratch.path().join(name);
    fs_err::write(place("status"), "")?;
    fs_err::create_dir_all(place("packages").join("partial"))?;
    let apt = || {
        let apt = Command::new(APT_GET, FETCH_DEADLINE).arg("--quiet=2").env("DEBIAN_FRONTEND", "noninteractive");
        let apt = apt.args(archive.into_iter().flat_map(Archive::options));
        network.iter().fold(apt.env("LC_ALL", "C.UTF-8"), |apt, (name, value)| apt.env(name, value))
    };
    let download = || {
        apt()
            .args(["install", "--yes", "--no-install-recommends", "--download-only"])
            .args([
                // Nothing is installed, as far as this call is concerned, and nothing of it is kept.
                format!("--option=Dir::State::status={}", place("status").display()),
                format!("--option=Dir::Cache::archives={}", place("packages").display()),
            ])
            .args(["--option=Dir::Cache::pkgcache=", "--option=Dir::Cache::srcpkgcache="])
            // The sandbox of downloads can't write here; what is fetched is checked against signed lists in any case.
            .arg("--option=APT::Sandbox::User=root")
            .args(names.iter().copied())
            .run()
    };
    if let Err(error) = download() {
        tracing::debug!(error = format!("{error:#}"), "fetching packages at the first attempt");
        apt().arg("update").run().context("updating the package lists")?;
        download().context("fetching packages of the distribution\nhint: --no-packages makes a bundle without them")?;
    }
    fs_err::create_dir_all(target)?;
    let mut index = String::new();
    for package in packages(&place("packages"))? {
        let control = Command::new(DPKG_DEB, ASK_DEADLINE).arg("--field").arg(package.to_string_lossy()).run()?;
        let (sum, size) = (digest::of_file(&package)?, fs_err::metadata(&package)?.len());
        // Names with a colon or a plus are quoted here and not there; this one needs no quotes.
        let name = format!("{sum}.deb");
        index.push_str(&format!("{}\nFilename: ./{name}\nSize: {size}\nSHA256: {sum}\n\n", control.trim_end()));
        fs_err::copy(&package, target.join(name))?;
    }
    Ok(fs_err::write(target.join(INDEX), index)?)
}

/// Adds the index in `from` to that in `into`, and has apt find it there.
///
/// # Errors
/// When one can't be read or written.
pub(super) fn merge(from: &Path, into: &Path) -> Result<()> {
    let mut known = BTreeSet::new();
    for file in [into.join(INDEX), from.join(INDEX)] {
        match std::fs::read_to_string(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            read => known.extend(read?.split_terminator("\n\n").map(|package| format!("{}\n\n", package.trim_matches('\n')))),
        }
    }
    let text: String = known.into_iter().collect();
    atomic::replace(&into.join(INDEX), text.as_bytes(), Access::mode(0o644))?;
    Archive::new(into.to_owned()).prepare()
}

/// The packages in `directory`, sorted.
///
/// # Errors
/// When it can't be read.
pub(super) fn packages(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(directory)? {
        found.extend(Some(entry?.path()).filter(|path| path.extension().is_some_and(|extension| extension == "deb")));
    }
    found.sort();
    Ok(found)
}

/// A directory of packages, ready to be used as apt's only source.
#[derive(Debug, Clone)]
pub struct Archive {
    directory: PathBuf,
}

impl Archive {
    /// The packages in `directory`, of a bundle that was checked.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// What apt-get is told beside what it is to do, after [`Archive::prepare`].
    pub fn options(&self) -> Vec<String> {
        let place = |name: &str| self.directory.join(name).display().to_string();
        vec![
            format!("--option=Dir::Etc::sourcelist={}", place("sources.list")),
            "--option=Dir::Etc::sourceparts=-".to_owned(),
            format!("--option=Dir::State::lists={}", place("lists")),
            "--option=Dir::Cache::pkgcache=".to_owned(),
            "--option=Dir::Cache::srcpkgcache=".to_owned(),
        ]
    }

    /// Writes the list of sources, to be followed by `apt-get update` with the options.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn prepare(&self) -> Result<()> {
        fs_err::create_dir_all(self.directory.join("lists/partial"))?;
        // Trusted, for every byte was compared with the list of the bundle.
        let source = format!("deb [trusted=yes] file:{} ./\n", self.directory.display());
        Ok(fs_err::write(self.directory.join("sources.list"), source)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_bundle_comes_beside_the_first() {
        let root = tempfile::tempdir().unwrap();
        let (first, second) = (root.path().join("first"), root.path().join("second"));
        let package = |name: &str| format!("Package: {name}\nDescription: x\n more\nFilename: ./{name}.deb\n\n");
        for (directory, text) in [(&first, package("git")), (&second, package("git") + &package("ffmpeg"))] {
            std::fs::create_dir(directory).unwrap();
            std::fs::write(directory.join(INDEX), text).unwrap();
        }
        merge(&second, &first).unwrap();
        assert_eq!(std::fs::read_to_string(first.join(INDEX)).unwrap(), package("ffmpeg") + &package("git"));
        let options = Archive::new(first.clone()).options();
        let source = std::fs::read_to_string(first.join("sources.list")).unwrap();
        assert_eq!(source, format!("deb [trusted=yes] file:{} ./\n", first.display()));
        assert!(options[0].ends_with("first/sources.list") && first.join("lists/partial").is_dir(), "{options:?}");
    }
}
