//! A bundle: one file with all that an install needs, for machines that reach no network. It is a tar archive of the
//! hub's programs, uv, locks, wheels, conda packages and, unless left out, packages of the distribution.
//!
//! `SHA256SUMS` in it names every other file. Nothing of a bundle is used before all of it was checked against that
//! list ([`Opened::open`]); the list itself vouches for no maker, as little as the stick that it came on. Packages go to a
//! place of root's, from which builds and students install ([`store`]).

mod channel;
mod debian;
mod making;
mod manifest;
mod opened;
pub mod store;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Result;

pub use debian::Archive;
pub use making::{Made, Making};
pub use manifest::{FORMAT, LeftOut, Machine, Manifest, Misfit};
pub use opened::Opened;

use crate::taken_in::{CONDA, MANIFEST, WHEELS};

/// The list of files with their checksums.
const SUMS: &str = "SHA256SUMS";
/// What starts an install from the bundle, for a machine that has nothing yet.
const BOOTSTRAP: &str = "bootstrap.sh";
/// The programs, laid out as in a release.
const PROGRAMS: &str = "release/bin";
const VERSION: &str = "release/VERSION";
const UV: &str = "uv";
/// The lock of everybody's environment.
const LOCK: &str = "environment.lock";
const PACKAGES: &str = "packages";

/// A directory of root's that builds and apt may read, whatever the caller's umask.
fn open_directory(directory: &Path) -> Result<()> {
    fs_err::create_dir_all(directory)?;
    Ok(fs_err::set_permissions(directory, PermissionsExt::from_mode(0o755))?)
}
