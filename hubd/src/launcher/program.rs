//! What runs in a server's unit, and with which environment.

use std::io;

use anyhow::{Context, Result};
use hub_core::accounts::Username;
use hub_core::accounts::lookup::Account;
use hub_core::config::Config;
use hub_core::paths::Paths;

use super::spec::Program;

/// The environment generation that new servers get; `None` before the first.
pub(super) fn current(paths: &Paths) -> Result<Option<u32>> {
    let path = paths.current_environment();
    match fs_err::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().parse().with_context(|| format!("reading a number from `{}`", path.display()))?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("reading which environment is current"),
    }
}

/// `name`'s server.
pub(super) fn server(paths: &Paths, name: &Username, account: &Account, config: &Config) -> Program {
    let python = paths.environment_mount().join("bin/python");
    let environment = [
        ("HOME", account.home.display().to_string()),
        ("USER", account.name.clone()),
        ("LOGNAME", account.name.clone()),
        ("SHELL", "/bin/bash".to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("HUBD_USER", name.to_string()),
        ("HUBD_SOCKET", paths.server_socket(name).display().to_string()),
        ("HUBD_DEFAULT_URL", config.servers.default_app.path().to_owned()),
        ("MEM_LIMIT", config.limits.memory.to_string()),
    ];
    Program {
        argv: [python.to_string_lossy().as_ref(), "-I", "-m", "hubd_jupyter"].map(str::to_owned).into(),
        environment: environment.map(|(name, value)| (name.to_owned(), value)).into(),
    }
}
