//! The only door to privilege: requests that name things and never describe them.

pub mod client;
pub mod protocol;
