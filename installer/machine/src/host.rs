//! The programs of the host that machines need, and their packages.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fs_err as fs;
use hub_system::apt;
use hub_system::command::Command;
use hub_system::lock::wait_for_lock;

use super::STATE_DIRECTORY;

const APT_GET: &str = "/usr/bin/apt-get";
/// Fetching and unpacking a handful of packages over a slow line.
const INSTALL_DEADLINE: Duration = Duration::from_secs(15 * 60);

/// Program and the Debian package it comes from.
pub(super) const PROGRAMS: [(&str, &str); 2] =
    [("/usr/bin/systemd-nspawn", "systemd-container"), ("/usr/bin/mmdebstrap", "mmdebstrap")];

/// Keys that sign the Debian archive; a host that is not Debian lacks them.
pub(super) const DEBIAN_KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Installs what is missing of `wanted` (a file and the package that brings it) and says so.
///
/// # Errors
/// When a package can't be installed, or this host has no apt.
pub fn ensure_packages(wanted: &[(&str, &str)], progress: &mut dyn FnMut(&str)) -> Result<()> {
    let missing =
        || -> Vec<&str> { wanted.iter().filter(|(file, _)| !Path::new(file).exists()).map(|(_, package)| *package).collect() };
    if missing().is_empty() {
        return Ok(());
    }
    // apt does not wait for another apt.
    fs::create_dir_all(STATE_DIRECTORY)?;
    let _guard = wait_for_lock(&Path::new(STATE_DIRECTORY).join("packages.lock"), INSTALL_DEADLINE)?;
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    if !Path::new(APT_GET).exists() {
        bail!("missing: {}\nhint: install these programs with the package manager of this system", missing.join(", "));
    }
    progress(&format!("installing {} on this machine with apt-get", missing.join(", ")));
    let install = || {
        Command::new(APT_GET, INSTALL_DEADLINE)
            .envs(apt::ENVIRONMENT)
            .args(["install", "--yes", "--quiet", "--no-install-recommends"])
            .args(missing.iter().copied())
            .run()
    };
    if install().is_err() {
        // The usual reason is a package list that is absent or old.
        update_lists();
        install().with_context(|| format!("installing {}", missing.join(", ")))?;
    }
    match wanted.iter().find(|(file, _)| !Path::new(file).exists()) {
        Some((file, package)) => bail!("`{file}` is not there although package `{package}` was asked for"),
        None => Ok(()),
    }
}

/// Fetches the lists of packages of this host. What can't be had is not needed, or is named by what asks for it next.
pub(super) fn update_lists() {
    let mut run = |arguments: &[&str]| Command::new(APT_GET, INSTALL_DEADLINE).args(arguments.iter().copied()).run().map(drop);
    let waiting = || tracing::info!("waiting for another program that works on packages");
    if let Some(problem) = apt::update(&mut run, &mut { waiting }) {
        tracing::warn!("going on with the list of packages that is here: {problem}");
    }
}
