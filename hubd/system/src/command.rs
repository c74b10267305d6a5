//! The one place that starts a process: argument vectors only, an absolute program, a deadline, bounded output.
//! [`foreground`] is for the one kind of program that has neither: what a person works with at the terminal.

pub mod foreground;

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as StdCommand, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How much of each output stream is kept; what came before is dropped.
const KEPT_BYTES: usize = 256 * 1024;
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// A program that was just written can't be started (`ETXTBSY`) while a process that another thread starts has its file, too, which is
/// until that is a program of its own.
const WRITTEN_PATIENCE: Duration = Duration::from_secs(10);

/// A program to run, its arguments and surroundings.
#[derive(Debug, Clone)]
pub struct Command {
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    clear_environment: bool,
    input: Vec<u8>,
    input_file: Option<Arc<File>>,
    output_file: Option<Arc<File>>,
    timeout: Duration,
}

/// What a program left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The end of standard output.
    pub stdout: String,
    /// The end of standard error.
    pub stderr: String,
}

impl Output {
    /// Whether the program exited with 0.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }
}

impl Command {
    /// `program` must be an absolute path: nothing is looked up along `PATH`.
    pub fn new(program: impl AsRef<Path>, timeout: Duration) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            clear_environment: false,
            input: Vec::new(),
            input_file: None,
            output_file: None,
            timeout,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<T: Into<String>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets one environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Sets several environment variables.
    #[must_use]
    pub fn envs<'a>(self, variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        variables.into_iter().fold(self, |command, (name, value)| command.env(name, value))
    }

    /// Starts from an empty environment.
    #[must_use]
    pub fn env_clear(mut self) -> Self {
        self.clear_environment = true;
        self
    }

    /// What the program reads on standard input; nothing by default.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Standard input is this open file: the program opens nothing by name.
    #[must_use]
    pub fn input_file(mut self, file: File) -> Self {
        self.input_file = Some(Arc::new(file));
        self
    }

    /// Standard output goes to this open file, and not into [`Output`].
    #[must_use]
    pub fn output_file(mut self, file: File) -> Self {
        self.output_file = Some(Arc::new(file));
        self
    }

    #[cfg(test)]
    pub(crate) fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// Runs the program to its end, whatever its exit code.
    ///
    /// # Errors
    /// When it can't be started or runs past its deadline (it is then killed).
    pub fn output(&self) -> Result<Output> {
        self.output_with(|_| ())
    }

    /// As [`Command::output`], and calls `line` with each line of standard error while the program runs.
    ///
    /// # Errors
    /// As [`Command::output`].
    pub fn output_with(&self, mut line: impl FnMut(&str) + Send) -> Result<Output> {
        if !self.program.is_absolute() {
            bail!("program `{}` is not an absolute path", self.program.display());
        }
        tracing::debug!(program = %self.program.display(), arguments = ?self.arguments, "running program");
        let mut command = StdCommand::new(&self.program);
        if self.clear_environment {
            command.env_clear();
        }
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(stream(self.input_file.as_deref())?)
            .stdout(stream(self.output_file.as_deref())?)
            .stderr(Stdio::piped());
        let mut child = start(&mut command).with_context(|| format!("starting `{}`", self.program.display()))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        thread::scope(|scope| {
            scope.spawn(|| {
                if let Some(mut stdin) = stdin
                    && let Err(error) = stdin.write_all(&self.input)
                {
                    // The program may end without reading; its exit code tells whether that matters.
                    tracing::debug!(%error, program = %self.program.display(), "program closed its input early");
                }
            });
            let out = scope.spawn(|| tail(stdout, |_| ()));
            let err = scope.spawn(|| tail(stderr, &mut line));
            let code = self.wait(&mut child);
            let (stdout, stderr) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
            Ok(Output { code: code?, stdout, stderr })
        })
    }

    /// Runs the program and returns its standard output.
    ///
    /// # Errors
    /// As [`Command::output`], and when it exits with anything but 0; the error then ends with what it said last.
    pub fn run(&self) -> Result<String> {
        self.checked(self.output()?)
    }

    /// As [`Command::run`], and calls `line` with each line of standard error while the program runs.
    ///
    /// # Errors
    /// As [`Command::run`].
    pub fn run_with(&self, line: impl FnMut(&str) + Send) -> Result<String> {
        self.checked(self.output_with(line)?)
    }

    fn checked(&self, output: Output) -> Result<String> {
        if output.success() {
            return Ok(output.stdout);
        }
        let how = output.code.map_or("a signal ended it".to_owned(), |code| format!("exit code {code}"));
        let said = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
        let last: Vec<&str> = said.trim_end().lines().rev().take(12).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        bail!("`{} {}`: {how}\n{}", self.program.display(), self.arguments.join(" "), last.join("\n"))
    }

    fn wait(&self, child: &mut Child) -> Result<Option<i32>> {
        let deadline = Instant::now() + self.timeout;
        loop {
            if let Some(status) = child.try_wait().with_context(|| format!("waiting for `{}`", self.program.display()))? {
                return Ok(status.code());
            }
            if Instant::now() >= deadline {
                child.kill().with_context(|| format!("ending `{}`", self.program.display()))?;
                child.wait().with_context(|| format!("waiting for `{}`", self.program.display()))?;
                bail!(
                    "`{} {}` was still running after {} s, so it was ended",
                    self.program.display(),
                    self.arguments.join(" "),
                    self.timeout.as_secs()
                );
            }
            thread::sleep(POLL_INTERVAL);
        }
    }
}

