//! A student uses up the memory that all have together: the teacher's page and `hubctl` say so, name them, and it is over when
//! the teacher stops their server; pictures show it afterwards, also after a restart of the hub.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Group, Scenario};
use crate::browser::Browser;
use crate::context::Context;
use crate::hub::Hub;
use crate::{kernel, wait};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "usage",
    about: "a student uses up memory: the teacher's page and hubctl name them, and not to helpers; it is over with their server, and drawn",
    group: Group::Default,
    needs_programs: true,
    run,
};

const DEADLINE: Duration = Duration::from_secs(90);
/// What all students have together.
const TOGETHER: u64 = 640 << 20;
/// Where they have them is where the hub says that it is nearly full.
const TAKEN: u64 = TOGETHER / 100 * 94;

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    hub.add_students(&["tess".to_owned(), "hugo".to_owned(), "eve".to_owned()])?;
    hub.hubctl_output(&["config", "add", "roles.teachers", "tess"])?;
    hub.hubctl_output(&["config", "add", "roles.helpers", "hugo"])?;
    hub.hubctl(&["server", "start", "eve", "tess", "hugo"])?;
    let tess = context.browser("tess")?;
    hub.log_in(&tess, "tess")?;
    tess.goto(&format!("{}/hub/people", hub.url()))?;
    tess.wait_for("[data-name=eve]", DEADLINE)?;
    ensure!(!tess.text("[data-short]")?.contains("Memory"), "memory is short before anybody took some");
    takes_memory(&hub)?;
    named(context, &hub, &tess)?;
    hidden(context, &hub)?;
    over(context, &hub, &tess)?;
    drawn(context, &hub, &tess)
}

/// Sees to it that all students together may have little, and that a program of eve's takes nearly all of that.
fn takes_memory(hub: &Hub) -> Result<()> {
    let kilobytes: u64 = hub.sh("awk '/^MemTotal/ {print $2}' /proc/meminfo")?.parse().context("MemTotal")?;
    let reserve = (kilobytes << 10) - TOGETHER;
    hub.hubctl_output(&["config", "set", "machine.reserve", &format!("{}K", reserve >> 10)])?.checked()?;
    let status = hub.hubctl(&["status"])?;
    let used = status["memory"]["used_bytes"].as_u64().with_context(|| format!("no memory in {status}"))?;
    let program = format!("block = bytearray(b'x') * {}\nwhile True: pass", TAKEN.saturating_sub(used));
    // In a session of its own, so that it outlives the kernel.
    let code = format!(
        "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {program:?}], start_new_session=True)\nprint('begun')"
    );
    let ran = kernel::run(hub, "eve", &code)?;
    ensure!(ran.printed == "begun\n", "{ran:?}");
    Ok(())
}

/// The open page says so without being loaded again, and so does `hubctl`.
fn named(context: &Context, hub: &Hub, tess: &Browser) -> Result<()> {
    tess.wait_for_text("[data-short]", "full: one person uses", DEADLINE)?;
    ensure!(tess.text("[data-short] a")? == "eve", "somebody else is named: {}", tess.text("[data-short]")?);
    tess.wait_for_script(
        "return parseFloat(document.querySelector('[data-name=eve] [data-text=cpu]').textContent) > 0",
        DEADLINE,
    )?;
    tess.goto(&format!("{}/hub/people?sort=cpu", hub.url()))?;
    tess.wait_for_text("tbody tr:first-child th", "eve", DEADLINE)?;
    look(tess, "short")?;
    let status = hub.hubctl(&["status"])?;
    let found = memory_of(&status).with_context(|| format!("nothing is short: {status}"))?;
    ensure!(found["who"][0]["name"] == "eve", "status: {found}");
    let text = hub.sh("hubctl status 2>&1")?;
    ensure!(text.contains("full: one person uses") && text.contains("(eve "), "status: {text}");
    let listed = hub.hubctl(&["server", "list"])?;
    ensure!(listed["servers"][0]["cpu_cores"].as_f64().is_some_and(|cores| cores > 0.0), "eve's server: {listed}");
    context.step(&format!("the open page and hubctl say: {}", found["what"]))
}

