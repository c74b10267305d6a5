//! What several checks want to know, found out once.

use hub_core::config::{self, Config};
use hub_core::control::{self, HubStatus, Reply, Request};
use hub_core::paths::Paths;
use hub_system::systemctl::Systemctl;
use jiff::Timestamp;

/// The machine at one moment.
pub(crate) struct Look<'a> {
    pub(crate) paths: &'a Paths,
    pub(crate) systemctl: Systemctl,
    pub(crate) now: Timestamp,
    /// What the hub says of itself; else why it says nothing.
    pub(crate) hub: Result<HubStatus, String>,
    /// The configuration as the file has it; else what is wrong with that.
    pub(crate) config: Result<Config, String>,
}

impl<'a> Look<'a> {
    pub(crate) fn at(paths: &'a Paths) -> Self {
        let hub = match control::call(&paths.control_socket(), &Request::Status) {
            Ok(Reply::Status(status)) => Ok(status),
            Ok(other) => Err(format!("its answer is of another version: {other:?}")),
            Err(error) => Err(error.to_string()),
        };
        let config = config::read(&paths.config_file()).map(|loaded| loaded.config).map_err(|error| error.to_string());
        Self { paths, systemctl: Systemctl::new(paths), now: Timestamp::now(), hub, config }
    }
}
