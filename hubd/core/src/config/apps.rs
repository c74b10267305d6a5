//! `[apps.NAME]`: web programs beside Jupyter, one of each for everybody who wants it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Config;
pub use crate::app_name::{AppName, AppNameError};
use crate::paths::Paths;

/// `[apps.NAME]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct App {
    /// What people call it.
    pub title: String,
    /// What it is for, in a sentence.
    pub description: Option<String>,
    /// The program and its arguments, with [placeholders](Placeholder).
    pub command: Vec<String>,
    /// Which part of the address it is asked for.
    pub prefix: Prefix,
    /// The path below its own address that it answers as soon as it is ready.
    pub ready: String,
    /// Whether it reaches the network as its owner's server does; else it has none.
    pub network: bool,
}

impl Config {
    /// Every app that people can start: those of the configuration and the hub's own, whose name the configuration may give to
    /// another.
    pub fn all_apps(&self, paths: &Paths) -> BTreeMap<AppName, App> {
        let mut apps = self.apps.clone();
        apps.entry(AppName::files()).or_insert_with(|| App::files(paths));
        apps
    }
}

/// Which part of the address an app is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Prefix {
    /// The whole: it was told where it is, and makes its links so.
    Kept,
    /// What comes after its own address: it takes itself for the only one.
    Stripped,
}

impl Prefix {
    /// As it is written in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Stripped => "stripped",
        }
    }
}

/// What stands in a command for something that is known at the start only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// The Unix socket that it listens on.
    Socket,
    /// The TCP port that it listens on, in a network of its own.
    Port,
    /// Its address on the hub, with a slash at both ends.
    Prefix,
    /// Its owner's home.
    Home,
    /// Its owner's name.
    User,
}

impl Placeholder {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Socket, Self::Port, Self::Prefix, Self::Home, Self::User];

    /// As it is written in a command.
    pub fn text(self) -> &'static str {
        match self {
            Self::Socket => "{socket}",
            Self::Port => "{port}",
            Self::Prefix => "{prefix}",
            Self::Home => "{home}",
            Self::User => "{user}",
        }
    }
}

impl App {
    /// The hub's own app: what is in somebody's home, and all of it as one file.
    fn files(paths: &Paths) -> Self {
        let program = paths.binaries().join("hubd-files").display().to_string();
        let arguments =
            ["--socket", Placeholder::Socket.text(), "--home", Placeholder::Home.text(), "--user", Placeholder::User.text()];
        Self {
            title: "My files".to_owned(),
            description: Some("What takes room in your home, and everything as one file to take away.".to_owned()),
            command: std::iter::once(program).chain(arguments.map(str::to_owned)).collect(),
            prefix: Prefix::Stripped,
            ready: "/ready".to_owned(),
            network: false,
        }
    }

    /// Whether it listens on a TCP port, and so needs a network of its own and somebody who passes on what the hub says.
    pub fn has_port(&self) -> bool {
        self.uses(Placeholder::Port)
    }

    fn uses(&self, placeholder: Placeholder) -> bool {
        self.command.iter().any(|argument| argument.contains(placeholder.text()))
    }

    /// Why it can't work, if so: what is wrong, and what to do.
    pub fn obstacle(&self) -> Option<(&'static str, &'static str)> {
        let Some(program) = self.command.first() else {
            return Some(("an app needs a `command`", "as in command = [\"/usr/bin/program\", \"--port={port}\"]"));
        };
        if !program.starts_with('/') && program.contains('/') || program.contains('{') || program.is_empty() {
            return Some((
                "its program is neither an absolute path nor a plain name",
                "write it as in \"/usr/bin/program\", or \"program\" for what is in the environment or in /usr/bin",
            ));
        }
        match (self.uses(Placeholder::Socket), self.has_port()) {
            (false, false) => Some((
                "its command says neither {socket} nor {port}, so the hub does not know where it listens",
                "write {socket} or {port} where the program expects what it listens on",
            )),
            (true, true) => Some(("its command says {socket} and {port}", "leave one of them out")),
            (false, true) if self.network => Some((
                "an app that listens on a port can't have the network: everybody on the machine could reach that port",
                "take `network = true` out, or have it listen on {socket}",
            )),
            _ => None,
        }
    }
}

/// `argument` with what is known in place of what it stands for.
pub fn fill(argument: &str, known: &[(Placeholder, &str)]) -> String {
    let mut filled = String::new();
    let mut rest = argument;
    while let Some(at) = rest.find('{') {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        match known.iter().find(|(placeholder, _)| rest.starts_with(placeholder.text())) {
            Some((placeholder, value)) => {
                filled.push_str(value);
                rest = &rest[placeholder.text().len()..];
            }
            None => {
                filled.push('{');
                rest = &rest[1..];
            }
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(command: &[&str], network: bool) -> App {
        App {
            title: "App".to_owned(),
            description: None,
            command: command.iter().map(|text| (*text).to_owned()).collect(),
            prefix: Prefix::Stripped,
            ready: "/".to_owned(),
            network,
        }
    }

    #[test]
    fn a_value_is_not_looked_through_for_more() {
        let known = [(Placeholder::User, "{home}"), (Placeholder::Home, "/home/ada"), (Placeholder::Port, "80")];
        assert_eq!(fill("{user}:{home}/x{port}{other}{", &known), "{home}:/home/ada/x80{other}{");
    }

    #[test]
    fn the_hubs_own_app_is_there_unless_the_configuration_has_one_of_that_name() {
        let paths = Paths::under("/");
        let mut config = crate::config::parse("", "here").unwrap();
        let own = config.all_apps(&paths).remove(&AppName::files()).unwrap();
        assert_eq!((own.command[0].as_str(), own.obstacle()), ("/opt/hubd/bin/hubd-files", None));
        config.apps.insert(AppName::files(), app(&["/usr/bin/other", "{port}"], false));
        assert_eq!(config.all_apps(&paths)[&AppName::files()].command[0], "/usr/bin/other");
    }

    #[test]
    fn what_nobody_could_reach_or_everybody_could_is_refused() {
        for (command, network, works) in [
            (&["/usr/bin/app", "{port}"][..], false, true),
            (&["app", "unix:{socket}"], true, true),
            (&["app", "{port}"], true, false),
            (&["app", "{port}", "{socket}"], false, false),
            (&["app"], false, false),
            (&["bin/app", "{port}"], false, false),
            (&["{home}/app", "{port}"], false, false),
            (&[], false, false),
        ] {
            assert_eq!(app(command, network).obstacle().is_none(), works, "{command:?}");
        }
    }
}
