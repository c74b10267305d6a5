//! `[apps.NAME]`: web programs beside Jupyter.

use std::collections::BTreeMap;

use super::super::apps::Prefix;
use super::super::tree::Typed;
use super::super::{App, AppName};
use super::{Check, read};

/// A path that is asked for, and nothing that would have to be escaped in it.
fn path(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-~?&=".contains(c);
    match text.starts_with('/') && text.len() <= 200 && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is not a path to ask for; expected a slash first, as in \"/health\"")),
    }
}

fn prefix(text: &str) -> Result<Prefix, String> {
    let known = [Prefix::Stripped, Prefix::Kept];
    let found = known.into_iter().find(|known| known.name() == text);
    found.ok_or_else(|| format!("{text:?} is neither \"stripped\" nor \"kept\""))
}

impl Check<'_, '_> {
    pub(super) fn apps(&mut self) -> BTreeMap<AppName, App> {
        let mut apps = BTreeMap::new();
        for (written, span) in std::mem::take(&mut self.tree.apps) {
            let key = |key: &str| format!("apps.{written}.{key}");
            let app = App {
                title: self
                    .text(&key("title"), |text| read::line_of_text("the title", text, 60))
                    .unwrap_or_else(|| written.clone()),
                description: self.text(&key("description"), |text| read::line_of_text("the description", text, 200)),
                command: self.command(&key("command")),
                prefix: self.text(&key("prefix"), prefix).unwrap_or(Prefix::Stripped),
                ready: self.text(&key("ready"), path).unwrap_or_else(|| "/".to_owned()),
                network: self.switch(&key("network")).unwrap_or(false),
            };
            match written.parse::<AppName>() {
                Err(error) => self.problem(span, error.to_string(), None),
                Ok(name) => {
                    if let Some((message, hint)) = app.obstacle() {
                        self.problem(span, format!("app `{name}`: {message}"), Some(hint));
                    }
                    apps.insert(name, app);
                }
            }
        }
        apps
    }

    /// Not a list of things: an argument may be there twice.
    fn command(&mut self, path: &str) -> Vec<String> {
        let Some(entry) = self.take(path) else { return Vec::new() };
        let Typed::List(items) = entry.value else { return Vec::new() };
        let mut command = Vec::new();
        for (argument, span) in items {
            match argument.chars().find(|c| c.is_control() || matches!(c, '$' | '%')) {
                // systemd would put something else in its place.
                Some(mark @ ('$' | '%')) => {
                    let hint = "no shell reads it; put what needs that into a script, and its path here";
                    self.problem(span, format!("the argument {argument:?} has a `{mark}`"), Some(hint));
                }
                Some(_) => self.problem(span, format!("the argument {argument:?} has a control character"), None),
                None => command.push(argument),
            }
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use crate::config::apps::Prefix;
    use crate::config::parse;

    #[test]
    fn an_app_is_read_with_what_is_not_said() {
        let text = "[apps.refine]\ncommand = [\"refine\", \"-v\", \"-v\", \"-p\", \"{port}\"]\n";
        let config = parse(text, "test").unwrap();
        let app = &config.apps[&"refine".parse().unwrap()];
        assert_eq!((app.title.as_str(), app.prefix, app.ready.as_str(), app.network), ("refine", Prefix::Stripped, "/", false));
        assert_eq!(app.command, ["refine", "-v", "-v", "-p", "{port}"], "an argument may be there twice");
        assert_eq!(parse(&config.to_toml(), "again").unwrap().apps, config.apps);
    }

    #[test]
    fn what_is_wrong_is_told_at_its_place() {
        for (text, told) in [
            ("[apps.x]\n", "app `x`: an app needs a `command`"),
            ("[apps.x]\ncommand = [\"x\", \"$HOME/{port}\"]\n", "has a `$`"),
            ("[apps.x]\ncommand = [\"x\", \"{port}\", \"%n\"]\n", "has a `%`"),
            ("[apps.x]\ncommand = [\"x\", \"{port}\"]\nready = \"health\"\n", "is not a path to ask for"),
            ("[apps.x]\ncommand = [\"x\", \"{port}\"]\nprefix = \"none\"\n", "is neither \"stripped\" nor \"kept\""),
            ("[apps.x]\ncommand = \"x {port}\"\n", "put it in brackets"),
            ("[apps.a_b]\ncommand = [\"x\", \"{port}\"]\n", "is not a name for an app"),
            ("[apps]\nx = 1\n", "`apps.x` is a table"),
            ("apps = 1\n", "`apps` is a table; expected [apps.NAME]"),
            ("[apps.x]\nport = 80\ncommand = [\"x\", \"{port}\"]\n", "`port` is not a key"),
        ] {
            let problems = parse(text, "test").unwrap_err().to_string();
            assert!(problems.contains(told), "{text}: {problems}");
        }
    }
}
