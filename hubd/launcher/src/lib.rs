//! The only door to privilege: requests that name things and never describe them.

mod access;
mod accounts;
mod cgroup;
mod everybody;
pub mod expel;
mod journal;
mod names;
mod places;
mod program;
pub mod service;
mod settings;
mod spec;
mod state;
mod verbs;
mod which;
