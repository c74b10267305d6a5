//! One program in a unit that exists for as long as it runs: the only place that spells `systemd-run`. What the unit may do is
//! the caller's, as properties; [`crate::sandbox`] has what nearly all of them give up.

use std::path::Path;
use std::time::Duration;

use crate::command::Command;

const SYSTEMD_RUN: &str = "/usr/bin/systemd-run";

/// How whoever starts the program stays with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attachment {
    /// Waits for its end; its input and outputs are the caller's.
    Piped,
    /// Waits for its end; what it says is the journal's, or goes where its properties say.
    Waited,
    /// Leaves it to itself when it says that it is ready.
    UntilReady,
    /// Leaves it to itself when it has started.
    UntilStarted,
}

/// A program to run in a unit of its own.
#[derive(Debug, Clone)]
pub struct TransientRun {
    attachment: Attachment,
    options: Vec<String>,
}

impl TransientRun {
    /// `description`: what `systemctl` shows it as.
    pub fn new(attachment: Attachment, description: &str) -> Self {
        Self { attachment, options: Vec::new() }.option("description", description)
    }

    /// The unit's name, of which one runs at a time. Without it, it has a name that nobody else has.
    #[must_use]
    pub fn unit(self, name: &str) -> Self {
        self.option("unit", name)
    }

    /// The slice that it counts in.
    #[must_use]
    pub fn slice(self, name: &str) -> Self {
        self.option("slice", name)
    }

    /// One variable of its surroundings. Anybody on the machine can read it.
    #[must_use]
    pub fn env(self, name: &str, value: &str) -> Self {
        self.option("setenv", &format!("{name}={value}"))
    }

    /// Properties of the unit, each as in a unit file: `NAME=VALUE`.
    #[must_use]
    pub fn properties<T: AsRef<str>>(self, properties: impl IntoIterator<Item = T>) -> Self {
        properties.into_iter().fold(self, |run, property| run.option("property", property.as_ref()))
    }

    /// What starts `program`, an absolute path that exists outside the sandbox as well, with `arguments`, which it gets unchanged. It
    /// may take `deadline`: to the program's end, where that is waited for.
    pub fn command<T: AsRef<str>>(self, deadline: Duration, program: &Path, arguments: impl IntoIterator<Item = T>) -> Command {
        Command::new(SYSTEMD_RUN, deadline)
            .args(["--quiet", "--collect"])
            .args(self.attachment.options().iter().copied())
            .args(self.options)
            .arg("--")
            .arg(program.display().to_string())
            .args(arguments.into_iter().map(|argument| literal(argument.as_ref())))
    }

    fn option(mut self, name: &str, value: &str) -> Self {
        self.options.push(format!("--{name}={value}"));
        self
    }
}

impl Attachment {
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Piped => &["--service-type=exec", "--wait", "--pipe"],
            Self::Waited => &["--service-type=exec", "--wait"],
            Self::UntilReady => &["--service-type=notify"],
            Self::UntilStarted => &["--service-type=exec"],
        }
    }
}

/// As systemd hands it on unchanged: it would put a variable in the place of what begins with a dollar.
fn literal(argument: &str) -> String {
    argument.replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_gets_its_arguments_unchanged_and_no_option_is_taken_from_them() {
        let run = TransientRun::new(Attachment::Piped, "hubd: one file")
            .unit("hubd-x.service")
            .slice("hubd-users.slice")
            .env("HOME", "/root")
            .properties(["NoNewPrivileges=yes", "BindPaths=/home/a b"]);
        let command = run.command(Duration::from_secs(1), Path::new("/bin/cat"), ["--wait", "/home/$HOME/${x}"]);
        let expected = [
            "--quiet",
            "--collect",
            "--service-type=exec",
            "--wait",
            "--pipe",
            "--description=hubd: one file",
            "--unit=hubd-x.service",
            "--slice=hubd-users.slice",
            "--setenv=HOME=/root",
            "--property=NoNewPrivileges=yes",
            "--property=BindPaths=/home/a b",
            "--",
            "/bin/cat",
            "--wait",
            "/home/$$HOME/$${x}",
        ];
        assert_eq!(command.arguments(), expected);
    }

    #[test]
    fn what_is_waited_for_is_told_from_what_is_left_to_itself() {
        for (attachment, waits, pipes) in [
            (Attachment::Piped, true, true),
            (Attachment::Waited, true, false),
            (Attachment::UntilReady, false, false),
            (Attachment::UntilStarted, false, false),
        ] {
            let has = |option: &str| attachment.options().contains(&option);
            assert_eq!((has("--wait"), has("--pipe")), (waits, pipes), "{attachment:?}");
            assert_eq!(has("--service-type=notify"), attachment == Attachment::UntilReady, "{attachment:?}");
        }
    }
}
