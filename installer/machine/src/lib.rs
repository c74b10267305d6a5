//! Throw-away Debian machines with systemd as PID 1, in a container of systemd-nspawn on top of an overlay.
//!
//! Used by `bootstrap.sh --try` and by the machine tests. A machine shares the network of its host or has none at all; its
//! limits really bite, on hosts with cgroup v1 controllers and on those with cgroup v2 alone. Nothing here knows about the hub.

mod base;
mod cgroup;
mod enter;
mod host;
mod lifecycle;
mod overlay;
mod process;
mod record;
mod release;
mod sources;
mod start;
mod surroundings;

pub use base::{Base, BaseSpec};
pub use enter::{Attachment, Entry, Output};
pub use host::ensure_packages;
pub use lifecycle::{BootOptions, Machine};
pub use overlay::changes_can_be_kept;
pub use release::Release;
pub use surroundings::{bring_along, carried_environment};

/// Where base systems are kept by default.
pub const CACHE_DIRECTORY: &str = "/var/cache/hubd-machines";
/// Where the disks of machines live.
const MACHINES_DIRECTORY: &str = "/var/lib/hubd-machines";
/// Beside them what was kept of machines; see [`Machine::keep_changes`].
pub const LAYERS_DIRECTORY: &str = "/var/lib/hubd-machines/.layers";
/// Where running machines are recorded, so that another process can enter or end them.
const STATE_DIRECTORY: &str = "/run/hubd-machines";
