//! How people's servers are.

use serde::{Deserialize, Serialize};

use crate::accounts::Username;

/// Where a server is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerPhase {
    /// Not running, and nobody asked for it.
    Stopped,
    /// Waits for its turn to start.
    Queued,
    /// systemd has it, the program inside does not answer yet.
    Starting,
    /// It answers.
    Running,
    /// On its way down.
    Stopping,
    /// It ended by itself, or never came up.
    Failed,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerInfo {
    /// Whose.
    pub name: Username,
    /// Where it is in its life.
    pub phase: ServerPhase,
    /// The systemd unit.
    pub unit: String,
    /// Memory in use, bytes.
    pub memory_bytes: Option<u64>,
    /// Memory allowed, bytes.
    pub memory_limit_bytes: Option<u64>,
    /// Processors that it kept busy in the last seconds, 1.0 is all of one; `None`: not known (yet).
    #[serde(default)]
    pub cpu_cores: Option<f64>,
    /// Processors that it may use.
    #[serde(default)]
    pub cpu_limit_cores: Option<f64>,
    /// Seconds since it started.
    pub uptime_seconds: Option<u64>,
    /// Why it failed, for people.
    pub problem: Option<String>,
    /// Whether it is there without what its owner installed and set; a restart brings that back.
    #[serde(default)]
    pub without_own: bool,
    /// Whether it failed, and a start without what its owner installed and set may help.
    #[serde(default)]
    pub own_may_be_why: bool,
    /// What the kernel ended in it for want of memory.
    #[serde(default)]
    pub memory_kills: MemoryKills,
}

/// Programs of one server that the kernel ended because the server had used up its memory, since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryKills {
    /// How many.
    pub count: u64,
    /// Seconds since the hub noticed the latest; `None`: none, or before the hub itself was started.
    pub seconds_since_latest: Option<u64>,
}
