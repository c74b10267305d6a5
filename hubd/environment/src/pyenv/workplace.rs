//! The directories that a build reads and writes, and names of files in them.

use std::path::Path;

use anyhow::Result;

/// Downloads and unpacked archives of one build, in the directory that it may write to. No other build ever sees them: uv
/// installs files by giving them a second name, so whoever can write to its cache can change what others install.
pub(super) const CACHE: &str = ".cache";
/// Where wheels are downloaded to for a bundle.
pub(super) const FETCHED: &str = "fetched";
/// The versions that were found, or are to be built.
pub(super) const LOCK_FILE: &str = ".hubd.lock";
/// Mirrors and proxies, as variables.
pub(super) const NETWORK_FILE: &str = "network.env";

/// A directory of ours that everybody may read, whatever the caller's umask.
pub(super) fn directory(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs_err::create_dir_all(path)?;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}
