//! One of somebody's servers: Jupyter, or an app. Units, directories and sockets of each have names of their own.

use std::path::PathBuf;

use hub_core::accounts::Username;
use hub_core::config::AppName;
use hub_core::paths::Paths;
use hub_core::unit_name::UnitName;

/// Whose, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Which<'a> {
    pub(super) name: &'a Username,
    /// `None`: Jupyter.
    pub(super) app: Option<&'a AppName>,
}

impl<'a> Which<'a> {
    pub(super) fn jupyter(name: &'a Username) -> Self {
        Self { name, app: None }
    }

    pub(super) fn app(name: &'a Username, app: &'a AppName) -> Self {
        Self { name, app: Some(app) }
    }

    pub(super) fn unit(self) -> UnitName {
        self.app.map_or_else(|| UnitName::server(self.name), |app| UnitName::app(self.name, app))
    }

    /// The mount of its directory.
    pub(super) fn directory_unit(self) -> UnitName {
        self.app.map_or_else(|| UnitName::server_directory(self.name), |app| UnitName::app_directory(self.name, app))
    }

    /// The mount of its terminals.
    pub(super) fn terminals_unit(self) -> UnitName {
        self.app.map_or_else(|| UnitName::terminals(self.name), |app| UnitName::app_terminals(self.name, app))
    }

    pub(super) fn directory(self, paths: &Paths) -> PathBuf {
        self.app.map_or_else(|| paths.server_directory(self.name), |app| paths.app_directory(self.name, app))
    }

    pub(super) fn terminals(self, paths: &Paths) -> PathBuf {
        self.app.map_or_else(|| paths.terminals(self.name), |app| paths.app_terminals(self.name, app))
    }

    pub(super) fn socket(self, paths: &Paths) -> PathBuf {
        self.directory(paths).join("server.sock")
    }
}
