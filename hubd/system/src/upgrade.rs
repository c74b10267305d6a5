//! Leaving a job for the upgrade, its record and its log.

mod answer;
mod store;

pub use answer::answer;
pub use store::{JobStore, Left};
