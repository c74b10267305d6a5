//! The packages that everybody has: environments and kernels, the bundles they can come from, and packages of the distribution.

pub mod apt;
pub mod bundle;
mod in_use;
pub mod jobs;
pub mod pyenv;
mod taken_in;

pub use in_use::generation_of;