/// A helper sees servers and is told nothing of the machine.
fn hidden(context: &Context, hub: &Hub) -> Result<()> {
    let hugo = context.browser("hugo")?;
    hub.log_in(&hugo, "hugo")?;
    hugo.goto(&format!("{}/hub/people", hub.url()))?;
    hugo.wait_for("[data-name=eve]", DEADLINE)?;
    ensure!(hugo.count("[data-short] p")? == 0, "a helper is told what is short");
    context.step("a helper is not told")
}

/// From the sentence to the person, and their server is stopped.
fn over(context: &Context, hub: &Hub, tess: &Browser) -> Result<()> {
    tess.click("[data-short] a")?;
    tess.wait_for_text("h1", "eve", DEADLINE)?;
    tess.click("button[value=stop]")?;
    tess.wait_for_text("h1", "Stop the server of eve?", DEADLINE)?;
    tess.click("main button")?;
    tess.wait_for_text(".pill", "Not running", DEADLINE)?;
    tess.goto(&format!("{}/hub/people", hub.url()))?;
    tess.wait_for_script("return !document.querySelector('[data-short]').textContent.includes('Memory')", DEADLINE)?;
    wait::until("hubctl to say nothing of memory any more", || Ok(memory_of(&hub.hubctl(&["status"])?).is_none()))?;
    context.step("the teacher stopped the server, and nothing is short")
}

/// The pictures of the last day and of the term have it, and a hub that was restarted has them, too.
fn drawn(context: &Context, hub: &Hub, tess: &Browser) -> Result<()> {
    let figures =
        "return [...document.querySelectorAll('figure')].map(one => one.querySelector('svg title').textContent.split(',')[0])";
    tess.click_text("Usage")?;
    tess.wait_for_text("figure:first-of-type p", "Highest: 3, on", DEADLINE)?;
    // Processors are known when the hub has run for a while.
    wait::until("four pictures", || {
        tess.goto(&format!("{}/hub/usage", hub.url()))?;
        tess.wait_for("figure", DEADLINE)?;
        Ok(tess.execute(figures, Vec::new())? == serde_json::json!(["People with a server", "Processors", "Memory", "Disks"]))
    })?;
    tess.click("figure:nth-of-type(3) summary")?;
    ensure!(
        tess.text("figure:nth-of-type(3) td:last-child")?.ends_with("MB"),
        "the table: {}",
        tess.text("figure:nth-of-type(3)")?
    );
    look(tess, "day")?;
    hub.sh("systemctl restart hubd.service")?;
    tess.goto(&format!("{}/hub/usage?span=term", hub.url()))?;
    tess.wait_for_text("figure:first-of-type p", "Highest: 3, on", DEADLINE)?;
    look(tess, "term")?;
    context.step("the pictures show the day and the term, also after a restart")
}

/// Pictures of the page, of which nothing is out of sight sideways.
fn look(tess: &Browser, what: &str) -> Result<()> {
    for (dark, words) in [(false, ""), (true, "-dark")] {
        for (width, height) in [(1280, 1600), (400, 1600)] {
            tess.dark(dark)?;
            tess.resize(width, height)?;
            tess.screenshot(&format!("{what}-{width}{words}"))?;
            let overflow = tess.execute("return document.documentElement.scrollWidth > innerWidth", Vec::new())?;
            ensure!(overflow == Value::Bool(false), "{what}: wider than a screen of {width} pixels");
        }
    }
    tess.dark(false)?;
    tess.resize(1280, 900)
}

/// What is said to be short of memory.
fn memory_of(status: &Value) -> Option<Value> {
    status["shortages"].as_array()?.iter().find(|found| found["of"] == "memory").cloned()
}
