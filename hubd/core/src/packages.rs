//! Packages as they are asked for, listed and compared: names, versions and where they come from. Values without I/O; what is
//! done with them is the business of `hub-environment`.

pub mod apt;
mod asked;
pub mod conda;
mod download;
mod installed;
mod kernel_name;
pub mod requirement;

pub use apt::{PackageName, PackageNameError};
pub use asked::Asked;
pub use conda::{Channel, Conda, CondaSpec, DEFAULT_ALIAS, DEFAULT_CHANNEL};
pub use download::Download;
pub use installed::{Installed, VersionChange, compare};
pub use kernel_name::{KernelName, KernelNameError};
pub use requirement::Requirement;
