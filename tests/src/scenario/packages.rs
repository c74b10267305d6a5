//! A student's own packages: installed in a notebook and in a terminal they are there at once, and nothing she installs
//! reaches the shared environment or keeps her server from starting.

use anyhow::{Result, ensure};
use installer::machine::{BaseSpec, Release};

use super::class::wait_for_line;
use super::{Group, Scenario};
use crate::browser::Browser;
use crate::context::Context;
use crate::hub::Hub;
use crate::lab;

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
const HOME: &str = "/home/jupyter-bob";
/// Below the home, for any Python.
const LAYER: &str = ".local/share/hubd/python3";

fn run(context: &Context, release: Release) -> Result<()> {
    let hub = Hub::install_on(context, &BaseSpec::new(release))?;
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
