//! A bundle with everything a hub can have: kernels of conda packages with wheels on top, and packages of the distribution
//! that the configuration asks for. A bare machine without a network gets all of it.

use std::time::Instant;

use anyhow::{Result, ensure};
use hub_machine::{BaseSpec, Release};
use serde_json::Value;
use tempfile::TempDir;

use super::{BUNDLE, DEADLINE, STRIP, STUDENT, bootstrap, enrol, json};
use crate::context::{Context, TestMachine};
use crate::hub::{Hub, record};
use crate::kernel;
use crate::scenario::conda::{ALIAS, CHANNEL, ENVIRONMENT};
use crate::scenario::{Group, Scenario};

pub(in crate::scenario) const SCENARIO: Scenario = Scenario {
    name: "no-internet-whole",
    about: "hubctl bundle create --apt: conda kernels and packages of environment.apt on a machine with no network",
    group: Group::Nightly,
    needs_programs: true,
    run,
};

/// A package of the distribution that needs others.
const APT_PACKAGE: &str = "jq";

fn run(context: &Context) -> Result<()> {
    let directory = TempDir::with_prefix("hubd-bundle-")?;
    let file = directory.path().join("class.bundle");
    let hub = Hub::install(context)?;
    hub.write("/root/channel.py", CHANNEL, 0o600)?;
    hub.sh(&format!("python3 -I /root/channel.py {ALIAS}/teaching"))?;
    hub.hubctl(&["config", "set", "environment.conda_channel_alias", &format!("file://{ALIAS}")])?;
    hub.write("/root/environment.yml", ENVIRONMENT, 0o600)?;
    let made = record(&hub, &["env", "--kernel", "science", "apply", "/root/environment.yml"])?;
    ensure!(made["state"] == "done", "the kernel: {made}");
    let none = json(&hub, &["bundle", "create", BUNDLE, "--apt"])?;
    ensure!(none.code == 7 && none.complaint().contains("names no package"), "nothing to take along: {none:?}");
    let installed = record(&hub, &["env", "apt", "install", APT_PACKAGE, "--yes"])?;
    ensure!(installed["state"] == "done", "{APT_PACKAGE}: {installed}");

    changed_meanwhile(&hub)?;
    let made = record(&hub, &["bundle", "create", BUNDLE, "--apt"])?;
    let manifest = &made["manifest"];
    ensure!(manifest["conda_kernels"]["science"]["conda"]["specs"][2] == "course=1", "of conda: {made}");
    ensure!(manifest["apt"][0] == APT_PACKAGE && manifest["left_out"]["apt"] == Value::Array(Vec::new()), "of apt: {made}");
    let shown = hub.sh(&format!("hubctl bundle show {BUNDLE}"))?;
    for line in ["kernel science, of conda packages: python=3.11, ", "; on top: pyjokes==0.6.0", "of environment.apt: jq"] {
        ensure!(shown.contains(line), "`{line}` is not shown: {shown}");
    }
    context.step(&format!("made a bundle of all of it: {} bytes, {} wheels", made["bytes"], made["wheels"]))?;
    hub.copy_out(BUNDLE, &file)?;
    drop(hub);

    let machine = context.offline_machine(&BaseSpec::new(Release::Bookworm))?;
    machine.sh(STRIP)?;
    machine.copy_in(&file, BUNDLE, 0o644)?;
    let report: Value = serde_json::from_str(&bootstrap(&machine, "class.bundle")?.checked()?.text())?;
    context.step(&format!("installed without a network in {} s", report["seconds"]))?;
    let second: Value = serde_json::from_str(&bootstrap(&machine, "class.bundle")?.checked()?.text())?;
    ensure!(second["changed"] == 0, "a second run changed something: {second}");
    enrol(&machine)?;
    of_the_distribution(context, &machine)?;
    of_conda(context, &machine)?;
    json(&machine, &["bundle", "remove", "--yes"])?.checked()?;
    machine.sh("test -z \"$(ls /opt/hubd/bundle)\"")?;
    ensure!(machine.failed_units()?.is_empty(), "failed units: {:?}", machine.failed_units()?);
    Ok(())
}

