//! A hub that upgrades by itself: when it may, when it does not, and what it says about a release that did not work.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::broken::DOES_NOT_START;
use super::{DONE, UPGRADE_DEADLINE, is_installed};
use crate::context::Context;
use crate::hub::{ADMIN, Hub};
use crate::release;
use crate::scenario::{Group, Scenario};

pub(in crate::scenario) const SCENARIO: Scenario = Scenario {
    name: "upgrade-automatic",
    about: "the hub upgrades by itself in its window, while nobody is there; what did not work is told and not tried again",
    group: Group::Nightly,
    needs_programs: true,
    run,
};

/// What the timer starts.
const SERVICE: &str = "hubd-auto-upgrade.service";
/// As if a night had passed since it looked last.
const NEXT_NIGHT: &str = "sed -i 's/\\(\"when\": \"\\)20/\\119/' /var/lib/hubd-upgrade/record.json";

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    let timer = hub.sh("systemctl is-enabled hubd-auto-upgrade.timer; systemctl is-active hubd-auto-upgrade.timer | xargs")?;
    ensure!(timer == "enabled\nactive", "the timer: {timer}");
    let good = release::later(context, "0.2.0", None)?;
    let source = release::serve(good.path().to_owned())?;
    hub.sh(&format!("hubctl config set upgrade.source {source}"))?;

    declines(&hub, "upgrade.automatic is off")?;
    hub.sh("hubctl config set upgrade.automatic true; hubctl config set upgrade.window $(date -d '2 hours' +%H:00)-$(date -d '3 hours' +%H:00)")?;
    declines(&hub, "and upgrade.window is")?;
    hub.sh("hubctl config set upgrade.window 00:00-24:00")?;
    hub.hubctl(&["server", "start", ADMIN])?;
    declines(&hub, "1 person has a server that runs, and upgrade.max_online is 0")?;
    hub.hubctl(&["server", "stop", ADMIN])?;
    is_installed(&hub, env!("CARGO_PKG_VERSION"))?;
    context.step("not when it is off, not outside of the window, not while somebody is there")?;

    wake(&hub)?;
    is_installed(&hub, "0.2.0")?;
    let record: Value = hub.hubctl(&["upgrade", "--status"])?;
    ensure!(record["who"] == "the hub itself" && record["state"] == "upgraded", "recorded: {record}");
    let status = hub.sh("hubctl status")?;
    ensure!(status.contains("from hubd 0.1.0 to 0.2.0 (asked for by the hub itself"), "status: {status}");
    declines(&hub, "the last check was")?;
    context.step(&format!("upgraded by itself:\n{status}"))?;

    let broken = release::later(context, "0.2.1", Some(("hubd", DOES_NOT_START)))?;
    let source = release::serve(broken.path().to_owned())?;
    hub.sh(&format!("hubctl config set upgrade.source {source}; {NEXT_NIGHT}"))?;
    wake(&hub)?;
    is_installed(&hub, "0.2.0")?;
    let told = "hubd 0.2.1 did not work and was rolled back (asked for by the hub itself";
    let status = hub.sh("hubctl status")?;
    ensure!(status.contains(told) && status.contains("broken on purpose"), "status: {status}");
    let journal = hub.sh(&format!("journalctl --unit={SERVICE} --priority=notice --output=cat"))?;
    ensure!(journal.contains("The hub runs hubd 0.2.0 again"), "the journal: {journal}");
    context.step(&format!("a release that does not start was taken back:\n{status}"))?;

    hub.sh(NEXT_NIGHT)?;
    let before = hub.sh("systemctl show --property=MainPID hubd.service")?;
    wake(&hub)?;
    ensure!(hub.sh("systemctl show --property=MainPID hubd.service")? == before, "the broken release was tried again");
    let said = hub.command(["/usr/local/bin/hubctl", "upgrade", "--status"]).output()?;
    ensure!(said.code == DONE && said.text().contains(told) && said.text().contains("Nothing to change"), "{}", said.text());

    let next = release::later(context, "0.2.2", None)?;
    let source = release::serve(next.path().to_owned())?;
    hub.sh(&format!("hubctl config set upgrade.source {source}; {NEXT_NIGHT}"))?;
    wake(&hub)?;
    is_installed(&hub, "0.2.2")?;
    ensure!(!hub.sh("hubctl status")?.contains("rolled back"), "the finding stayed");
    context.step("it was not tried again; a later release was")
}

/// Does what the timer does, and waits until it is over.
fn wake(hub: &Hub) -> Result<()> {
    let script = format!("systemctl start {SERVICE} || true; systemctl reset-failed {SERVICE} 2>/dev/null || true");
    hub.command(["/bin/sh", "-euc", &script]).timeout(UPGRADE_DEADLINE).run().map(drop)
}

/// What the timer's program says when this is not the time.
fn declines(hub: &Hub, reason: &str) -> Result<()> {
    let said = hub.command(["/usr/local/bin/hubctl", "upgrade", "--automatic"]).timeout(UPGRADE_DEADLINE).output()?;
    ensure!(said.code == DONE && said.text().contains(reason), "expected {reason:?}: {} {}", said.text(), said.complaint());
    Ok(())
}
