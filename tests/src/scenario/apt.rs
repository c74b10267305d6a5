//! Packages of the distribution for everybody: planned, confirmed, in servers that run; refused where something else would have
//! to go; taken back where a script fails; completed after a kill and a power cut; removed without a trace of what came along.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::{ADMIN, Hub};
use crate::kernel;
use crate::wait;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "apt",
    about: "hubctl env apt: plan, consent, refusals, a locked dpkg, kill and power cut in a package's script, removal",
    group: Group::Default,
    needs_programs: true,
    run,
};

const STUDENT: &str = "bob";
const DEADLINE: Duration = Duration::from_secs(300);
/// An archive of a few packages that the test makes.
const ARCHIVE: &str = include_str!("apt/archive.sh");
const RECORDS: &str = "/var/lib/hubd-environments";

fn run(context: &Context) -> Result<()> {
    let mut hub = Hub::install(context)?;
    hub.add_students(&[STUDENT.to_owned()])?;
    hub.hubctl(&["server", "start", STUDENT])?;
    hub.sh(ARCHIVE)?;

    asked(context, &hub)?;
    installed(context, &hub)?;
    refused(context, &hub)?;
    inside(context, &hub)?;
    locked(context, &hub)?;
    cut_short(context, &mut hub)?;
    removed(context, &hub)?;
    ensure!(hub.failed_units()?.is_empty(), "failed units: {:?}", hub.failed_units()?);
    Ok(())
}

/// Nothing happens without a word from somebody.
fn asked(context: &Context, hub: &Hub) -> Result<()> {
    let command = "hubctl env apt install hubdt-tool </dev/null 2>&1; echo exit $?";
    let said = hub.command(["/usr/bin/setsid", "--wait", "/bin/sh", "-c", command]).timeout(DEADLINE).run()?.text();
    for expected in ["+ hubdt-lib 1.0", "+ hubdt-tool 1.0", "2 packages change", "add --yes", "exit 7"] {
        ensure!(said.contains(expected), "no `{expected}` in: {said}");
    }
    hub.sh("! dpkg -s hubdt-lib hubdt-tool 2>/dev/null")?;
    context.step(&format!("without a terminal nothing is done:\n{said}"))
}

fn installed(context: &Context, hub: &Hub) -> Result<()> {
    let record = change(hub, &["install", "hubdt-tool"])?;
    ensure!(record["state"] == "done" && record["changes"].as_array().is_some_and(|all| all.len() == 2), "installed: {record}");
    ensure!(shell(hub, STUDENT, "hubdt-tool")? == "tool of lib", "a server that runs does not have it");
    let config = hub.sh("cat /etc/hubd/config.toml")?;
    ensure!(config.contains("\"hubdt-tool\"") && !config.contains("hubdt-lib"), "the configuration: {config}");
    let history = hub.hubctl(&["env", "history"])?;
    let last = history["records"].as_array().and_then(|records| records.last().cloned()).context("no history")?;
    ensure!(last["what"] == "apt install hubdt-tool" && last["state"] == "done", "history: {last}");
    ensure!(hub.hubctl(&["config", "history"])?.to_string().contains("env"), "not in the history of the configuration");
    let again = change(hub, &["install", "hubdt-tool"])?;
    ensure!(again["state"] == "unchanged", "a second time: {again}");
    context.step(&format!("installed in {} s, and in a server that runs", record["seconds"]))
}

/// What can't be, is not; and what was begun is taken back.
fn refused(context: &Context, hub: &Hub) -> Result<()> {
    let before = hub.sh("dpkg --get-selections | grep -v deinstall; sha256sum /etc/hubd/config.toml")?;
    for (package, reason) in [
        ("hubdt-enemy", "git would have to be removed"),
        ("hubdt-nowhere", "have no package `hubdt-nowhere`"),
        ("hubdt-virtual", "have no package `hubdt-virtual` of its own"),
        ("hubdt-broken", "What had been installed was removed again"),
    ] {
        let record = change(hub, &["install", package])?;
        let told = record["reason"].as_str().unwrap_or_default();
        ensure!(record["state"] == "failed" && told.contains(reason), "{package}: {record}");
        let after = hub.sh("dpkg --get-selections | grep -v deinstall; sha256sum /etc/hubd/config.toml")?;
        ensure!(after == before, "{package} left something: {after}");
        ensure!(hub.sh("dpkg --audit")?.trim().is_empty(), "{package} left something half installed");
        context.step(&format!("{package}: {}", told.lines().next_back().unwrap_or_default()))?;
    }
    for wrong in ["--allow-downgrades", "hubdt-tool=1.0", "hubdt-tool-", "./evil.deb"] {
        let output = hub.hubctl_output(&["env", "apt", "install", "--yes", "--", wrong])?;
        ensure!(output.code == 2, "{wrong}: {output:?}");
    }
    Ok(())
}

