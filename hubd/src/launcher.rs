//! The only door to privilege: requests that name things and never describe them.

mod access;
mod accounts;
mod cgroup;
pub mod client;
mod everybody;
mod journal;
mod names;
mod places;
mod program;
pub mod protocol;
pub mod service;
mod settings;
mod spec;
mod state;
pub(crate) mod verbs;

pub(crate) use state::generation_of;
