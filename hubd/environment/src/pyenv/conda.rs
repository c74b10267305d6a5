//! Kernels whose packages come from conda channels: what can be asked for, what is locked, and the program that does it.
//!
//! The second provider beside uv. Both build in the same units, and what either leaves is sealed, tried out, switched to and
//! collected the same way.

mod channels;
mod kernelspec;
pub mod lock;
mod steps;
mod tool;

pub use channels::Channels;
pub(super) use kernelspec::{Language, Program};
pub use lock::Lock;
pub(super) use steps::*;
pub(super) use tool::Tool;

/// What pins the program that speaks to channels, in the words of a lock.
pub(crate) fn tool_lock() -> String {
    Tool::requirement()
}
