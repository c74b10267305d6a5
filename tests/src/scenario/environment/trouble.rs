//! What goes wrong with environments: nothing that fits together, a package that breaks JupyterLab, kills at any moment, a
//! disk that is full. Each time the current generation stays what it is.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{ENVIRONMENTS, current, latest};
use crate::context::Context;
use crate::hub::{Hub, record};
use crate::wait;

/// A wheel that overwrites a part of JupyterLab, as careless packages do.
const BREAKS_LAB: &str = r#"
import zipfile
with zipfile.ZipFile("/root/breakslab-1.0-py3-none-any.whl", "w") as wheel:
    files = {
        "breakslab.py": "",
        "jupyterlab/labapp.py": "raise ImportError('labapp is not what it was')\n",
        "breakslab-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: breakslab\nVersion: 1.0\n",
        "breakslab-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files["breakslab-1.0.dist-info/RECORD"] = "".join(f"{name},,\n" for name in [*files, "breakslab-1.0.dist-info/RECORD"])
    for name, text in files.items():
        wheel.writestr(name, text)
"#;
/// A wheel that overwrites a file of another package, which nothing uses, and does not say what is in it.
const MEDDLES: &str = r#"
import zipfile
with zipfile.ZipFile("/root/meddler-1.0-py3-none-any.whl", "w") as wheel:
    files = {
        "meddler.py": "",
        "tornado/test/__init__.py": "meddled = True\n",
        "meddler-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: meddler\nVersion: 1.0\n",
        "meddler-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files["meddler-1.0.dist-info/RECORD"] = "".join(f"{name},,\n" for name in [*files, "meddler-1.0.dist-info/RECORD"])
    for name, text in files.items():
        wheel.writestr(name, text)
"#;
/// Moments of a build, by what it says of itself.
const MOMENTS: [&str; 4] = ["finding", "downloading", "putting", "trying"];
const DEADLINE: Duration = Duration::from_secs(300);
/// Of what was built, `0001.json` and so on.
const RECORDS: &str = "/var/lib/hubd-environments";

/// What can't work is refused, by the resolver or by the trial, with the reason.
pub(super) fn refused(context: &Context, hub: &Hub) -> Result<()> {
    let before = current(hub)?;
    for (package, reason, hint) in [
        ("jupyter-server<2", "jupyter-server<2", "ask for other versions"),
        ("no-such-package-of-anybody", "no-such-package-of-anybody", "spelled"),
    ] {
        let record = record(hub, &["env", "install", package])?;
        let told = |key: &str, text: &str| record[key].as_str().is_some_and(|told| told.contains(text));
        ensure!(record["state"] == "failed" && told("reason", reason) && told("hint", hint), "{package}: {record}");
        context.step(&format!("{package} was refused: {} hint: {}", record["reason"], record["hint"]))?;
    }
    hub.write("/root/breakslab.py", BREAKS_LAB, 0o600)?;
    hub.sh("python3 /root/breakslab.py")?;
    let record = record(hub, &["env", "install", "/root/breakslab-1.0-py3-none-any.whl"])?;
    let reason = record["reason"].as_str().unwrap_or_default();
    ensure!(record["state"] == "failed" && reason.contains("labapp is not what it was"), "a wheel that breaks Lab: {record}");
    context.step(&format!("a package that breaks JupyterLab was refused after {} s: {reason}", record["seconds"]))?;
    let output = hub.hubctl_output(&["env", "install", "--index-url=https://evil.example"])?;
    ensure!(output.code == 2, "an option: {output:?}");
    untouched(hub, &before)
}

/// What a wheel did to another package's files goes when it goes.
pub(super) fn taken_back(context: &Context, hub: &Hub) -> Result<()> {
    hub.write("/root/meddler.py", MEDDLES, 0o600)?;
    hub.sh("python3 /root/meddler.py")?;
    let installed = record(hub, &["env", "install", "/root/meddler-1.0-py3-none-any.whl"])?;
    ensure!(installed["state"] == "done", "a wheel that has a file of another package: {installed}");
    let removed = record(hub, &["env", "remove", "meddler"])?;
    ensure!(removed["state"] == "done", "removed: {removed}");
    let left = hub.sh(&format!("cd {ENVIRONMENTS}/$(cat {ENVIRONMENTS}/current); grep -rl meddled lib || true"))?;
    ensure!(left.trim().is_empty(), "left of a package that was removed: {left}");
    context.step(&format!(
        "a wheel with a file of another package came and went, in {} and {} s",
        installed["seconds"], removed["seconds"]
    ))
}

/// The builder is killed at several moments, and the launcher beside it.
pub(super) fn cut_short(context: &Context, hub: &Hub) -> Result<()> {
    let before = current(hub)?;
    for moment in MOMENTS {
        begin(hub, "pyfiglet")?;
        wait_for_phase(hub, moment)?;
        let second = hub.hubctl_output(&["env", "gc"])?;
        ensure!(second.code == 4 && second.complaint().contains("install pyfiglet"), "a second one: {second:?}");
        hub.sh("systemctl kill --signal=KILL hubd-environment.service; systemctl kill --signal=KILL hubd-launcher.service")?;
        settle(hub)?;
        let record = latest(hub)?;
        ensure!(
            record["state"] == "failed" && record["reason"].to_string().contains("interrupted"),
            "killed while {moment}: {record}"
        );
        untouched(hub, &before)?;
        context.step(&format!("killed while {moment}: swept"))?;
    }
    // The build's own processes.
    begin(hub, "pyfiglet")?;
    wait_for_phase(hub, "downloading")?;
    wait::for_shell(hub, "a build to kill", "systemctl kill --signal=KILL hubd-build.service 2>/dev/null")?;
    settle(hub)?;
    ensure!(latest(hub)?["state"] == "failed", "the build was killed: {}", latest(hub)?);
    untouched(hub, &before)?;
    // The terminal that asked is gone: it goes on.
    hub.sh("setsid hubctl env install pyfiglet </dev/null >/root/begun.txt 2>&1 & echo $! >/root/begun.pid")?;
    wait_for_phase(hub, "downloading")?;
    hub.sh("kill -KILL $(cat /root/begun.pid)")?;
    settle(hub)?;
    let record = latest(hub)?;
    ensure!(record["state"] == "done", "without its terminal: {record}");
    context.step("a build goes on when its terminal is gone")
}

/// The machine goes dark in the middle, without a word to anybody: what comes up is whole, and the rest is swept.
pub(super) fn power_cut(context: &Context, hub: &mut Hub) -> Result<()> {
    let before = current(hub)?;
    for moment in ["downloading", "putting"] {
        begin(hub, "pyjokes")?;
        wait_for_phase(hub, moment)?;
        hub.power_cut()?;
        hub.power_on()?;
        settle(hub)?;
        let record = latest(hub)?;
        ensure!(record["state"] == "failed", "a power cut while {moment}: {record}");
        untouched(hub, &before)?;
        hub.hubctl(&["server", "start", "cyd"])?;
        context.step(&format!("a power cut while {moment}: swept, and a server starts"))?;
    }
    let record = record(hub, &["env", "install", "pyjokes"])?;
    ensure!(record["state"] == "done", "after the power cuts: {record}");
    Ok(())
}

/// A file system with room for little more than what is there.
pub(super) fn full_disk(context: &Context, hub: &Hub) -> Result<()> {
    let before = current(hub)?;
    hub.sh(&format!(
        "size=$(du -sm {ENVIRONMENTS} | cut -f1); mkdir -p /mnt/small
         mount -t tmpfs -o mode=755,size=$((size + 150))m tmpfs /mnt/small
         cp -a {ENVIRONMENTS}/. /mnt/small/; mount --bind /mnt/small {ENVIRONMENTS}"
    ))?;
    let record = record(hub, &["env", "install", "scipy"])?;
    let told = record["hint"].as_str().unwrap_or_default();
    ensure!(record["state"] == "failed" && told.contains("make room"), "on a full disk: {record}");
    untouched(hub, &before)?;
    context.step(&format!("on a full disk: {}", record["reason"]))?;
    hub.sh(&format!("umount {ENVIRONMENTS} /mnt/small"))?;
    untouched(hub, &before)
}

/// Begins a build in the background.
fn begin(hub: &Hub, package: &str) -> Result<()> {
    hub.sh(&format!("setsid hubctl env install {package} </dev/null >/root/begun.txt 2>&1 &"))?;
    Ok(())
}

/// Looks into the newest record itself, again and again: a phase may be over before a program that asks for it has begun.
fn wait_for_phase(hub: &Hub, phase: &str) -> Result<()> {
    let script = format!(
        "while :; do
            for record in {RECORDS}/[0-9]*.json; do :; done
            if grep -qs '\"state\": \"building\"' $record && grep -qs '\"phase\": \"{phase}' $record; then exit 0; fi
        done"
    );
    let waited = hub.command(["/bin/sh", "-uc", &script]).timeout(DEADLINE).run();
    waited.map(drop).with_context(|| format!("waiting for `{phase}`: {:?}", hub.sh("hubctl env history; cat /root/begun.txt")))
}

/// Waits until nothing is under way.
fn settle(hub: &Hub) -> Result<()> {
    let script = "for i in $(seq 2000); do
            test -e /var/lib/hubd-environments/job.json || systemctl is-active --quiet hubd-environment.service || exit 0
            sleep 0.1
        done; hubctl env status >&2; exit 1";
    hub.command(["/bin/sh", "-euc", script]).timeout(DEADLINE).run()?;
    Ok(())
}

/// The generation is the same, nothing half-built is left, and a server starts with it.
fn untouched(hub: &Hub, before: &str) -> Result<()> {
    ensure!(current(hub)? == before, "environment {} is current, expected {before}", current(hub)?);
    let left = hub.sh(&format!("ls {ENVIRONMENTS} | grep '\\.' || true"))?;
    ensure!(left.is_empty(), "left behind: {left}");
    hub.hubctl(&["server", "stop", "dan"])?;
    hub.hubctl(&["server", "start", "dan"])?;
    Ok(())
}
