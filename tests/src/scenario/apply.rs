//! A changed configuration on a hub at work: limits follow where they are, a listener moves and comes back, and whatever
//! goes wrong in between ends with the configuration the hub was last well with.

use std::net::TcpListener;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::{HOLD, Hub};
use crate::wait;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "apply",
    about: "live limits seen in the cgroup; a listener moves and comes back; a taken port and a power cut both end with the last healthy configuration",
    group: Group::Default,
    needs_programs: true,
    run,
};

const CONFIG: &str = "/etc/hubd/config.toml";
const EXIT_ROLLED_BACK: i32 = 6;

fn run(context: &Context) -> Result<()> {
    let mut hub = Hub::install(context)?;
    hub.add_students(&["bob".to_owned()])?;
    let started = hub.hubctl(&["server", "start", "bob"])?;
    ensure!(started["problems"] == json!([]), "start: {started}");
    let first = hub.sh(&format!("cat {CONFIG}"))?;
    ensure!(history(&hub)? == "0001 healthy installer", "after the install: {}", history(&hub)?);

    limits(context, &hub)?;
    listener(context, &hub)?;
    taken_port(context, &hub)?;
    power_cut(context, &mut hub)?;
    hub.write(CONFIG, first, 0o640)?;
    hub.sh(&format!("chgrp hubd {CONFIG}; hubctl config apply"))?;
    context.step("back to the first configuration")
}

/// Writes the configuration as `script` makes it of the one that is there, and applies it.
fn change(hub: &Hub, script: &str) -> Result<hub_machine::Output> {
    hub.sh(&format!("sed -i {script} {CONFIG}"))?;
    hub.hubctl_output(&["config", "apply"])
}

/// `0001 healthy edit`, one line for each version.
fn history(hub: &Hub) -> Result<String> {
    hub.sh(
        "cd /var/lib/hubd-installer/config-history && for record in *.json; do \
           python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); print(\"%04d\" % r[\"number\"], r[\"state\"], r[\"how\"])' $record; done",
    )
}

/// What the kernel says, on either kind of machine.
fn memory_limit(hub: &Hub) -> Result<u64> {
    let group = "hubd.slice/hubd-users.slice/hubd-users-bob.slice/hubd-user-bob.service";
    let text = hub.sh(&format!(
        "cat /sys/fs/cgroup/{group}/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/{group}/memory.limit_in_bytes"
    ))?;
    text.trim().parse().with_context(|| format!("memory limit {text:?}"))
}

fn limits(context: &Context, hub: &Hub) -> Result<()> {
    let pid = |hub: &Hub| {
        hub.sh("systemctl show --property=MainPID --value hubd-user-bob.service; systemctl show --property=MainPID --value hubd.service")
    };
    let before = pid(hub)?;
    for (memory, bytes) in [("768M", 768_u64 << 20), ("1536M", 1536 << 20)] {
        let began = Instant::now();
        let told = change(hub, &format!("-E 's/^memory = .*/memory = \"{memory}\"/'"))?.checked()?.text();
        let told: Value = serde_json::from_str(&told).context(told)?;
        ensure!(told["warnings"] == json!([]), "after memory = {memory:?}: {told}");
        let found = memory_limit(hub)?;
        ensure!(found == bytes, "the kernel allows {found} bytes after memory = {memory:?}; expected {bytes}");
        context.step(&format!("memory = {memory:?} is in the cgroup after {:.2} s", began.elapsed().as_secs_f64()))?;
    }
    ensure!(pid(hub)? == before, "a changed limit restarted something");
    // What was set on the running unit must not outlive it.
    hub.hubctl(&["server", "stop", "bob"])?;
    change(hub, "-E 's/^memory = .*/memory = \"640M\"/'")?.checked()?;
    hub.hubctl(&["server", "start", "bob"])?;
    let found = memory_limit(hub)?;
    ensure!(found == 640 << 20, "a new server has {found} bytes; expected 640M");
    Ok(())
}

fn answers(hub: &Hub, port: u16) -> Result<bool> {
    Ok(hub.sh(&format!("curl -s -o /dev/null -w '%{{http_code}}' http://127.0.0.1:{port}/hub/login || true"))?.trim() == "200")
}

fn port_of(hub: &Hub) -> Result<u16> {
    hub.url().rsplit(':').next().and_then(|port| port.parse().ok()).context("the hub's address has no port")
}

fn listener(context: &Context, hub: &Hub) -> Result<()> {
    let (old, new) = (port_of(hub)?, context.free_port()?);
    for (from, to) in [(old, new), (new, old)] {
        let began = Instant::now();
        change(hub, &format!("'/^listen/s/:{from}/:{to}/'"))?.checked()?;
        ensure!(answers(hub, to)? && !answers(hub, from)?, "the hub does not listen at {to} alone");
        context.step(&format!("moved the listener in {:.2} s", began.elapsed().as_secs_f64()))?;
    }
    Ok(())
}

/// The check can't know that somebody else listens there; the machine shares its network with this process.
fn taken_port(context: &Context, hub: &Hub) -> Result<()> {
    let own = port_of(hub)?;
    let other = TcpListener::bind("127.0.0.1:0")?;
    let taken = other.local_addr()?.port();
    let began = Instant::now();
    let output = change(hub, &format!("'/^listen/s/:{own}/:{taken}/'"))?;
    ensure!(output.code == EXIT_ROLLED_BACK, "exit code {}: {}", output.code, output.text());
    context.step(&format!("rolled back in {:.2} s: {}", began.elapsed().as_secs_f64(), output.text()))?;
    ensure!(answers(hub, own)?, "the hub does not answer at its old port");
    ensure!(hub.sh(&format!("grep ^listen {CONFIG}"))?.contains(&format!(":{own}\"")), "the old configuration is not back");
    ensure!(history(hub)?.ends_with("rolled_back apply"), "{}", history(hub)?);
    let units = hub.failed_units()?;
    ensure!(units.is_empty(), "failed units after the roll-back: {units:?}");
    Ok(())
}

/// hubctl stops between saving and settling, and so does the machine, without a word to anybody.
fn power_cut(context: &Context, hub: &mut Hub) -> Result<()> {
    let own = port_of(hub)?;
    let elsewhere = context.free_port()?;
    // So hubctl waits for the hub, with the new listener in place.
    hub.sh(&format!(
        "{HOLD}
         sed -i '/^listen/s/:{own}/:{elsewhere}/' {CONFIG}
         setsid hubctl config apply >/dev/null 2>&1 </dev/null &"
    ))?;
    let begun = format!(
        "[ -e /var/lib/hubd-installer/config-history/pending ] && grep -q :{elsewhere} /etc/systemd/system/hubd.socket.d/listen.conf"
    );
    wait::for_shell(hub, "the change to begin", &begun)?;
    hub.power_cut()?;
    hub.power_on()?;
    context.step("cut the power between save and settle, and booted")?;
    wait::until("the hub at its old port", || answers(hub, own))?;
    ensure!(!answers(hub, elsewhere)?, "the hub listens where it was never seen to be well");
    ensure!(
        hub.sh(&format!("grep ^listen {CONFIG}"))?.contains(&format!(":{own}\"")),
        "the last healthy configuration is not back"
    );
    ensure!(history(hub)?.ends_with("rolled_back apply"), "{}", history(hub)?);
    for words in ["was not confirmed", "is in force again"] {
        wait::for_log(hub, "-u hubd-config-guard.service -b", words)?;
    }
    context.step("the last healthy configuration won, and the journal says so")
}
