//! The shared Python environment: numbered generations below `/opt/hubd/envs`, each built by a user without rights in a
//! unit without rights, sealed by root, and from then on never written to. Every server and every build sees its one
//! generation at `/opt/hubd/env`.
//! A kernel that is an environment of its own is built the same way ([`kernel`]), from the package index or from conda
//! channels ([`conda`]).
//!
//! What a student installs goes to their *layer*, a small virtual environment in their home above the shared one
//! (`assets/hubd_layer.py`); their server runs without it (`python -I`), their kernels and terminals with it.

mod advice;
mod build;
pub mod conda;
mod generation;
mod inherit;
mod kernel;
mod lesson;
pub mod lock;
mod look;
mod network;
mod overlay;
pub mod pip;
mod progress;
mod python;
mod seal;
mod server;
mod share;
mod trial;
mod unit;
pub mod uv;
mod workplace;

pub use build::{BuildRequest, Builder, Candidate, CondaRequest, Locks, Resolution, Workshop, has_unfinished};
pub use generation::{Generation, Manifest, all, current, delete, switch};
pub use kernel::{kernels, retire};
pub use lesson::{FIRST_LESSON, Shipped, disk_bytes, first_lesson, shipped};
pub use look::does_not_import;
pub use network::NetworkSettings;
pub use progress::{BuildEvent, ProgressSink};
pub use python::Python;
pub use server::{ServerCommand, ServerRequest, WITHOUT_OWN, server_command};

/// The packages of the environment with the hashes of their wheels, for every supported Python and processor.
pub const LOCK: &str = include_str!("pyenv/assets/lock/requirements.txt");
/// What the shipped lock was made from: what the hub itself needs, and the oldest versions of it that are safe.
pub const BASE: &str = include_str!("pyenv/assets/lock/requirements.in");
