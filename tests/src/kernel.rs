//! Code in a kernel of somebody's server: what a student's notebook can do, without a browser; and kernels of their own.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hub_machine::Output;
use serde::Deserialize;
use serde_json::Value;

use crate::context::Context;
use crate::guest::Guest;
use crate::hub::{Hub, record};

const CLIENT: &str = include_str!("kernel/client.py");
const CELL_DEADLINE: Duration = Duration::from_secs(180);
/// Starting the kernel and ending it come on top.
const GRACE: Duration = Duration::from_secs(60);

/// Run by a student, who sees whose the sockets of their own processes are: how many ports listen on the machine, then which are
/// theirs, but for one that is opened here, without which nothing could be found. Then what forked processes print, which
/// ipykernel has a port for.
const LISTENERS: &str = "
import multiprocessing, os, re, socket, subprocess
opened = socket.create_server(('127.0.0.1', 0))
lines = subprocess.run(['ss', '-H', '-l', '-t', '-n', '-p'], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
own = [line for line in lines if 'pid=' in line]
known = [line for line in own if ':%d ' % opened.getsockname()[1] in line]
print(len(lines), len(known), [line for line in own if line not in known])
if os.fork() == 0:
    print('forked', flush=True)
    os._exit(0)
os.wait()
child = multiprocessing.get_context('fork').Process(target=lambda: print('multiprocessed', flush=True))
child.start()
child.join()
subprocess.run(['sh', '-c', 'echo spawned'])
import time; end = time.monotonic() + 1
while time.monotonic() < end: time.sleep(0.1)
";
/// What became of a cell.
#[derive(Debug, Clone, Deserialize)]
pub struct Ran {
    /// All it printed.
    pub printed: String,
    /// The exception it ended with.
    pub error: Option<String>,
    /// What the kernel was said to be, one after the other; the last is `idle`, or tells that it died.
    pub states: Vec<String>,
}

impl Ran {
    /// What it printed, without blanks around it, or the exception it ended with.
    pub fn answer(self) -> String {
        self.error.unwrap_or_else(|| self.printed.trim().to_owned())
    }

    /// Whether the kernel ended before the code did.
    pub fn died(&self) -> bool {
        self.states.last().is_some_and(|state| state != "idle")
    }
}

/// Runs `code` in a new kernel of `name`'s server, which must be running.
///
/// # Errors
/// When the server refuses or the code does not end in time.
pub fn run(hub: &Hub, name: &str, code: &str) -> Result<Ran> {
    run_in(&***hub, name, code)
}

/// As [`run`], in any guest with a hub.
///
/// # Errors
/// As [`run`].
pub fn run_in(guest: &dyn Guest, name: &str, code: &str) -> Result<Ran> {
    run_as(guest, name, "python3", code)
}

/// As [`run_in`], in a new kernel of the kind `kernel`.
///
/// # Errors
/// As [`run`].
pub fn run_as(guest: &dyn Guest, name: &str, kernel: &str, code: &str) -> Result<Ran> {
    run_with(guest, name, &[kernel], code)
}

/// Servers and kernels talk over sockets in directories of their own, and so do kernels with their children and with the
/// debugger: nothing of the student's listens on a port, which everybody on the machine could connect to. Returns what does, with a
/// kernel of the kind `kernel`, with the debugger attached as JupyterLab does it and without.
///
/// # Errors
/// As [`run`], and when the debugger can't be attached.
pub fn ports(context: &Context, hub: &Hub, name: &str, kernel: &str) -> Result<Vec<String>> {
    let mut failures = Vec::new();
    for (debugger, arguments) in [("off", &[kernel][..]), ("on", &[kernel, "debug"])] {
        let ran = run_with(&***hub, name, arguments, LISTENERS)?;
        let first = ran.printed.lines().next().unwrap_or_default();
        context.step(&format!(
            "{kernel}, debugger {debugger}: listening ports of the machine, one opened by {name}, others: {first}"
        ))?;
        if !first.ends_with(" 1 []") {
            failures.push(format!("{kernel}, debugger {debugger}: something of {name}'s listens on a port: {ran:?}"));
        }
        for word in ["forked", "multiprocessed", "spawned"] {
            if !ran.printed.contains(word) {
                failures.push(format!("{kernel}, debugger {debugger}: what a {word} process printed is not there: {ran:?}"));
            }
        }
    }
    Ok(failures)
}

fn run_with(guest: &dyn Guest, name: &str, arguments: &[&str], code: &str) -> Result<Ran> {
    let seconds = CELL_DEADLINE.as_secs().to_string();
    let command = [&["/usr/bin/python3", "-c", CLIENT, name, &seconds], arguments].concat();
    let output = guest.output(&command, code.as_bytes(), CELL_DEADLINE + GRACE);
    let output = output.and_then(Output::checked).with_context(|| format!("running code in a kernel of `{name}`"))?;
    serde_json::from_str(&output.text()).with_context(|| output.text())
}

/// Starts a kernel in `name`'s server that goes on, as under a notebook that is open.
///
/// # Errors
/// When the server refuses.
pub fn keep(guest: &dyn Guest, name: &str) -> Result<()> {
    let script = format!(
        "curl -fsS --unix-socket /run/hubd-servers/{name}/server.sock -H 'X-Hubd-User: {name}' -c /run/jar -o /dev/null http://localhost/user/{name}/lab
         token=$(awk '$6 == \"_xsrf\" {{ print $7 }}' /run/jar)
         curl -fsS --unix-socket /run/hubd-servers/{name}/server.sock -H 'X-Hubd-User: {name}' -H \"X-XSRFToken: $token\" -b /run/jar \
             -H 'Content-Type: application/json' -d '{{\"name\": \"python3\"}}' -o /dev/null http://localhost/user/{name}/api/kernels"
    );
    guest.script(&script, CELL_DEADLINE).map(drop)
}

/// The process of the one kernel of each of `names`.
///
/// # Errors
/// When the machine can't be asked.
pub fn kept(guest: &dyn Guest, names: &[String]) -> Result<BTreeMap<String, String>> {
    let pid = |name: &String| {
        let pids = guest.script(&format!("pgrep -u jupyter-{name} -f 'kernel-.*json' | xargs || true"), CELL_DEADLINE)?;
        Ok((name.clone(), pids))
    };
    names.iter().map(pid).collect()
}

/// A kernel of its own, made and changed by an administrator and used by a student, whose server runs.
#[derive(Debug, Clone, Copy)]
pub struct OwnKernel<'a> {
    /// Where it is.
    pub hub: &'a Hub,
    /// Its name.
    pub name: &'a str,
    /// Who uses it.
    pub student: &'a str,
}

