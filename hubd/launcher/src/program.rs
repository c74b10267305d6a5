//! What runs in a server's unit, and with which environment.

use hub_core::accounts::Username;
use hub_core::accounts::lookup::Account;
use hub_core::config::apps::{Placeholder, Prefix, fill};
use hub_core::config::{App, AppName, Config};
use hub_core::paths::Paths;
use hub_environment::pyenv::{ServerRequest, server_command};

use super::spec::Program;
use super::which::Which;

/// `name`'s server; a plain one is without what they installed and set for themselves.
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

/// `name`'s `app`. A program of ours stands before it: it finds the app where people's own terminals would, and passes on what
/// the hub says to a port.
pub(super) fn app(paths: &Paths, name: &Username, account: &Account, config: &Config, app: &AppName, what: &App) -> Program {
    let socket = Which::app(name, app).socket(paths).display().to_string();
    let prefix = match what.prefix {
        Prefix::Kept => format!("{}/user/{name}/apps/{app}/", config.hub.base()),
        Prefix::Stripped => "/".to_owned(),
    };
    let home = account.home.display().to_string();
    let known = [
        (Placeholder::Socket, socket.as_str()),
        (Placeholder::Prefix, &prefix),
        (Placeholder::Home, &home),
        (Placeholder::User, name.as_str()),
    ];
    let mut argv = vec![paths.binaries().join("hubd-app").display().to_string()];
    if what.has_port() {
        argv.extend(["--relay".to_owned(), socket.clone()]);
    }
    argv.push("--".to_owned());
    argv.extend(what.command.iter().map(|argument| fill(argument, &known)));
    let environment = paths.environment_mount().join("bin");
    let variables = [
        ("HOME", home.as_str()),
        ("USER", &account.name),
        ("LOGNAME", &account.name),
        ("SHELL", "/bin/bash"),
        ("PATH", &format!("{}:/usr/local/bin:/usr/bin:/bin", environment.display())),
        ("LANG", "C.UTF-8"),
        ("HUBD_USER", name.as_str()),
        ("HUBD_APP", app.as_str()),
    ];
    Program { argv, environment: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into() }
}
