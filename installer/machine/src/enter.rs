//! Sending programs and files into a machine: into its namespaces and its control groups.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use fs_err as fs;
use hub_system::command::Command;

use super::STATE_DIRECTORY;
use super::cgroup;
use super::lifecycle::Machine;

const SHELL: &str = "/bin/sh";
const NSENTER: &str = "/usr/bin/nsenter";
const TIMEOUT: &str = "/usr/bin/timeout";
/// What this process was told to ignore (SIGHUP by nohup, SIGINT by a shell's `&`) is nothing that the machine shares.
const AFRESH: [&str; 2] = ["/usr/bin/env", "--default-signal"];
const NO_INPUT: &str = "/dev/null";
/// What a program may take unless its caller says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);
const COPY_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// How long after a program's own deadline the helper that watches over it is given up.
const GRACE: Duration = Duration::from_secs(10);
/// How often is looked for what a program says meanwhile.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// What the helper says when it never came to start the program.
const NOT_ENTERED: i32 = 125;

/// Runs on the host: joins the groups of the machine, then becomes nsenter. Output goes to files, so that a daemon
/// which keeps it open holds up nobody.
const ENTER: &str = r#"in=$1 out=$2 err=$3; shift 3
while [ "$1" != -- ]; do echo $$ >"$1" || exit 125; shift; done
shift
exec "$@" <"$in" >"$out" 2>"$err""#;

/// As [`ENTER`], for a program that talks to the terminal of whoever calls.
const ATTACH: &str = r#"while [ "$1" != -- ]; do echo $$ >"$1"; shift; done
shift
exec "$@""#;

/// Runs in the machine: a file appears whole, with its mode, or not at all.
const RECEIVE_FILE: &str = r#"mkdir -p "$(dirname "$1")"; umask 077
cat >"$1.part"; chmod "$2" "$1.part"; mv -f "$1.part" "$1""#;

/// Runs in the machine: becomes a user, in their home if they have one.
const AS_USER: &str = r#"user=$1; shift
home=$(getent passwd "$user" | cut -d: -f6)
cd "$home" || cd /
exec env HOME="$home" USER="$user" LOGNAME="$user" /usr/sbin/runuser --user="$user" -- "$@""#;

/// What a program in a machine left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// Exit code; 128 and the signal's number when a signal ended it.
    pub code: i32,
    /// All of standard output.
    pub stdout: Vec<u8>,
    /// All of standard error.
    pub stderr: Vec<u8>,
    /// What was run.
    pub command: String,
}

impl Output {
    /// Whether the program exited with 0.
    pub fn success(&self) -> bool {
        self.code == 0
    }

    /// Standard output as text, without the blanks around it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }

    /// Standard error as text, without the blanks around it.
    pub fn complaint(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim().to_owned()
    }

    /// Passes on an output whose program exited with 0.
    ///
    /// # Errors
    /// Any other exit code, with what the program said.
    pub fn checked(self) -> Result<Self> {
        if self.success() {
            return Ok(self);
        }
        bail!("`{}` in the machine: exit code {}\n{}\n{}", self.command, self.code, self.text(), self.complaint())
    }
}

/// What to run on the host, with a terminal, to be in a machine.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// An absolute program.
    pub program: &'static str,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// All of its environment.
    pub environment: Vec<(String, String)>,
}

/// A program about to be sent into a machine.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    machine: &'a Machine,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    user: Option<String>,
    input: Vec<u8>,
    input_file: Option<PathBuf>,
    output_file: Option<PathBuf>,
    error_file: Option<PathBuf>,
    timeout: Duration,
}

