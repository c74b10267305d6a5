//! The shared environment, changed like a transaction: an administrator installs from a terminal in the browser, another
//! student gets it with her next server, a third one's kernel notices nothing; and whatever goes wrong, nobody does.

mod trouble;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::class::{claim, wait_for_line};
use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::{ADMIN, Hub, record};
use crate::{kernel, lab};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "environment",
    about: "hubctl env from a notebook terminal: installed for the next server, tried out first, taken back, cut short, disk full, power cut",
    group: Group::Default,
    needs_programs: true,
    run,
};

const BUILD_DEADLINE: Duration = Duration::from_secs(600);
const ENVIRONMENTS: &str = "/opt/hubd/envs";
const NEST: &str = "
import os
for number in range(3000):
    os.mkdir(\"directory\")
    os.chdir(\"directory\")
";

fn run(context: &Context) -> Result<()> {
    let mut hub = Hub::install(context)?;
    let names = ["bob", "cyd", "dan"];
    hub.add_students(&names.map(str::to_owned))?;
    let (admin, bob) = (context.browser(ADMIN)?, context.browser("bob")?);
    claim(context, &hub, &admin)?;
    hub.log_in(&bob, "bob")?;
    hub.wait_for_lab(&bob)?;
    lab::new_notebook(&bob)?;
    lab::run_cell(&bob, "x = 41; 'told'", "told")?;
    let bobs = hub.sh("systemctl show --property=MainPID --value hubd-user-bob.service")?;

    // As a package left it that was built by a hub which then was killed.
    hub.sh(&format!("mkdir {ENVIRONMENTS}/7.new; cd {ENVIRONMENTS}/7.new; /usr/bin/python3 -c '{NEST}'"))?;
    lab::new_terminal(&admin)?;
    let line = "hubctl env install pandas > env.txt 2>&1; echo \"exit $?\" >> env.txt";
    let begun = Instant::now();
    lab::terminal_line(&admin, line)?;
    let said = wait_for_exit(&hub, "env.txt")?;
    context.step(&format!("hubctl env install pandas took {:.1} s:\n{said}", begun.elapsed().as_secs_f64()))?;
    ensure!(said.contains("exit 0") && said.contains("+ pandas "), "hubctl inside the hub: {said}");
    hub.sh(&format!("test ! -e {ENVIRONMENTS}/7.new"))?;
    let record = latest(&hub)?;
    ensure!(record["who"] == ADMIN && record["state"] == "done", "recorded: {record}");
    context.step(&format!(
        "by its record: {} s, {} bytes of {} not shared",
        record["seconds"], record["own_bytes"], record["bytes"]
    ))?;
    ensure!(hub.sh("cat /etc/hubd/config.toml")?.contains("\"pandas\""), "the configuration does not ask for it");
    let log = hub.sh(&format!("cat {}", record["log"].as_str().unwrap_or_default()))?;
    ensure!(
        log.contains("Downloading pandas") && !log.contains("Downloading jupyterlab"),
        "what was there was not taken over: {log}"
    );
    let download = &record["download"];
    ensure!(
        download["bytes"] == download["total_bytes"] && download["bytes"].as_u64().is_some_and(|bytes| bytes > 5 << 20),
        "bytes of the download: {record}"
    );

    hub.hubctl(&["server", "start", "cyd"])?;
    let ran = kernel::run(&hub, "cyd", "import pandas; print(pandas.DataFrame({'a': [1, 2]})['a'].sum())")?;
    ensure!(ran.printed.trim() == "3" && ran.error.is_none(), "in cyd's new server: {ran:?}");
    lab::run_cell(&bob, "x + 1", "42")?;
    lab::run_cell(&bob, "import pandas", "ModuleNotFoundError")?;
    ensure!(hub.sh("systemctl show --property=MainPID --value hubd-user-bob.service")? == bobs, "bob's server is another one");
    let status = hub.hubctl(&["env", "status"])?;
    ensure!(status["current"] == 2 && on(&status, 1).contains("bob") && on(&status, 2).contains("cyd"), "status: {status}");
    bob.screenshot("kept-state")?;
    context.step("cyd imports pandas, and bob's kernel is where it was")?;

    let begun = Instant::now();
    lab::terminal_line(&admin, "clear; hubctl env rollback > back.txt 2>&1; echo \"exit $?\" >> back.txt")?;
    let said = wait_for_exit(&hub, "back.txt")?;
    ensure!(said.contains("exit 0") && said.contains("- pandas "), "rollback: {said}");
    context.step(&format!("rolled back from the terminal in {:.2} s, typing included", begun.elapsed().as_secs_f64()))?;
    hub.hubctl(&["server", "start", "dan"])?;
    let ran = kernel::run(&hub, "dan", "import pandas")?;
    ensure!(ran.error.as_deref().is_some_and(|error| error.starts_with("ModuleNotFoundError")), "in dan's server: {ran:?}");
    context.step("a new server has no pandas any more")?;

    on_the_host(context, &hub)?;
    trouble::refused(context, &hub)?;
    trouble::taken_back(context, &hub)?;
    trouble::cut_short(context, &hub)?;
    trouble::full_disk(context, &hub)?;
    lab::run_cell(&bob, "x + 1", "42")?;
    let problems = hub.hubctl(&["env", "check"])?;
    ensure!(problems["problems"] == Value::Array(Vec::new()), "env check: {problems}");
    ensure!(hub.failed_units()?.is_empty(), "failed units: {:?}", hub.failed_units()?);
    context.step("after all of this bob's kernel still knows what it was told")?;
    drop((admin, bob));
    trouble::power_cut(context, &mut hub)
}

/// On the host the same works while the hub is down; old generations go, and share files with new ones.
fn on_the_host(context: &Context, hub: &Hub) -> Result<()> {
    hub.sh("systemctl stop hubd.socket hubd.service hubd-control.socket hubd-admin.socket hubd-operator.socket hubd-launcher.socket hubd-launcher.service")?;
    let begun = Instant::now();
    let back = hub.hubctl(&["env", "rollback", "2"])?;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(back["to"] == 2 && current(hub)? == "2", "rollback with the hub down: {back}");
    context.step(&format!("rolled forward on the host, with the hub down, in {seconds:.2} s"))?;
    hub.sh("systemctl start hubd-launcher.socket hubd-control.socket hubd-admin.socket hubd-operator.socket hubd.socket hubd-launcher.service hubd.service")?;

    hub.write("/root/requirements.txt", "pandas\ncowsay  # says it\n", 0o644)?;
    let applied = record(hub, &["env", "apply", "/root/requirements.txt"])?;
    ensure!(applied["state"] == "done" && applied["asked"].as_array().is_some_and(|asked| asked.len() == 2), "apply: {applied}");
    let sizes = hub.sh(&format!("cd {ENVIRONMENTS}; du -sk 1; du -sk 1 2 $(cat current) | tail -n 2"))?;
    context.step(&format!(
        "one more small package took {} s; kB on the disk, each without what is shared with those before:\n{sizes}",
        applied["seconds"]
    ))?;
    let again = record(hub, &["env", "install", "cowsay"])?;
    ensure!(again["state"] == "unchanged", "a second time: {again}");
    let exported = hub.sh("hubctl env export")?;
    ensure!(exported.contains("cowsay==") && exported.contains("--hash=sha256:"), "export: {exported}");
    Ok(())
}

fn latest(hub: &Hub) -> Result<Value> {
    let history = hub.hubctl(&["env", "history"])?;
    let last = history["records"].as_array().and_then(|records| records.last()).cloned();
    last.with_context(|| format!("no record in {history}"))
}

fn current(hub: &Hub) -> Result<String> {
    Ok(hub.sh(&format!("cat {ENVIRONMENTS}/current"))?.trim().to_owned())
}

/// Who runs on a generation, as text.
fn on(status: &Value, number: u32) -> String {
    let servers = status["servers"].as_array().cloned().unwrap_or_default();
    servers.iter().filter(|servers| servers["number"] == number).map(|servers| servers["names"].to_string()).collect()
}

/// Waits longer than [`wait_for_line`] does.
fn wait_for_exit(hub: &Hub, file: &str) -> Result<String> {
    let end = Instant::now() + BUILD_DEADLINE;
    loop {
        match wait_for_line(hub, ADMIN, file, "exit ") {
            Err(error) if Instant::now() > end => return Err(error),
            Err(_) => {}
            said => return said,
        }
    }
}
