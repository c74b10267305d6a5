//! What is asked of the launcher, and how. Requests name things and never describe them.

pub mod client;
pub mod protocol;