/// A channel that has something else by now than what was locked makes no bundle.
fn changed_meanwhile(hub: &Hub) -> Result<()> {
    let archive = format!("{ALIAS}/teaching/noarch/course-1.0-0.tar.bz2");
    hub.sh(&format!("cp {archive} /root/course; echo >>{archive}"))?;
    let output = json(hub, &["bundle", "create", BUNDLE, "--no-packages"])?;
    let told = output.complaint();
    ensure!(output.code == 1 && told.contains("`course-1.0-0.tar.bz2` does not match its hash in the lock"), "altered: {told}");
    hub.sh(&format!("cp /root/course {archive}; test ! -e {BUNDLE}; test -z \"$(ls -d /var/tmp/hubd-bundle-* 2>/dev/null)\""))?;
    let output = json(hub, &["bundle", "create", "/root/without.bundle", "--no-packages"])?.checked()?;
    let made: Value = serde_json::from_str(&output.text())?;
    ensure!(made["manifest"]["left_out"]["apt"][0] == APT_PACKAGE, "left out: {made}");
    let shown = hub.sh("hubctl bundle show /root/without.bundle")?;
    ensure!(shown.contains("not in it: jq of environment.apt (--apt takes them along)"), "{shown}");
    Ok(())
}

fn of_conda(context: &Context, machine: &TestMachine) -> Result<()> {
    let kernel = record(machine, &["env", "--kernel", "science", "apply"])?;
    ensure!(kernel["state"] == "done", "the kernel of the first hub: {kernel}");
    let code = "import sys, course, pyjokes; print(sys.prefix, course.version, pyjokes.__version__)";
    let printed = kernel::run_as(&**machine, STUDENT, "science", code)?.answer();
    let expected = format!("/opt/hubd/jupyter/kernels/science/{} 1.0 0.6.0", kernel["to"]);
    ensure!(printed == expected, "in the kernel: {printed}");
    let missing = record(machine, &["env", "--kernel", "science", "install", "broken"])?;
    let hint = missing["hint"].as_str().unwrap_or_default();
    ensure!(missing["state"] == "failed" && hint.contains("conda packages only from bundles"), "in no bundle: {missing}");
    context.step(&format!("made the kernel of conda packages in {} s; what no bundle has is refused", kernel["seconds"]))
}

/// What the configuration asks for is installed when the hub starts.
fn of_the_distribution(context: &Context, machine: &TestMachine) -> Result<()> {
    let end = Instant::now() + DEADLINE;
    let applied = loop {
        let history = record(machine, &["env", "history"])?;
        let records = history["records"].as_array().cloned().unwrap_or_default();
        match records.into_iter().find(|record| record["what"] == "apt apply") {
            Some(record) if record["state"] != "waiting" && record["state"] != "building" => break record,
            _ => ensure!(Instant::now() < end, "nobody installed what environment.apt names: {history}"),
        }
    };
    ensure!(applied["state"] == "done", "what environment.apt names: {applied}");
    ensure!(machine.sh("jq -n 6*7")?.trim() == "42", "it does not run");
    let changes = applied["changes"].as_array().map_or(0, Vec::len);
    context.step(&format!("{APT_PACKAGE} came with what it needs ({changes} packages) in {} s", applied["seconds"]))?;
    let again = record(machine, &["env", "apt", "apply", "--yes"])?;
    ensure!(again["state"] == "unchanged", "a second time: {again}");
    let missing = record(machine, &["env", "apt", "install", "ffmpeg", "--yes"])?;
    let hint = missing["hint"].as_str().unwrap_or_default();
    ensure!(missing["state"] == "failed" && hint.contains("hubctl bundle create FILE --apt"), "in no bundle: {missing}");
    Ok(())
}