impl Machine {
    /// A program of the machine with its arguments, to be run by root in `/`.
    pub fn command<T: Into<String>>(&self, arguments: impl IntoIterator<Item = T>) -> Entry<'_> {
        Entry {
            machine: self,
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
            user: None,
            input: Vec::new(),
            input_file: None,
            output_file: None,
            error_file: None,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// Runs a POSIX shell script as root, which ends at the first command that does not succeed; returns its output.
    ///
    /// # Errors
    /// When it exits with anything but 0; the error carries what it said.
    pub fn sh(&self, script: &str) -> Result<String> {
        Ok(self.command([SHELL, "-euc", script]).run()?.text())
    }

    /// Copies a file of the host to `target` in the machine, owned by root.
    ///
    /// # Errors
    /// When either can't be read or written.
    pub fn copy_in(&self, source: &Path, target: &str, mode: u32) -> Result<()> {
        let mut entry = self.command([SHELL, "-euc", RECEIVE_FILE, SHELL, target, &format!("{mode:o}")]);
        entry.input_file = Some(source.to_owned());
        entry.timeout(COPY_TIMEOUT).run().with_context(|| format!("copying `{}` to the machine", source.display()))?;
        Ok(())
    }

    /// Writes `content` to `target` in the machine, owned by root.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, target: &str, content: impl Into<Vec<u8>>, mode: u32) -> Result<()> {
        self.command([SHELL, "-euc", RECEIVE_FILE, SHELL, target, &format!("{mode:o}")])
            .input(content)
            .run()
            .with_context(|| format!("writing `{target}` in the machine"))?;
        Ok(())
    }

    /// Copies what is in a directory of the host into `target` in the machine, modes kept, owned by root.
    ///
    /// # Errors
    /// When either can't be read or written.
    pub fn copy_tree_in(&self, source: &Path, target: &str) -> Result<()> {
        let archive = tempfile::NamedTempFile::new()?;
        Command::new("/usr/bin/tar", COPY_TIMEOUT)
            .args(["--create", "--owner=0", "--group=0", "--numeric-owner"])
            .arg(format!("--file={}", archive.path().display()))
            .arg(format!("--directory={}", source.display()))
            .arg(".")
            .run()
            .with_context(|| format!("packing `{}`", source.display()))?;
        let script = r#"mkdir -p "$1"; tar --extract --directory="$1""#;
        let mut entry = self.command([SHELL, "-euc", script, SHELL, target]);
        entry.input_file = Some(archive.path().to_owned());
        entry.timeout(COPY_TIMEOUT).run().with_context(|| format!("copying `{}` to the machine", source.display()))?;
        Ok(())
    }

    /// Copies the file `source` of the machine to `target` on the host.
    ///
    /// # Errors
    /// When either can't be read or written.
    pub fn copy_out(&self, source: &str, target: &Path) -> Result<()> {
        let mut entry = self.command(["/bin/cat", "--", source]);
        entry.output_file = Some(target.to_owned());
        entry.timeout(COPY_TIMEOUT).run().with_context(|| format!("copying `{source}` from the machine"))?;
        Ok(())
    }

    /// How to run a program of the machine on the caller's own terminal; without arguments, a shell.
    ///
    /// # Errors
    /// When the machine does not run.
    pub fn attach<T: Into<String>>(&self, arguments: impl IntoIterator<Item = T>) -> Result<Attachment> {
        let mut program: Vec<String> = arguments.into_iter().map(Into::into).collect();
        if program.is_empty() {
            program = ["/bin/bash", "--login"].map(str::to_owned).into();
        }
        let mut all: Vec<String> = ["-euc", ATTACH, SHELL].map(str::to_owned).into();
        all.extend(self.entrance()?);
        all.extend(program);
        Ok(Attachment { program: SHELL, arguments: all, environment: self.environment() })
    }

    /// The groups to join, `--`, and how to enter the namespaces.
    fn entrance(&self) -> Result<Vec<String>> {
        let leader = self.leader()?;
        let mut arguments: Vec<String> =
            cgroup::entrances_of(leader)?.into_iter().map(|path| path.display().to_string()).collect();
        arguments.push("--".to_owned());
        arguments.extend([NSENTER, "--all", "--root", "--wd"].map(str::to_owned));
        arguments.push(format!("--target={}", leader.pid));
        arguments.push("--".to_owned());
        Ok(arguments)
    }

    fn environment(&self) -> Vec<(String, String)> {
        let fixed = [
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/root"),
            ("USER", "root"),
            ("LOGNAME", "root"),
            ("LANG", "C.UTF-8"),
            ("TERM", "xterm"),
        ];
        let fixed = fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        fixed.chain(self.carried().iter().cloned()).collect()
    }
}

