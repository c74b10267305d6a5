//! Limits bite: a student's memory, her processes and threads, her processor time, and what all may use together.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::Hub;
use crate::{kernel, wait};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "limits",
    about: "a kernel that takes too much memory is killed and its server lives; tasks and processor time end at the limit",
    group: Group::Default,
    needs_programs: true,
    run,
};

const MEMORY: u64 = 512 << 20;
const TASKS: u64 = 100;
const CORES: f64 = 0.5;
const CONFIG: &str = "\\n[limits]\\nmemory = \"512M\"\\ntasks = 100\\ncpu_quota = 0.5\\ncpu_weight = 50\\n";
const VERIFY_DEADLINE: Duration = Duration::from_secs(180);
/// Seconds of wall time in which processor time is measured.
const SPIN: Duration = Duration::from_secs(10);

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    hub.add_students(&["bob".to_owned(), "eve".to_owned()])?;
    hub.sh(&format!(
        "sed -i '/^\\[limits\\]/,/^\\[/{{/^memory/d;/^\\[limits\\]/d}}' /etc/hubd/config.toml; printf '{CONFIG}' >>/etc/hubd/config.toml; hubctl config check"
    ))?;
    let started = hub.hubctl(&["server", "start", "bob", "eve"])?;
    ensure!(started["problems"] == serde_json::json!([]), "start: {started}");
    verified(context, &hub)?;
    properties(context, &hub)?;
    memory(context, &hub)?;
    tasks(context, &hub)?;
    processor(context, &hub)?;
    runaway(context, &hub)
}

/// What the installer proves is what the configuration says, in numbers.
fn verified(context: &Context, hub: &Hub) -> Result<()> {
    let command = ["/opt/hubd/bin/hub-installer", "verify", "--json"];
    let output = hub.command(command).timeout(VERIFY_DEADLINE).output()?.checked()?;
    let report: Value = serde_json::from_str(&output.text())?;
    for (index, allowed) in ["512 MB", "100", "0.5 cores"].into_iter().enumerate() {
        let tried = &report["limits"][index];
        ensure!(tried["allowed"] == allowed && tried["holds"] == true && tried["got"] != "", "verified: {tried}");
        context.step(&format!("verified: {} {allowed}, got {}", tried["what"], tried["got"]))?;
    }
    Ok(())
}

fn property(hub: &Hub, unit: &str, name: &str) -> Result<String> {
    hub.sh(&format!("systemctl show --property={name} --value {unit}"))
}

/// What systemd was told for one student and for all.
fn properties(context: &Context, hub: &Hub) -> Result<()> {
    for unit in ["hubd-users-eve.slice", "hubd-user-eve.service"] {
        for (name, expected) in [("MemoryMax", MEMORY), ("MemorySwapMax", 0), ("TasksMax", TASKS)] {
            let found = property(hub, unit, name)?;
            ensure!(found == expected.to_string(), "{name} of {unit} is {found}; expected {expected}");
        }
        let quota = property(hub, unit, "CPUQuotaPerSecUSec")?;
        ensure!(quota == "500ms", "CPUQuotaPerSecUSec of {unit} is {quota}; expected 500ms");
    }
    let weight = property(hub, "hubd-users-eve.slice", "CPUWeight")?;
    ensure!(weight == "50", "CPUWeight of eve's slice is {weight}; expected 50");
    let kilobytes: u64 = hub.sh("awk '/^MemTotal/ {print $2}' /proc/meminfo")?.parse().context("MemTotal")?;
    let total = kilobytes << 10;
    let together: u64 = property(hub, "hubd-users.slice", "MemoryMax")?.parse().context("MemoryMax of hubd-users.slice")?;
    // Without `machine.reserve`: an eighth, and never less than 384 MB on machines that have it fourfold.
    let reserve = (total / 8).max(384 << 20);
    let page = 4096;
    ensure!(together.abs_diff(total - reserve) <= page, "{together} bytes for all; expected {total} less {reserve}");
    context.step(&format!("all students together: {} MB of {} MB", together >> 20, total >> 20))
}

/// Half as much again as she may have. The kernel dies, and everything else goes on.
fn memory(context: &Context, hub: &Hub) -> Result<()> {
    let server = |name: &str| property(hub, &format!("hubd-user-{name}.service"), "MainPID");
    let before = (server("eve")?, server("bob")?);
    let take = |bytes: u64| kernel::run(hub, "eve", &format!("block = bytearray(b'x') * {bytes}\nprint(len(block))"));
    let fits = take(MEMORY / 4)?;
    ensure!(fits.printed.trim() == (MEMORY / 4).to_string(), "a quarter of her memory: {fits:?}");
    let ran = take(MEMORY + MEMORY / 2)?;
    ensure!(ran.died() && ran.printed.is_empty(), "one and a half times her memory: {ran:?}");
    context.step(&format!("{} MB of {} MB: the kernel is {:?}", (MEMORY + MEMORY / 2) >> 20, MEMORY >> 20, ran.states))?;
    ensure!((server("eve")?, server("bob")?) == before, "a server was started anew");
    knows_why(hub)?;
    let listed = hub.hubctl(&["server", "list"])?;
    let phases: Vec<&str> = listed["servers"].as_array().into_iter().flatten().filter_map(|one| one["phase"].as_str()).collect();
    ensure!(phases == ["running", "running"], "after the kernel's end: {listed}");
    for name in ["eve", "bob"] {
        let ran = kernel::run(hub, name, "print(1 + 1)")?;
        ensure!(ran.printed == "2\n", "a new kernel of {name}: {ran:?}");
    }
    context.step("both servers live, and start kernels")
}

