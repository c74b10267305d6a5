//! The first command of the README: a hub to look at on a machine that is none, and the end of it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use hub_machine::Machine;
use hub_system::command::Command;
use serde_json::Value;

use super::{Group, Scenario};
use crate::context::{Context, repository};
use crate::lab;
use crate::release::test_key;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "try",
    about: "bootstrap.sh --try in a checkout: two at once are one; the student it makes runs a cell; --stop ends it",
    group: Group::Default,
    needs_programs: true,
    run: |context| run(context, &context.programs().display().to_string()),
};

pub(super) const FULL: Scenario = Scenario {
    name: "try-build",
    about: "the same, and bootstrap.sh builds the programs",
    group: Group::Nightly,
    needs_programs: true,
    run: |context| run(context, ""),
};

/// Includes the check of cargo that the programs are built.
const START_DEADLINE: Duration = Duration::from_secs(900);
const PAGE_DEADLINE: Duration = Duration::from_secs(120);

/// `programs`: where they are, or nothing when they are to be built.
fn run(context: &Context, programs: &str) -> Result<()> {
    // Not the name that a person's own trial has; this one is swept up when the test is killed.
    let name = format!("t{}-try", std::process::id());
    let port = context.free_port()?.to_string();
    let tried = try_and_look(context, programs, &name, &port);
    let stopped = bootstrap(programs, &["--try", "--stop", "--machine", &name]);
    tried?;
    stopped?;
    ensure!(Machine::list()?.iter().all(|machine| machine.name() != name), "the machine is still there");
    let note = format!("/var/lib/hubd-try/{name}.json");
    ensure!(!Path::new(&note).exists(), "`{note}` is still there");
    Ok(())
}

fn try_and_look(context: &Context, programs: &str, name: &str, port: &str) -> Result<()> {
    let arguments = ["--try", "--json", "--machine", name, "--port", port];
    // Somebody was impatient.
    let (trial, other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| bootstrap(programs, &arguments));
        (bootstrap(programs, &arguments), other.join())
    });
    let (trial, other) = (trial?, other.map_err(|_| anyhow!("the thread of the second --try panicked"))??);
    ensure!(trial == other, "two --try at once: {trial} and {other}");
    context.step("started, asked for twice at once")?;
    let url = trial["url"].as_str().context("no url")?;
    let users = trial["users"].as_array().context("no users")?;
    ensure!(users.len() == 2 && users[0]["admin"] == true && users[1]["admin"] == false, "users: {users:?}");
    ensure!(trial["stop"].as_str().is_some_and(|stop| stop.contains("try --stop")), "trial: {trial}");

    let browser = context.browser("student")?;
    browser.goto(&format!("{url}/hub/login"))?;
    browser.fill("#username", users[1]["name"].as_str().unwrap_or_default())?;
    browser.fill("#password", users[1]["password"].as_str().unwrap_or_default())?;
    browser.click_text("Log in")?;
    browser.wait_for(".jp-Launcher, .jp-NotebookPanel", PAGE_DEADLINE)?;
    lab::new_notebook(&browser)?;
    lab::run_cell(&browser, "import numpy, pandas, matplotlib; numpy.arange(3).sum()", "3")?;
    browser.screenshot("cell")?;
    context.step("the student ran a cell")?;

    ensure!(bootstrap(programs, &arguments)? == trial, "a second --try is another trial");
    context.step("a second --try found the first")
}

fn bootstrap(programs: &str, arguments: &[&str]) -> Result<Value> {
    let output = Command::new(repository().join("bootstrap.sh"), START_DEADLINE)
        .args(arguments.iter().copied())
        // A release that somebody has set up is not what is tested here.
        .env("HUBD_RELEASE_URL", "")
        .env("HUBD_PROGRAMS", programs)
        // As the other parts build it, or everything would be built twice.
        .env("HUBD_RELEASE_KEY", test_key())
        .run()?;
    if output.trim().is_empty() { Ok(Value::Null) } else { serde_json::from_str(&output).context(output) }
}