impl Entry<'_> {
    /// What the program reads on standard input; nothing by default.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Sets one environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Runs the program as this user of the machine, with their groups and in their home.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// How long the program may take; two minutes by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Runs the program and returns what it said.
    ///
    /// # Errors
    /// As [`Entry::output`], and when it exits with anything but 0.
    pub fn run(&self) -> Result<Output> {
        self.output()?.checked()
    }

    /// As [`Entry::run`], and calls `line` with each line of standard error while the program runs.
    ///
    /// # Errors
    /// As [`Entry::run`].
    pub fn run_with(mut self, mut line: impl FnMut(&str)) -> Result<Output> {
        let said = tempfile::NamedTempFile::new_in(STATE_DIRECTORY)?;
        self.error_file = Some(said.path().to_owned());
        let mut lines = BufReader::new(fs::File::open(said.path())?);
        let mut unfinished = String::new();
        thread::scope(|scope| {
            let running = scope.spawn(|| self.run());
            loop {
                // Looked at before the last reading, so that nothing said at the end is missed.
                let over = running.is_finished();
                while lines.read_line(&mut unfinished)? > 0 && unfinished.ends_with('\n') {
                    line(unfinished.trim_end());
                    unfinished.clear();
                }
                if over {
                    break;
                }
                thread::sleep(LOOK_INTERVAL);
            }
            running.join().map_err(|_| anyhow!("the thread that ran a program in the machine panicked"))?
        })
    }

    /// Runs the program to its end, whatever its exit code.
    ///
    /// # Errors
    /// When the machine does not run, or the program is not done in time (it is then killed).
    pub fn output(&self) -> Result<Output> {
        let command = self.arguments.join(" ");
        let scratch = tempfile::tempdir_in(STATE_DIRECTORY)?;
        let place = |name: &str| scratch.path().join(name);
        let out = self.output_file.clone().unwrap_or_else(|| place("out"));
        let err = self.error_file.clone().unwrap_or_else(|| place("err"));
        let input = match &self.input_file {
            Some(file) => file.clone(),
            None if self.input.is_empty() => PathBuf::from(NO_INPUT),
            None => {
                fs::write(place("in"), &self.input)?;
                place("in")
            }
        };
        let started = Instant::now();
        let enter = Command::new(TIMEOUT, self.timeout + GRACE)
            .env_clear()
            .args(["--signal=KILL", &self.timeout.as_secs_f64().to_string()])
            .args(AFRESH)
            .args([SHELL, "-euc", ENTER, SHELL])
            .args([&input, &out, &err].map(|path| path.display().to_string()))
            .args(self.machine.entrance()?)
            .args(self.program());
        let output = self
            .machine
            .environment()
            .iter()
            .chain(&self.environment)
            .fold(enter, |command, (name, value)| command.env(name, value))
            .output()
            .with_context(|| format!("running `{command}` in the machine"))?;
        let code = output.code.unwrap_or(128 + 9);
        if code == 128 + 9 && started.elapsed() >= self.timeout {
            bail!(
                "`{command}` in the machine was still running after {} s, so it was ended\n{}\n{}",
                self.timeout.as_secs(),
                String::from_utf8_lossy(&fs::read(&out).unwrap_or_default()),
                String::from_utf8_lossy(&fs::read(&err).unwrap_or_default())
            );
        }
        if code == NOT_ENTERED && !output.stderr.is_empty() {
            bail!("entering machine `{}`: {}", self.machine.name(), output.stderr.trim());
        }
        let stdout = if self.output_file.is_some() { Vec::new() } else { fs::read(&out)? };
        Ok(Output { code, stdout, stderr: fs::read(&err)?, command })
    }

    fn program(&self) -> Vec<String> {
        let mut program: Vec<String> = match &self.user {
            Some(user) => [SHELL, "-euc", AS_USER, SHELL, user].map(str::to_owned).into(),
            None => Vec::new(),
        };
        program.extend(self.arguments.iter().cloned());
        program
    }
}