/// Administrators may when the machine's owner says so, and students never.
fn inside(context: &Context, hub: &Hub) -> Result<()> {
    hub.hubctl(&["server", "start", ADMIN])?;
    let install = "hubctl env apt install --yes hubdt-other; echo exit $?";
    let said = shell(hub, ADMIN, install)?;
    ensure!(said.contains("need full root") && said.contains("exit 7"), "before it is allowed: {said}");
    hub.hubctl(&["config", "set", "environment.apt_by_admins", "true"])?;
    let said = shell(hub, ADMIN, install)?;
    ensure!(said.contains("1 package changed") && said.contains("exit 0"), "allowed: {said}");
    let said = shell(hub, STUDENT, "/opt/hubd/bin/hubctl env apt list; echo exit $?")?;
    ensure!(!said.contains("hubdt-other") && !said.contains("exit 0"), "a student: {said}");
    context.step("an administrator inside the hub, once the configuration allows it")
}

/// Somebody else works on packages.
fn locked(context: &Context, hub: &Hub) -> Result<()> {
    hub.sh("setsid python3 -c '
import fcntl, time
lock = open(\"/var/lib/dpkg/lock-frontend\", \"w\")
fcntl.lockf(lock, fcntl.LOCK_EX)
open(\"/run/locked\", \"w\").close()
while not __import__(\"os\").path.exists(\"/run/unlock\"): time.sleep(0.05)
' </dev/null >/dev/null 2>&1 &")?;
    wait::for_shell(hub, "somebody else to lock dpkg", "test -e /run/locked")?;
    begin(hub, "remove hubdt-other")?;
    wait(hub, &format!("grep -q 'waiting for python3, which works on packages' {RECORDS}/*.log"))?;
    hub.sh("touch /run/unlock")?;
    wait(hub, "! dpkg -s hubdt-other 2>/dev/null && ! test -e /var/lib/hubd-environments/job.json")?;
    context.step("waited for a program that holds dpkg's lock")
}

/// A kill in a package's script does not reach dpkg; a power cut does, and is made good by itself.
fn cut_short(context: &Context, hub: &mut Hub) -> Result<()> {
    begin(hub, "install hubdt-slow")?;
    wait(hub, "test -e /root/slow-began")?;
    let builder = hub.sh("systemctl show --property=MainPID --value hubd-environment.service")?;
    hub.sh("systemctl kill --signal=KILL hubd-environment.service; systemctl kill --signal=KILL hubd-launcher.service")?;
    let again = format!(
        "pid=$(systemctl show --property=MainPID --value hubd-environment.service); [ $pid != 0 ] && [ $pid != {builder} ]"
    );
    wait(hub, &again)?;
    hub.sh("systemctl is-active --quiet hubd-apt.service; touch /root/slow-go")?;
    wait(hub, "! test -e /var/lib/hubd-environments/job.json")?;
    let record = latest(hub)?;
    ensure!(record["state"] == "done" && record["what"] == "apt install hubdt-slow", "after a kill: {record}");
    context.step("killed in a package's script: dpkg went on, and the rest was done")?;

    change(hub, &["remove", "hubdt-slow"])?;
    hub.sh("rm -f /root/slow-began /root/slow-go")?;
    begin(hub, "install hubdt-slow")?;
    wait(hub, "test -e /root/slow-began")?;
    hub.power_cut()?;
    std::fs::write(hub.root().join("root/slow-go"), "").context("writing into a machine that is off")?;
    hub.power_on()?;
    wait(hub, "dpkg -s hubdt-slow | grep -q '^Status: install ok installed' && ! test -e /var/lib/hubd-environments/job.json")?;
    let record = latest(hub)?;
    ensure!(record["state"] == "done" && hub.sh("dpkg --audit")?.trim().is_empty(), "after a power cut: {record}");
    context.step("a power cut in a package's script: completed at the next boot")
}

/// What came goes; what was there stays; what is missing comes back.
fn removed(context: &Context, hub: &Hub) -> Result<()> {
    let named = change(hub, &["install", "git"])?;
    ensure!(named["state"] != "failed" && named["changes"] == Value::Array(Vec::new()), "git was there: {named}");
    let list = hub.hubctl(&["env", "apt", "list"])?;
    ensure!(list["brought"] == serde_json::json!(["hubdt-lib", "hubdt-slow", "hubdt-tool"]), "what came: {list}");
    change(hub, &["remove", "git"])?;
    hub.sh("dpkg -s git | grep -q '^Status: install ok installed'")?;

    hub.sh("dpkg --remove hubdt-tool >/dev/null")?;
    let problems = hub.hubctl_output(&["env", "check"])?;
    ensure!(problems.code == 1 && problems.text().contains("hubdt-tool"), "check: {problems:?}");
    hub.sh("systemctl restart hubd-launcher.service")?;
    wait(hub, "dpkg -s hubdt-tool | grep -q '^Status: install ok installed' && ! test -e /var/lib/hubd-environments/job.json")?;
    context.step("what is missing when the hub starts comes back by itself")?;

    hub.sh("dpkg --install /srv/archive/hubdt-guest.deb >/dev/null")?;
    let record = change(hub, &["remove", "hubdt-tool"])?;
    ensure!(record["reason"].to_string().contains("hubdt-guest would be removed with it"), "somebody's own needs it: {record}");
    hub.sh("dpkg --remove hubdt-guest >/dev/null")?;
    let record = change(hub, &["remove", "hubdt-tool", "hubdt-slow"])?;
    ensure!(record["state"] == "done", "removed: {record}");
    hub.sh(
        "! dpkg -s hubdt-tool 2>/dev/null | grep '^Status: install'; ! dpkg -s hubdt-lib 2>/dev/null | grep '^Status: install'",
    )?;
    let list = hub.hubctl(&["env", "apt", "list"])?;
    ensure!(list == serde_json::json!({"packages": [], "brought": []}), "what is left: {list}");
    context.step("removed, with what came along; what was there before stays")
}

fn change(hub: &Hub, arguments: &[&str]) -> Result<Value> {
    let command = ["/usr/local/bin/hubctl", "--json", "env", "apt"].into_iter().chain(arguments.iter().copied()).chain(["--yes"]);
    let output = hub.command(command).timeout(DEADLINE).output()?;
    serde_json::from_str(&output.text()).with_context(|| format!("{arguments:?}: {}{}", output.text(), output.complaint()))
}

fn begin(hub: &Hub, arguments: &str) -> Result<()> {
    hub.sh(&format!("setsid hubctl env apt {arguments} --yes </dev/null >/root/begun.txt 2>&1 &")).map(drop)
}

fn latest(hub: &Hub) -> Result<Value> {
    let history = hub.hubctl(&["env", "history"])?;
    history["records"].as_array().and_then(|records| records.last().cloned()).context("no history")
}

/// Waits until `condition` holds.
fn wait(hub: &Hub, condition: &str) -> Result<()> {
    let script = format!(
        "for i in $(seq 2400); do if {condition}; then exit 0; fi; sleep 0.1; done
         hubctl env history >&2; cat /root/begun.txt >&2; tail -n 30 {RECORDS}/*.log >&2; exit 1"
    );
    hub.command(["/bin/sh", "-uc", &script]).timeout(DEADLINE).run().map(drop)
}

/// What a command prints in a server of `name`.
fn shell(hub: &Hub, name: &str, command: &str) -> Result<String> {
    let code =
        format!("import subprocess; print(subprocess.run({command:?}, shell=True, text=True, stdout=-1, stderr=-2).stdout)");
    let ran = kernel::run(hub, name, &code)?;
    Ok(ran.error.unwrap_or_else(|| ran.printed.trim().to_owned()))
}
