//! A student's own packages: installed in a notebook and in a terminal they are there at once, and nothing she installs
//! reaches the shared environment or keeps her server from starting. Kernels she installs run with her packages, over Unix
//! sockets where they can.

use anyhow::{Result, ensure};
use hub_machine::{BaseSpec, Release};

use super::class::wait_for_line;
use super::{Group, Scenario};
use crate::browser::Browser;
use crate::context::Context;
use crate::hub::Hub;
use crate::{kernel, lab, wait};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "packages",
    about: "pip in a notebook and in a terminal: own packages at once, shared ones untouched, no server broken, no node started",
    group: Group::Default,
    needs_programs: true,
    run: |context| run(context, Release::Bookworm),
};

pub(super) const TRIXIE: Scenario = Scenario {
    name: "packages-trixie",
    about: "the same on Debian 13: the whole hub with another systemd and another Python",
    group: Group::Nightly,
    needs_programs: true,
    run: |context| run(context, Release::Trixie),
};

const STUDENT: &str = "bob";
const HOME: &str = "/home/hubd/jupyter-bob";
/// A kernel as packages bring one: a module, and what Jupyter reads about it, which names no place of Python.
const KERNEL: &str = r#"
import json, os, zipfile
code = """
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel
class Echo(Kernel):
    implementation = language = banner = "echo"
    implementation_version = language_version = "1"
    language_info = {"name": "echo", "mimetype": "text/plain", "file_extension": ".txt"}
    def do_execute(self, code, silent, *arguments, **named):
        self.send_response(self.iopub_socket, "stream", {"name": "stdout", "text": code.upper()})
        return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}
IPKernelApp.launch_instance(kernel_class=Echo)
"""
spec = {"argv": ["python", "-m", "echokernel", "-f", "{connection_file}"], "display_name": "Echo", "language": "echo"}
files = {
    "echokernel.py": code,
    "echokernel-1.0.data/data/share/jupyter/kernels/echo/kernel.json": json.dumps(spec),
    "echokernel-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: echokernel\nVersion: 1.0\n",
    "echokernel-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}
files["echokernel-1.0.dist-info/RECORD"] = "".join(f"{name},,\n" for name in [*files, "echokernel-1.0.dist-info/RECORD"])
with zipfile.ZipFile(os.path.expanduser("~/echokernel-1.0-py3-none-any.whl"), "w") as wheel:
    for name, text in files.items():
        wheel.writestr(name, text)
import subprocess, sys
subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", os.path.expanduser("~/echokernel-1.0-py3-none-any.whl")], check=True)
"#;
/// Two kernels that Jupyter starts without Python: one that knows TCP only, and one that ends when the address of a socket is long.
const OTHERS: &str = r#"
import subprocess, sys
subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "deno", "xeus-python"], check=True)
subprocess.run("deno jupyter --install", shell=True, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
"#;
/// Below the home, for any Python.
const LAYER: &str = ".local/share/hubd/python3";

fn run(context: &Context, release: Release) -> Result<()> {
    let hub = match release {
        Release::Bookworm => Hub::install(context)?,
        _ => Hub::install_on(context, &BaseSpec::new(release))?,
    };
    hub.add_students(&[STUDENT.to_owned()])?;
    // Programs that a server must not start, and a package of the distribution that a notebook must not see.
    hub.sh(
        "printf '#!/bin/sh\\necho started >> \"$HOME/node-was-started\"\\n' > /usr/local/bin/node; chmod 755 /usr/local/bin/node
        cp -p /usr/local/bin/node /usr/local/bin/npm
        mkdir -p /usr/lib/python3/dist-packages; echo '' > /usr/lib/python3/dist-packages/from_distribution.py",
    )?;
    let bob = context.browser(STUDENT)?;
    hub.log_in(&bob, STUDENT)?;
    hub.wait_for_lab(&bob)?;
    hub.sh(&format!("test ! -e {HOME}/node-was-started"))?;
    context.step("JupyterLab opened without node")?;

    in_a_notebook(&bob)?;
    bob.screenshot("notebook")?;
    context.step("installed in a notebook")?;

    in_a_terminal(&hub, &bob)?;
    bob.screenshot("terminal")?;
    context.step("installed in a terminal")?;
    kernels(context, &hub)?;

    let environment = hub.sh("find /opt/hubd/envs/1 -newer /opt/hubd/envs/current | head")?;
    ensure!(environment.is_empty(), "in the shared environment changed: {environment}");
    survives(&hub, &bob)?;
    context.step("a broken package of her own did not keep the server from starting")
}

fn in_a_notebook(bob: &Browser) -> Result<()> {
    lab::new_notebook(bob)?;
    lab::run_cell(bob, "%pip install cowsay", "Successfully installed cowsay")?;
    lab::run_cell(bob, "import cowsay; cowsay.__file__", &format!("{HOME}/{LAYER}"))?;
    lab::run_cell(bob, "%pip install --user pyjokes", "Successfully installed pyjokes")?;
    lab::run_cell(bob, "import pyjokes; pyjokes.__file__", &format!("{HOME}/{LAYER}"))?;
    lab::run_cell(bob, "%pip install jupyterlab", "Requirement already satisfied: jupyterlab")?;
    lab::run_cell(bob, "%pip uninstall --yes jupyterlab", "Can't uninstall 'jupyterlab'")?;
    lab::run_cell(bob, "import from_distribution", "ModuleNotFoundError")
}

fn in_a_terminal(hub: &Hub, bob: &Browser) -> Result<()> {
    lab::new_terminal(bob)?;
    lab::terminal_line(
        bob,
        "(pip install --quiet pyfiglet; command -v pyfiglet pip uv; python -c 'import pyfiglet, cowsay, jupyterlab'; echo exit $?) > pip.txt 2>&1",
    )?;
    let said = wait_for_line(hub, STUDENT, "pip.txt", "exit ")?;
    let lines: Vec<&str> = said.lines().collect();
    let own_program =
        lines.first().is_some_and(|line| line.starts_with(&format!("{HOME}/{LAYER}")) && line.ends_with("/bin/pyfiglet"));
    ensure!(own_program && lines[1..] == ["/opt/hubd/env/bin/pip", "/opt/hubd/bin/uv", "exit 0"], "in the terminal: {said}");
    Ok(())
}

/// How often a kernel may print too late.
const TRIES: u32 = 5;

/// Kernels in her own layer: they have her Python, and those that can't talk over Unix sockets work all the same.
fn kernels(context: &Context, hub: &Hub) -> Result<()> {
    let ran = kernel::run(hub, STUDENT, KERNEL)?;
    ensure!(ran.error.is_none(), "installing a kernel: {ran:?}");
    let ran = kernel::run_as(&***hub, STUDENT, "echo", "hello")?;
    ensure!(ran.printed == "HELLO", "in a kernel of her own layer: {ran:?}");
    context.step("a kernel of her own layer runs with her Python")?;

    let ran = kernel::run(hub, STUDENT, OTHERS)?;
    ensure!(ran.error.is_none(), "installing other kernels: {ran:?}");
    for (kernel, code) in [("deno", "console.log(6*7)"), ("deno", "console.log(6*7)"), ("xpython", "print(6*7)")] {
        let mut ran = kernel::run_as(&***hub, STUDENT, kernel, code)?;
        // What Deno prints can come after it said that it is idle, when nobody listens any more.
        for _ in 1..TRIES {
            if ran.error.is_none() && ran.printed.is_empty() {
                ran = kernel::run_as(&***hub, STUDENT, kernel, code)?;
            }
        }
        ensure!(ran.printed.trim() == "42", "in {kernel}: {ran:?}");
    }
    let known = hub.sh(&format!("cat {HOME}/.local/state/hubd/kernels.json"))?;
    let known: serde_json::Value = serde_json::from_str(&known)?;
    for (kernel, transport) in [("deno", "tcp"), ("xpython", "ipc"), ("echo", "ipc")] {
        ensure!(known[kernel]["transport"] == transport, "what is remembered of {kernel}: {known}");
    }
    let line = "kernel deno works over TCP only";
    let log = wait::for_log(hub, "--namespace=hubd-users --unit=hubd-user-bob.service", line)?;
    let said = log.lines().filter(|said| said.contains(line)).count();
    ensure!(said == 1, "said {said} times that deno works over TCP only: {log}");
    context.step("a kernel that knows TCP only was tried, is remembered and named in the log; xeus talks over sockets")
}

/// What stands in for a package that breaks everything: modules that end the program which imports them.
fn survives(hub: &Hub, bob: &Browser) -> Result<()> {
    hub.sh(&format!(
        "for name in json tornado jupyterlab; do
            layer=$(echo {HOME}/{LAYER}*/lib/python3*/site-packages)
            for directory in {HOME} {HOME}/.local/lib/$(basename $(dirname $layer))/site-packages $layer; do
                mkdir -p $directory; echo 'raise SystemExit(9)' > $directory/$name.py
            done
        done
        chown -R jupyter-bob: {HOME}"
    ))?;
    hub.hubctl(&["server", "stop", STUDENT])?;
    hub.hubctl(&["server", "start", STUDENT])?;
    bob.goto(&format!("{}/user/{STUDENT}/lab", hub.url()))?;
    hub.wait_for_lab(bob)
}
