//! Names of files in the directories that a build reads and writes.

/// Downloads and unpacked archives of one build, in the directory that it may write to. No other build ever sees them: uv
/// installs files by giving them a second name, so whoever can write to its cache can change what others install.
pub(super) const CACHE: &str = ".cache";
/// Where wheels are downloaded to for a bundle.
pub(super) const FETCHED: &str = "fetched";
/// The versions that were found, or are to be built.
pub(super) const LOCK_FILE: &str = ".hubd.lock";
/// Mirrors and proxies, as variables.
pub(super) const NETWORK_FILE: &str = "network.env";
