//! Packages of the distribution: fetched with all that they build on, and installed from a directory as from an archive
//! of their own, so that apt takes only what a machine lacks. The machine's own lists and sources stay as they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::sys::command::Command;
use crate::sys::digest;

const APT_GET: &str = "/usr/bin/apt-get";
const DPKG_DEB: &str = "/usr/bin/dpkg-deb";
/// A few dozen megabytes over a slow line.
const FETCH_DEADLINE: Duration = Duration::from_secs(1800);
const ASK_DEADLINE: Duration = Duration::from_secs(60);
/// The index of an archive.
const INDEX: &str = "Packages";

/// Fetches `names` and everything they need, as for a machine that has nothing, into `target`, with an index.
///
/// # Errors
/// When the machine's archives can't be reached.
pub(super) fn fetch(names: &[&str], target: &Path, network: &BTreeMap<String, String>) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let place = |name: &str| scratch.path().join(name);
    fs_err::write(place("status"), "")?;
    fs_err::create_dir_all(place("packages").join("partial"))?;
    let apt = || {
        let apt = Command::new(APT_GET, FETCH_DEADLINE).arg("--quiet=2").env("DEBIAN_FRONTEND", "noninteractive");
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

fn packages(directory: &Path) -> Result<Vec<PathBuf>> {
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