/// A server whose programs use up its memory over and over is stopped, and stays down for some minutes.
fn runaway(context: &Context, hub: &Hub) -> Result<()> {
    let ran = kernel::run(hub, "bob", RUNAWAY)?;
    ensure!(ran.error.is_none(), "starting what takes memory: {ran:?}");
    wait::until_within(RUNAWAY_DEADLINE, "the end of bob's server", || {
        Ok(hub.sh("systemctl is-active hubd-user-bob.service || true")? != "active")
    })?;
    let said = hub.sh("hubctl server start bob 2>&1 || true")?;
    ensure!(said.contains("used up its memory over and over") && said.contains("minutes"), "starting it again: {said}");
    ensure!(hub.sh("systemctl is-active hubd-user-eve.service")? == "active", "eve's server is down, too");
    context.step("what uses up its memory over and over is stopped for a while")
}

const RUNAWAY_DEADLINE: Duration = Duration::from_secs(600);
const RUNAWAY: &str = r#"
import subprocess, sys
code = """
import subprocess, sys
take = 'open("/proc/self/oom_score_adj", "w").write("1000"); b = bytearray(2 << 30); b[::4096] = b"x" * len(b[::4096])'
for _ in range(500): subprocess.run([sys.executable, '-c', take])
"""
subprocess.Popen([sys.executable, '-c', code], start_new_session=True)
"#;

/// Jupyter says that a kernel died; the hub says why, wherever somebody would look, and of eve alone.
fn knows_why(hub: &Hub) -> Result<()> {
    let listed = noticed(hub)?;
    ensure!(listed["servers"][0]["memory_kills"]["count"] == 0, "bob's server: {listed}");
    let logs = hub.hubctl(&["server", "logs", "eve"])?;
    ensure!(logs["memory_kills"]["count"] == 1, "logs: {logs}");
    let said = "eve's server used up its 512 MB of memory: the kernel ended 1 program in it, last ";
    for verb in ["server list", "server logs eve", "status"] {
        let text = hub.sh(&format!("hubctl {verb} 2>&1"))?;
        ensure!(text.contains(said), "hubctl {verb}: {text}");
    }
    let line = "eve's server used up its 512 MB of memory: the kernel ended a program in it";
    wait::for_log(hub, "--unit=hubd.service", line)?;
    // The kernel goes on counting where the hub was not looking.
    hub.sh("systemctl restart hubd.service")?;
    noticed(hub).map(drop)
}

/// Waits until the hub knows of the one program of eve's that was ended, and returns the list of servers.
fn noticed(hub: &Hub) -> Result<Value> {
    let mut listed = Value::Null;
    let waited = wait::until("the hub to know of a program that was ended", || {
        listed = hub.hubctl(&["server", "list"])?;
        Ok(listed["servers"][1]["memory_kills"]["count"] == 1)
    });
    waited.with_context(|| listed.to_string())?;
    Ok(listed)
}

/// At most fifty sleeps more than she may have; each ends by itself.
fn tasks(context: &Context, hub: &Hub) -> Result<()> {
    let code = format!(
        "import subprocess
children = []
try:
    for number in range({TASKS} + 50):
        children.append(subprocess.Popen(['/bin/sleep', '300']))
except OSError as error:
    print('refused', error.errno, len(children))
else:
    print('spawned', len(children))
for child in children:
    child.kill()
    child.wait()"
    );
    let ran = kernel::run(hub, "eve", &code)?;
    let words: Vec<&str> = ran.printed.split_whitespace().collect();
    // 11 is EAGAIN. Threads of the server and of the kernel are among the tasks.
    let children = match words[..] {
        ["refused", "11", children] => children.parse::<u64>()?,
        _ => anyhow::bail!("{} sleeps under a limit of {TASKS}: {ran:?}", TASKS + 50),
    };
    ensure!((1..TASKS).contains(&children), "{children} sleeps under a limit of {TASKS}");
    context.step(&format!("tasks: refused after {children} sleeps under a limit of {TASKS}"))?;
    let ran = kernel::run(hub, "eve", "print(1 + 1)")?;
    ensure!(ran.printed == "2\n", "a kernel after the sleeps: {ran:?}");
    Ok(())
}

/// Spinning gets no more than the quota. Less is no fault: the machine may be busy with other things.
fn processor(context: &Context, hub: &Hub) -> Result<()> {
    let seconds = SPIN.as_secs();
    let code = format!(
        "import time
end, before = time.monotonic() + {seconds}, time.process_time()
while time.monotonic() < end: pass
print((time.process_time() - before) / {seconds})"
    );
    let ran = kernel::run(hub, "eve", &code)?;
    let cores: f64 = ran.printed.trim().parse().with_context(|| format!("{ran:?}"))?;
    context.step(&format!("processor: {cores:.3} cores of {CORES}"))?;
    // A tenth of a second is what one period of the quota may be late or early.
    ensure!(cores <= CORES * 1.1, "{cores} cores under a quota of {CORES}");
    Ok(())
}
