//! What runs in a server's unit, and with which environment.

use hub_core::accounts::Username;
use hub_core::accounts::lookup::Account;
use hub_core::config::Config;
use hub_core::paths::Paths;
use hub_core::pyenv::{ServerRequest, server_command};

use super::spec::Program;

/// `name`'s server; a plain one is without what she installed and set for herself.
pub(super) fn server(paths: &Paths, name: &Username, account: &Account, config: &Config, is_plain: bool) -> Program {
    let command = server_command(
        paths,
        &ServerRequest {
            name,
            base: config.hub.base(),
            account: &account.name,
            home: &account.home,
            socket: &paths.server_socket(name),
            default_url: config.servers.default_app.path(),
            memory_limit: config.limits_of(name).memory,
            is_plain,
        },
    );
    Program { argv: command.arguments, environment: command.environment }
}
