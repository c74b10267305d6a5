//! Where the packages lie that this machine has taken in from bundles. While there are any, builds and students install from
//! here.

use std::path::PathBuf;

use hub_core::paths::Paths;

/// What the latest bundle says of itself; no bundle is in use without it.
pub(crate) const MANIFEST: &str = "manifest.json";
/// Wheels of Python packages.
pub(crate) const WHEELS: &str = "wheels";
/// A channel of conda packages.
pub(crate) const CONDA: &str = "conda";

/// Where the wheels are; `None`: this machine uses no bundle.
pub fn wheels(paths: &Paths) -> Option<PathBuf> {
    paths.bundle().join(MANIFEST).exists().then(|| paths.bundle().join(WHEELS))
}

/// The channel of conda packages; `None`: no bundle had any.
pub fn channel(paths: &Paths) -> Option<PathBuf> {
    Some(paths.bundle().join(CONDA)).filter(|channel| channel.is_dir())
}
