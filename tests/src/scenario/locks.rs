//! Locks: what one environment exports makes the same one elsewhere, and a lock of uv is kept to the letter, or refused.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::{Hub, record};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "locks",
    about: "hubctl env export and apply: the same lock makes the same environment; a uv.lock with its versions and files, or nothing",
    group: Group::Default,
    needs_programs: true,
    run,
};

/// A project as a teacher has it. Its lock has an older version than there is.
const PROJECT: &str = "mkdir -p /root/course
    printf '[project]\\nname = \"course\"\\nversion = \"1\"\\nrequires-python = \">=3.11\"\\ndependencies = [\"cowsay<6.1\"]\\n' \
        >/root/course/pyproject.toml
    cd /root/course
    /opt/hubd/bin/uv lock --quiet
    sed -i 's/specifier = \"<6.1\"/specifier = \">=5\"/' uv.lock
    mkdir evil newer
    sed 's/sha256:[0-9a-f]*/sha256:0000000000000000000000000000000000000000000000000000000000000000/' uv.lock >evil/uv.lock
    sed 's/^name = \"cowsay\"/name = \"ipykernel\"/; s/^version = \"6.0\"/version = \"5.0.0\"/' \
        uv.lock >newer/uv.lock";

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    hub.sh(PROJECT)?;
    let made = record(&hub, &["env", "--kernel", "course", "apply", "/root/course/uv.lock"])?;
    ensure!(made["state"] == "done" && made["asked"] == serde_json::json!(["cowsay>=5"]), "a lock of uv: {made}");
    let packages = hub.hubctl(&["env", "--kernel", "course", "show"])?;
    ensure!(version(&packages, "cowsay") == Some("6.0"), "the lock's version: {packages}");
    context.step(&format!("a lock of uv was built in {} s, with its versions", made["seconds"]))?;

    hub.sh("hubctl env --kernel course export >/root/lock.txt")?;
    let again = record(&hub, &["env", "--kernel", "course", "apply", "/root/lock.txt"])?;
    ensure!(again["state"] == "unchanged", "what it exported itself: {again}");
    let copy = record(&hub, &["env", "--kernel", "copy", "apply", "/root/lock.txt"])?;
    ensure!(copy["state"] == "done" && copy["asked"] == made["asked"], "a copy: {copy}");
    hub.sh("hubctl env --kernel copy export | diff /root/lock.txt -")?;
    context.step("what one exports makes the same one elsewhere, to the letter")?;

    for (lock, told) in [("evil", "ash mismatch"), ("newer", "ipykernel: 5.0.0 in the lock")] {
        let record = record(&hub, &["env", "--kernel", "copy", "apply", &format!("/root/course/{lock}/uv.lock")])?;
        let reason = record["reason"].as_str().unwrap_or_default();
        ensure!(record["state"] == "failed" && reason.contains(told), "{lock}: {record}");
        context.step(&format!("{lock}: {reason}"))?;
    }
    ensure!(hub.hubctl(&["env", "--kernel", "copy", "status"])?["current"] == copy["to"], "the copy is another one");
    Ok(())
}

fn version<'a>(packages: &'a Value, name: &str) -> Option<&'a str> {
    packages["packages"].as_array()?.iter().find(|package| package["name"] == name)?["version"].as_str()
}
