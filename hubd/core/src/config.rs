//! `/etc/hubd/config.toml`: text in, either a whole valid [`Config`] or every problem with its place out.

mod check;
mod diagnostic;
mod document;
mod quantity;
mod render;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

pub use check::parse;
pub use diagnostic::{Diagnostic, Problems};
pub use quantity::{format_bytes, parse_bytes, parse_duration};

use crate::accounts::Username;

/// A configuration that has passed every check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Config {
    /// How the hub presents itself.
    pub hub: Hub,
    /// The plain listener.
    pub http: Http,
    /// The encrypted listener; `None` without a certificate.
    pub https: Option<Https>,
    /// Who may do more than use a server.
    pub roles: Roles,
    /// Unix accounts behind the people.
    pub accounts: Accounts,
    /// What one student's servers may use together.
    pub limits: Limits,
    /// How servers start and stop.
    pub servers: Servers,
    /// How long a login lasts.
    pub sessions: Sessions,
    /// The machine underneath.
    pub machine: Machine,
}

/// `[hub]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hub {
    /// Shown on every page.
    pub name: String,
    /// Where people reach the hub, without a slash at the end; used in links.
    pub url: Option<String>,
}

/// `[http]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Http {
    /// Addresses and ports.
    pub listen: Vec<SocketAddr>,
}

/// `[https]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Https {
    /// Addresses and ports.
    pub listen: Vec<SocketAddr>,
    /// PEM file with the certificate and its chain.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// `[roles]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Roles {
    /// People who manage the hub from inside it.
    pub admins: Vec<Username>,
    /// Unix accounts of this machine that may run `hubctl` with sudo.
    pub host_operators: Vec<String>,
}

/// `[accounts]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accounts {
    /// Put before a person's name to make the unix account's.
    pub prefix: String,
    /// Where homes are made.
    pub homes: PathBuf,
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes of swap on top.
    pub swap: u64,
    /// Processor time in cores; `None`: as much as is free.
    pub cpu_quota: Option<f64>,
    /// Share of the processors when everybody wants them (100 is the usual).
    pub cpu_weight: u64,
    /// Processes and threads.
    pub tasks: u64,
}

/// `[servers]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Servers {
    /// What opens first.
    pub default_app: DefaultApp,
    /// Stop a server nobody has used for so long; `None`: never.
    pub idle_timeout: Option<Duration>,
    /// How long a server may take until it answers, waiting in the queue not counted.
    pub start_timeout: Duration,
    /// Servers that start at the same time; `None`: by the number of processors and their load.
    pub concurrent_starts: Option<usize>,
}

/// What a student sees first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DefaultApp {
    /// JupyterLab.
    Lab,
    /// Jupyter Notebook 7.
    Notebook,
}

impl DefaultApp {
    /// The path below the server's own base URL.
    pub fn path(self) -> &'static str {
        match self {
            Self::Lab => "/lab",
            Self::Notebook => "/tree",
        }
    }
}

/// `[sessions]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sessions {
    /// A login ends when it was not used for so long.
    pub lifetime: Duration,
}

/// `[machine]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Machine {
    /// Bytes of memory that all students together can never have; `None`: an eighth of the machine, at least 384 MiB
    /// or a quarter of it.
    pub reserve: Option<u64>,
}

impl Config {
    /// Whether the configuration names `name` as an administrator.
    pub fn is_admin(&self, name: &Username) -> bool {
        self.roles.admins.contains(name)
    }

    /// Bytes of memory that all students together may use on a machine that has `total`.
    pub fn users_memory(&self, total: u64) -> u64 {
        let reserve = self.machine.reserve.unwrap_or_else(|| (total / 8).max((384 << 20).min(total / 4)));
        total.saturating_sub(reserve).max(64 << 20)
    }
}
