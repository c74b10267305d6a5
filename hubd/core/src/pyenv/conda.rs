//! Kernels whose packages come from conda channels: what can be asked for, what is locked, and the program that does it.
//!
//! The second provider beside uv. Both build in the same units, and what either leaves is sealed, tried out, switched to and
//! collected the same way.

mod channels;
mod kernelspec;
pub mod lock;
pub mod spec;
mod steps;
mod tool;

pub use channels::Channels;
pub(super) use kernelspec::{Language, Program};
pub use lock::Lock;
pub use spec::{Channel, CondaSpec, DEFAULT_ALIAS, DEFAULT_CHANNEL};
pub(super) use steps::*;
pub(super) use tool::Tool;

use serde::{Deserialize, Serialize};

/// What pins the program that speaks to channels, in the words of a lock.
pub(crate) fn tool_lock() -> String {
    Tool::requirement()
}

/// What a conda environment is asked to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conda {
    /// Packages, as conda's users write them.
    pub specs: Vec<CondaSpec>,
    /// Where they come from, the first that has a package wins; none: the configuration's `conda_channels`.
    #[serde(default)]
    pub channels: Vec<Channel>,
}
