//! Everybody's server as the hub sees it: one state machine each, one start at a time each, a queue for all.

mod cull;
mod failure;
pub(crate) mod load;
mod memory_kills;
mod queue;
mod ready;
pub mod registry;
mod remedy;
mod state_machine;
mod view;

use std::time::{Duration, SystemTime};

use hub_core::accounts::Username;
use hub_core::control::ServerPhase;
use tokio::sync::watch;

use hub_core::launcher::protocol::Endpoint;
pub use memory_kills::MemoryKills;
pub use remedy::Remedy;
pub use view::NOT_RUNNING;

/// What pages and the proxy need of the servers. Calls return at once; what becomes of them shows in the [`View`].
pub trait Servers: Send + Sync {
    /// Starts `name`'s server unless it is running or on its way, and shows how it goes.
    fn ensure(&self, name: &Username) -> watch::Receiver<View>;
    /// As [`Servers::ensure`]; one that starts does so without what `name` installed and set for themselves.
    fn ensure_plain(&self, name: &Username) -> watch::Receiver<View> {
        self.ensure(name)
    }
    /// Starts `name`'s server anew, whatever it does at the moment; a plain one without what `name` installed and set for
    /// themselves.
    fn restart(&self, name: &Username, is_plain: bool) -> watch::Receiver<View>;
    /// Stops `name`'s server unless it is stopped or on its way, and shows how it goes.
    fn stop(&self, name: &Username) -> watch::Receiver<View>;
    /// Shows how `name`'s server is, now and later.
    fn watch(&self, name: &Username) -> watch::Receiver<View>;
    /// Every server that is not stopped, by name.
    fn list(&self) -> Vec<(Username, View)>;
    /// Notes that somebody used `name`'s server just now.
    fn touch(&self, name: &Username);
    /// Notes that nobody answered behind `name`'s socket, so that its state is looked up anew.
    fn suspect(&self, name: &Username);
}

/// How one server is, at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Where it is in its life.
    pub phase: ServerPhase,
    /// Place in the queue, 1 is next; only while queued.
    pub position: Option<usize>,
    /// What is going on, for people: "Waiting for 3 others", "systemd has started hubd-user-ada.service", ...
    pub message: String,
    /// Why it failed; only while failed.
    pub failure: Option<Failure>,
    /// Where it listens; only while running.
    pub endpoint: Option<Endpoint>,
    /// The systemd unit.
    pub unit: String,
    /// Memory in use, bytes.
    pub memory_bytes: Option<u64>,
    /// Memory allowed, bytes.
    pub memory_limit_bytes: Option<u64>,
    /// What the kernel ended in it for want of memory, since it started.
    pub memory_kills: MemoryKills,
    /// How long it has been running.
    pub uptime: Option<Duration>,
    /// Whether it runs, is on its way, or failed without what its owner installed and set.
    pub without_own: bool,
    /// The environment it runs with; only while running.
    pub environment: Option<u32>,
    /// The environment that a server gets which is started now; `None`: not known.
    pub newest: Option<u32>,
    /// When it is stopped unless somebody uses it before; `None`: not soon.
    pub stops_at: Option<SystemTime>,
}

/// Why a server is not running although somebody wanted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// One sentence for the student.
    pub summary: String,
    /// What the student can do.
    pub hint: Option<String>,
    /// The server's last log lines, oldest first.
    pub log: Vec<String>,
    /// Whether it was what runs in the server that ended or hung. Else the hub, systemd or the machine was in its way.
    pub is_inside: bool,
}
