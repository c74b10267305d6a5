//! Programs sent into a virtual machine over one ssh connection, because a new one costs seconds under emulation.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as StdCommand, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use hub_machine::Output;
use hub_system::command::Command;

const SSH: &str = "/usr/bin/ssh";
const SHELL: &str = "/bin/sh";
/// The port of the guest.
pub(super) const PORT: u16 = 22;
/// A handshake under emulation on a busy host.
const CONNECT_DEADLINE: Duration = Duration::from_secs(30);
/// How long after the program's own deadline the connection is given up.
const GRACE: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
const OPTIONS: [&str; 6] = [
    "-oStrictHostKeyChecking=no",
    "-oUserKnownHostsFile=/dev/null",
    "-oLogLevel=ERROR",
    "-oBatchMode=yes",
    "-oConnectTimeout=20",
    "-oServerAliveInterval=15",
];

/// What keeps output apart from what ssh itself says, and out of pipes that a daemon of the guest could hold open.
const REDIRECT: &str = r#"in=$1 out=$2 err=$3; shift 3; exec "$@" <"$in" >"$out" 2>"$err""#;

/// An open connection; closed when dropped.
#[derive(Debug)]
pub(super) struct Ssh {
    master: Child,
    socket: PathBuf,
    scratch: PathBuf,
}

impl Ssh {
    /// Opens a connection as root to the guest behind `port` of our loopback.
    pub(super) fn connect(key: &Path, port: u16, directory: &Path) -> Result<Self> {
        let socket = directory.join("ssh");
        if socket.exists() {
            fs::remove_file(&socket)?;
        }
        let master = StdCommand::new(SSH)
            .args(OPTIONS)
            .args(["-F", "none", "-N", "-M", "-S"])
            .arg(&socket)
            .arg("-i")
            .arg(key)
            .args(["-p", &port.to_string(), "root@127.0.0.1"])
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(directory.join("ssh.txt"))?.into_parts().0)
            .spawn()
            .with_context(|| format!("starting `{SSH}`"))?;
        let mut ssh = Self { master, socket, scratch: directory.to_owned() };
        ssh.wait_until_open(&directory.join("ssh.txt"))?;
        Ok(ssh)
    }

    fn wait_until_open(&mut self, said: &Path) -> Result<()> {
        let deadline = Instant::now() + CONNECT_DEADLINE;
        while !self.socket.exists() {
            if let Some(status) = self.master.try_wait()? {
                bail!("ssh ended with {status}: {}", fs::read_to_string(said)?.trim());
            }
            if Instant::now() >= deadline {
                bail!("waited {} s for the ssh server", CONNECT_DEADLINE.as_secs());
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    /// Runs a program to its end, whatever its exit code.
    pub(super) fn output(&self, arguments: &[&str], input: &[u8], timeout: Duration) -> Result<Output> {
        let scratch = tempfile::tempdir_in(&self.scratch)?;
        let place = |name: &str| scratch.path().join(name);
        fs::write(place("in"), input)?;
        let remote: Vec<String> = ["/usr/bin/timeout", "--signal=KILL", &timeout.as_secs_f64().to_string()]
            .iter()
            .chain(arguments)
            .map(|word| quote(word))
            .collect();
        let started = Instant::now();
        let output = Command::new(SHELL, timeout + GRACE)
            .args(["-euc", REDIRECT, SHELL])
            .args(["in", "out", "err"].map(|name| place(name).display().to_string()))
            .args([SSH, "-F", "none"])
            .args(OPTIONS)
            .args(["-S", &self.socket.display().to_string(), "root@vm", "--"])
            .arg(remote.join(" "))
            .output()
            .with_context(|| format!("running `{}` in the virtual machine", arguments.join(" ")))?;
        let code = output.code.context("ssh was ended by a signal")?;
        if code == 128 + 9 && started.elapsed() >= timeout {
            bail!("`{}` was still running after {} s, so it was ended", arguments.join(" "), timeout.as_secs());
        }
        let (stdout, stderr) = (fs::read(place("out"))?, fs::read(place("err"))?);
        Ok(Output { code, stdout, stderr, command: arguments.join(" ") })
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        if let Err(error) = self.master.kill().and_then(|()| self.master.wait()) {
            eprintln!("ending ssh: {error}");
        }
    }
}

/// A word as the shell at the other end reads it back unchanged.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_words_for_the_other_shell() {
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
    }
}
