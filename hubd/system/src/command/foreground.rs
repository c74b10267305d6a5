//! A program that a person works with at the terminal until it ends: an editor. It has no deadline, since people have none.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command as StdCommand, Stdio};

use anyhow::{Context, Result, bail};

/// A program, its arguments and surroundings.
#[derive(Debug)]
pub struct Foreground {
    /// An absolute path.
    pub program: PathBuf,
    /// Without the program's name.
    pub arguments: Vec<OsString>,
    /// All variables it gets.
    pub environment: Vec<(OsString, OsString)>,
    /// The terminal it works at; `None`: what this process reads and writes.
    pub terminal: Option<File>,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

impl Foreground {
    /// Runs the program to its end, in the process group of this process, so that the terminal's keys reach both.
    /// `started` is told its process id.
    ///
    /// # Errors
    /// When it can't be started or waited for.
    pub fn run(self, started: impl FnOnce(u32)) -> Result<Ended> {
        if !self.program.is_absolute() {
            bail!("program `{}` is not an absolute path", self.program.display());
        }
        let name = self.program.display().to_string();
        let mut command = StdCommand::new(&self.program);
        command.args(&self.arguments).env_clear().envs(self.environment);
        if let Some(terminal) = self.terminal {
            let again = || terminal.try_clone().map(Stdio::from).context("handing over the terminal");
            command.stdin(again()?).stdout(again()?).stderr(again()?);
        }
        let mut child = command.spawn().with_context(|| format!("starting `{name}`"))?;
        started(child.id());
        let status = child.wait().with_context(|| format!("waiting for `{name}`"))?;
        Ok(status.code().map_or_else(|| Ended::Signal(status.signal().unwrap_or_default()), Ended::Code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Ended> {
        let program = Foreground {
            program: PathBuf::from("/bin/sh"),
            arguments: vec!["-c".into(), script.into()],
            environment: vec![("WORD".into(), "yes".into())],
            terminal: Some(File::open("/dev/null").unwrap()),
        };
        program.run(|_| ())
    }

    #[test]
    fn tells_how_the_program_ended() {
        assert_eq!(shell("exit 3").unwrap(), Ended::Code(3));
        assert_eq!(shell("kill -9 $$").unwrap(), Ended::Signal(9));
    }

    #[test]
    fn gives_nothing_but_the_environment_named() {
        assert_eq!(shell("test \"$WORD\" = yes && test -z \"$CARGO\"").unwrap(), Ended::Code(0));
    }

    #[test]
    fn refuses_a_relative_program() {
        let program = Foreground { program: "vi".into(), arguments: vec![], environment: vec![], terminal: None };
        assert!(program.run(|_| ()).unwrap_err().to_string().contains("not an absolute path"));
    }
}
