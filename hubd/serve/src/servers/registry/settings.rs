//! How servers start and stop: what the configuration says, on this machine.

use std::path::PathBuf;
use std::time::Duration;

use hub_core::config::{App, AppName, Config};
use hub_core::paths::Paths;

use super::super::load::memory_total;

/// How servers start and stop here.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a server may take until it answers, counted from its turn, slowly while the machine is strained.
    pub start_timeout: Duration,
    /// Stop a server nobody has used for so long; `None`: never.
    pub idle_timeout: Option<Duration>,
    /// Servers that start at the same time; `None`: by the number of processors and their load.
    pub concurrent_starts: Option<usize>,
    /// Processors of the machine.
    pub cores: usize,
    /// Bytes of memory that students can never have.
    pub reserve: u64,
    /// Where things are on the machine.
    pub paths: Paths,
    /// Where the kernel tells about itself.
    pub proc: PathBuf,
    /// The path below which the hub is on its host; empty: none.
    pub base: String,
    /// Which app these servers are; `None`: Jupyter.
    pub app: Option<(AppName, App)>,
    /// How often things are looked at.
    pub pace: Pace,
}

/// How often things are looked at that nobody announces.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Compare with systemd's list.
    pub list: Duration,
    /// See whether a starting server still runs.
    pub state: Duration,
    /// Measure the load and let more start, while somebody waits.
    pub queue: Duration,
    /// Look for idle servers.
    pub cull: Duration,
    /// Ask a launcher again that did not answer.
    pub retry: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            list: Duration::from_secs(5),
            state: Duration::from_millis(500),
            queue: Duration::from_millis(250),
            cull: Duration::from_secs(60),
            retry: Duration::from_millis(500),
        }
    }
}

impl Settings {
    /// What `config` says, on this machine.
    pub fn new(config: &Config, paths: &Paths) -> Self {
        let proc = paths.kernel_figures();
        let total = memory_total(&proc);
        Self {
            start_timeout: config.servers.start_timeout,
            idle_timeout: config.servers.idle_timeout,
            concurrent_starts: config.servers.concurrent_starts,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            reserve: total.map_or(0, |total| total.saturating_sub(config.users_memory(total))),
            paths: paths.clone(),
            proc,
            base: config.hub.base().to_owned(),
            app: None,
            pace: Pace::default(),
        }
    }

    /// The same for people's `app`s.
    #[must_use]
    pub fn for_app(self, name: AppName, app: App) -> Self {
        Self { app: Some((name, app)), ..self }
    }
}