impl OwnKernel<'_> {
    /// Where its generations are.
    pub fn store(&self) -> String {
        format!("/opt/hubd/jupyter/kernels/{}", self.name)
    }

    /// `hubctl env --kernel` with something that is answered at once.
    ///
    /// # Errors
    /// When it exits with anything but 0.
    pub fn about(&self, arguments: &[&str]) -> Result<Value> {
        self.hub.hubctl(&self.env(arguments))
    }

    /// `hubctl env --kernel` with something that builds: its record, whatever came of it.
    ///
    /// # Errors
    /// When there is no record.
    pub fn change(&self, arguments: &[&str]) -> Result<Value> {
        record(self.hub, &self.env(arguments))
    }

    /// What the student gets for a cell in a new one.
    ///
    /// # Errors
    /// As [`run`].
    pub fn cell(&self, code: &str) -> Result<String> {
        Ok(run_as(&***self.hub, self.student, self.name, code)?.answer())
    }

    /// Takes it away, after which nothing is left of it.
    ///
    /// # Errors
    /// When it is not taken away, or something stays.
    pub fn remove(&self) -> Result<()> {
        let removed = record(self.hub, &["env", "remove-kernel", self.name])?;
        ensure!(removed["state"] == "done", "removed: {removed}");
        let script = format!("test ! -e {}; ! grep -q 'kernels[.]{}' /etc/hubd/config.toml", self.store(), self.name);
        self.hub.sh(&script).map(drop)
    }

    fn env<'b>(&'b self, arguments: &[&'b str]) -> Vec<&'b str> {
        [&["env", "--kernel", self.name], arguments].concat()
    }
}
