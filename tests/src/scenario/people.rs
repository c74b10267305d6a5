//! A teacher runs a class from the browser alone: enrols it, hands out links, sees servers come and go, stops, blocks.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Group, Scenario};
use crate::browser::Browser;
use crate::context::Context;
use crate::hub::{Hub, PASSWORD};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "people",
    about: "a teacher enrols a pasted class, hands out links, follows and stops servers, blocks; a helper and a student may less",
    group: Group::Default,
    needs_programs: true,
    run,
};

const DEADLINE: Duration = Duration::from_secs(90);
const LIST: &str = "surname;username\nLovelace;eve\nHopper;grace.h\nNoether;emmy";

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    hub.add_students(&["tess".to_owned(), "hugo".to_owned(), "bob".to_owned()])?;
    hub.hubctl_output(&["config", "add", "roles.teachers", "tess"])?;
    hub.hubctl_output(&["config", "add", "roles.helpers", "hugo"])?;
    let tess = context.browser("tess")?;
    hub.log_in(&tess, "tess")?;
    hub.wait_for_lab(&tess)?;
    tess.goto(&format!("{}/hub/home", hub.url()))?;
    tess.screenshot("home")?;
    tess.click_text("People and servers")?;
    let link = enrol(context, &hub, &tess)?;
    follow(context, &hub, &tess, &link)?;
    block(context, &hub, &tess)?;
    others(context, &hub)
}

/// A list with a heading, once with a mistake; the links are shown with their codes. Returns eve's.
fn enrol(context: &Context, hub: &Hub, tess: &Browser) -> Result<String> {
    tess.wait_for_text("h1", "People", DEADLINE)?;
    tess.click_text("Add people")?;
    tess.fill("#list", &format!("{LIST}\nMeitner;M\u{fc}ller"))?;
    tess.click_text("Add and make links")?;
    tess.wait_for_text("#problem", "Line 5", DEADLINE)?;
    tess.screenshot("add-mistake")?;
    ensure!(!listed(hub)?.contains(&"eve".to_owned()), "somebody of a list with a mistake was enrolled");
    tess.fill("#list", LIST)?;
    tess.click_text("Add and make links")?;
    tess.wait_for_text("h1", "3 people were added", DEADLINE)?;
    ensure!(tess.count(".slip svg")? == 3, "each link has a code");
    tess.screenshot("slips")?;
    let link = tess.property(".slip:nth-child(1) .link", "href")?.context("eve's slip has no link")?;
    ensure!(link.starts_with(hub.url()), "the link leads elsewhere: {link}");
    tess.click_text("Back to the list")?;
    tess.wait_for("[data-name=eve]", DEADLINE)?;
    for (width, height) in [(1280, 900), (400, 800)] {
        tess.resize(width, height)?;
        tess.screenshot(&format!("list-{width}"))?;
        let overflow = tess.execute("return document.documentElement.scrollWidth > innerWidth", Vec::new())?;
        ensure!(overflow == Value::Bool(false), "the list is wider than a screen of {width} pixels");
    }
    tess.resize(1280, 900)?;
    context.step("a class was pasted into the page, and each person has a link")?;
    Ok(link)
}

/// eve uses the link; the open list of the teacher shows it, without being loaded again.
fn follow(context: &Context, hub: &Hub, tess: &Browser, link: &str) -> Result<()> {
    tess.execute("window.unchanged = true", Vec::new())?;
    let eve = context.browser("eve")?;
    eve.goto(link)?;
    eve.fill("#password", PASSWORD)?;
    eve.fill("#repeat", PASSWORD)?;
    eve.click_text("Save and go to my server")?;
    hub.wait_for_lab(&eve)?;
    tess.wait_for_text("[data-name=eve] .pill", "Running", DEADLINE)?;
    ensure!(tess.execute("return window.unchanged === true", Vec::new())? == Value::Bool(true), "the list was loaded again");
    tess.screenshot("list-live")?;

    tess.click("[data-name=eve] a")?;
    tess.wait_for_text("h1", "eve", DEADLINE)?;
    tess.wait_for_text("dl", "Memory", DEADLINE)?;
    tess.screenshot("person")?;
    tess.click_text("What the server said")?;
    tess.wait_for_text("pre", "Jupyter", DEADLINE)?;
    tess.screenshot("log")?;
    tess.click_text("eve")?;
    tess.click("button[value=stop]")?;
    tess.wait_for_text("h1", "Stop the server of eve?", DEADLINE)?;
    tess.screenshot("stop")?;
    tess.click("main button")?;
    tess.wait_for_text(".pill", "Not running", DEADLINE)?;
    hub.sh("! systemctl is-active hubd-user-eve.service")?;
    tess.click("button[value=start]")?;
    tess.wait_for_text(".pill", "Running", DEADLINE)?;
    hub.sh("systemctl is-active hubd-user-eve.service")?;
    hub.sh("journalctl -u hubd.service | grep -q 'tess did server stop for eve'")?;
    context.step("the teacher saw eve's server come, stopped it and started it again")
}

/// Two are ticked and blocked together; one of them is let in again.
fn block(context: &Context, hub: &Hub, tess: &Browser) -> Result<()> {
    tess.goto(&format!("{}/hub/people", hub.url()))?;
    tess.click("[name='who.eve']")?;
    tess.click("[name='who.bob']")?;
    tess.wait_for_text("[data-count]", "2 you ticked", DEADLINE)?;
    tess.click("button[value=block]")?;
    tess.wait_for_text("h1", "Block 2 people?", DEADLINE)?;
    tess.click("main button")?;
    tess.wait_for_text(".note", "2 people are blocked", DEADLINE)?;
    tess.wait_for_text("[data-name=eve]", "Blocked", DEADLINE)?;
    tess.wait_for_text("[data-name=eve] .pill", "Not running", DEADLINE)?;
    tess.screenshot("blocked")?;
    let bob = context.browser("bob")?;
    hub.log_in(&bob, "bob")?;
    bob.wait_for("[role=alert]", DEADLINE)?;
    tess.click("[data-name=bob] a")?;
    tess.click_text("Unblock")?;
    tess.wait_for_text(".note", "One person is unblocked", DEADLINE)?;
    hub.log_in(&bob, "bob")?;
    hub.wait_for_lab(&bob)?;
    context.step("two were blocked together, and one let in again")
}

/// A helper sees servers and can't enrol; a student sees nothing; the list of people is in neither's reach.
fn others(context: &Context, hub: &Hub) -> Result<()> {
    let hugo = context.browser("hugo")?;
    hub.log_in(&hugo, "hugo")?;
    hub.wait_for_lab(&hugo)?;
    hugo.goto(&format!("{}/hub/people", hub.url()))?;
    hugo.wait_for("[data-name=bob]", DEADLINE)?;
    ensure!(hugo.count("[data-name=emmy]")? == 0 && hugo.count("button[value=block]")? == 0, "a helper sees too much");
    hugo.screenshot("helper")?;
    let bob = context.browser("bob-again")?;
    hub.log_in(&bob, "bob")?;
    hub.wait_for_lab(&bob)?;
    bob.goto(&format!("{}/hub/people", hub.url()))?;
    bob.wait_for_text("h1", "This page is not for you", DEADLINE)?;
    bob.screenshot("student")?;
    context.step("a helper sees servers, a student nothing")
}

fn listed(hub: &Hub) -> Result<Vec<String>> {
    let list = hub.hubctl(&["user", "list"])?;
    let users = list["users"].as_array().context("no list of people")?;
    Ok(users.iter().filter_map(|user| user["name"].as_str().map(str::to_owned)).collect())
}