/// Starts it, once nobody has it open for writing any more.
fn start(command: &mut StdCommand) -> std::io::Result<Child> {
    let end = Instant::now() + WRITTEN_PATIENCE;
    loop {
        match command.spawn() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && Instant::now() < end => thread::sleep(POLL_INTERVAL),
            started => return started,
        }
    }
}

/// An open file, or a pipe.
fn stream(file: Option<&File>) -> Result<Stdio> {
    let again = file.map(File::try_clone).transpose().context("handing over an open file")?;
    Ok(again.map_or_else(Stdio::piped, Stdio::from))
}

/// Reads to the end, keeps the last part, hands on every whole line.
fn tail(stream: Option<impl Read>, mut line: impl FnMut(&str)) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let (mut kept, mut unfinished, mut chunk) = (Vec::new(), Vec::new(), [0; 8192]);
    while let Ok(count) = stream.read(&mut chunk) {
        if count == 0 {
            break;
        }
        kept.extend_from_slice(&chunk[..count]);
        if kept.len() > 2 * KEPT_BYTES {
            kept.drain(..kept.len() - KEPT_BYTES);
        }
        for byte in &chunk[..count] {
            if *byte == b'\n' {
                line(&String::from_utf8_lossy(&unfinished));
                unfinished.clear();
            } else if unfinished.len() < 8192 {
                unfinished.push(*byte);
            }
        }
    }
    kept.drain(..kept.len().saturating_sub(KEPT_BYTES));
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn shell(script: &str) -> Command {
        Command::new("/bin/sh", LONG).args(["-c", script])
    }

    #[test]
    fn passes_input_and_returns_output() {
        assert_eq!(Command::new("/bin/cat", LONG).input("hello").run().unwrap(), "hello");
    }

    #[test]
    fn reads_and_writes_open_files() {
        let (mut input, output) = (tempfile::tempfile().unwrap(), tempfile::NamedTempFile::new().unwrap());
        std::io::Write::write_all(&mut input, b"hello").unwrap();
        std::io::Seek::rewind(&mut input).unwrap();
        let copy = Command::new("/bin/cat", LONG).input_file(input).output_file(output.reopen().unwrap());
        assert_eq!(copy.run().unwrap(), "", "what went to the file came here, too");
        assert_eq!(std::fs::read_to_string(output.path()).unwrap(), "hello");
    }

    #[test]
    fn waits_for_whoever_writes_the_program() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"#!/bin/sh\necho written\n").unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let writer = thread::spawn(move || {
            thread::sleep(10 * POLL_INTERVAL);
            drop(file);
        });
        assert_eq!(Command::new(&path, LONG).run().unwrap(), "written\n");
        writer.join().unwrap();
    }

    #[test]
    fn error_carries_exit_code_and_last_words() {
        let error = shell("echo why >&2; exit 3").run().unwrap_err().to_string();
        assert!(error.contains("exit code 3") && error.ends_with("why"), "{error}");
    }

    #[test]
    fn ends_a_program_at_its_deadline() {
        let error = Command::new("/bin/sleep", Duration::from_millis(50)).arg("60").run().unwrap_err().to_string();
        assert!(error.contains("was still running after"), "{error}");
    }

    #[test]
    fn refuses_a_relative_program() {
        assert!(Command::new("sh", LONG).run().unwrap_err().to_string().contains("not an absolute path"));
    }

    #[test]
    fn keeps_only_the_end_of_a_flood() {
        let output = shell("head -c 3000000 /dev/zero | tr '\\0' x; echo end").output().unwrap();
        assert!(output.stdout.len() <= KEPT_BYTES && output.stdout.ends_with("end\n"));
    }

    #[test]
    fn hands_on_lines_while_running() {
        let mut lines = Vec::new();
        shell("echo one >&2; echo two >&2").run_with(|line| lines.push(line.to_owned())).unwrap();
        assert_eq!(lines, ["one", "two"]);
    }
}
