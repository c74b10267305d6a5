//! An install that loses power, again and again, and is run again each time.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hub_core::programs;
use hub_machine::{Output, Release};
use serde_json::Value;

use super::{Group, Scenario};
use crate::context::{Context, TestMachine};
use crate::hub::{ADMIN, BARE};
use crate::snapshot::Snapshot;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "resume",
    about: "the installer is killed before and after many of its steps and in the middle of a build; run again, it completes",
    group: Group::Default,
    needs_programs: true,
    run,
};

const INSTALL_DEADLINE: Duration = Duration::from_secs(600);
const PROGRAM: &str = "/root/bin/hub-installer";
const KILLED: i32 = 128 + 9;
const UNIT: &str = "hubd.service";

/// Where the power goes, one after the other, on the same machine.
const CUTS: [&str; 12] = [
    "packages-begun=started",
    "group:hubd=started",
    "group:hubd=done",
    "user:hubd=started",
    "directory:/opt/hubd=done",
    "file:/opt/hubd/bin/hubd=started",
    "file:/etc/hubd/config.toml=started",
    "file:/etc/systemd/system/hubd.service=done",
    "uv=done",
    "services=started",
    "services=done",
    "people=started",
];

fn run(context: &Context) -> Result<()> {
    let machine = context.machine(Release::Bookworm)?;
    for name in programs::names() {
        machine.copy_in(&context.program(name)?, &format!("/root/bin/{name}"), 0o755)?;
    }
    let before = Snapshot::take(&machine)?;
    let port = context.free_port()?;
    for cut in CUTS {
        if cut == "services=started" {
            in_the_middle_of_the_build(context, &machine, port)?;
        }
        let output = install(&machine, port, &["--die-at", cut])?;
        ensure!(output.code == KILLED, "killed at {cut}, it ended with {}: {}", output.code, output.complaint());
        context.step(&format!("killed at {cut}"))?;
    }
    // After the last cut the admin is enrolled or not, but nobody has seen a link.
    let output = install(&machine, port, &["--json"])?.checked()?;
    let report: Value = serde_json::from_str(&output.text()).with_context(|| output.text())?;
    ensure!(report["invitations"][0]["name"] == ADMIN, "report: {report}");
    ensure!(report["verification"]["limits_not_held"] == serde_json::json!([]), "report: {report}");
    let output = install(&machine, port, &["--json"])?.checked()?;
    let report: Value = serde_json::from_str(&output.text()).with_context(|| output.text())?;
    ensure!(report["changed"] == 0, "report of a run more: {report}");
    let state = machine.sh(&format!("systemctl is-active {UNIT}; systemctl is-enabled {UNIT}"))?;
    ensure!(state == "active\nenabled", "{UNIT} is {state}");
    context.step("complete")?;

    // What was begun and what was done is ours alike: nothing of it stays.
    machine.command([PROGRAM, "uninstall", "--purge", "--yes"]).timeout(INSTALL_DEADLINE).run()?;
    before.ensure_same(&Snapshot::take(&machine)?).context("after the uninstall")
}

/// In surroundings that a careful admin may have: a tight umask, and another language.
fn install(machine: &TestMachine, port: u16, more: &[&str]) -> Result<Output> {
    let listen = format!("127.0.0.1:{port}");
    let command =
        ["/bin/sh", "-c", "umask 077; exec \"$@\"", "sh", PROGRAM, "install", "--yes", "--admin", ADMIN, "--listen", &listen];
    let command = command.into_iter().chain(BARE.split(' ')).chain(more.iter().copied());
    machine.command(command).env("LC_ALL", "de_DE.UTF-8").env("LANGUAGE", "de").timeout(INSTALL_DEADLINE).output()
}

/// Killed while another program works for it.
fn in_the_middle_of_the_build(context: &Context, machine: &TestMachine, port: u16) -> Result<()> {
    machine.sh(&format!(
        "systemd-run --quiet --unit=install --property=KillMode=process --setenv=HOME=/root \
         {PROGRAM} install --yes --admin {ADMIN} --listen 127.0.0.1:{port} {BARE}
         until [ -d /opt/hubd/envs/1.new/lib ]; do sleep 0.05; done
         systemctl kill --signal=KILL install.service
         [ -d /opt/hubd/envs/1.new ] && [ ! -e /opt/hubd/envs/current ]
         until systemctl is-failed --quiet install.service; do sleep 0.1; done
         systemctl reset-failed install.service"
    ))?;
    context.step("killed while the environment was built")
}
