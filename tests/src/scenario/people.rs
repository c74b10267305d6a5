//! A teacher runs a class from the browser alone: enrols it, hands out links, sees servers come and go, stops, blocks.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Group, Scenario};
use crate::browser::Browser;
use crate::context::Context;
use crate::hub::{Hub, PASSWORD};
use crate::wait;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "people",
    about: "a teacher enrols a class, follows and stops servers, blocks; an administrator changes limits and packages; others may less",
    group: Group::Default,
    needs_programs: true,
    run,
};

const DEADLINE: Duration = Duration::from_secs(90);
const BUILD_DEADLINE: Duration = Duration::from_secs(600);
const LIST: &str = "surname;username\nLovelace;eve\nHopper;grace.h\nNoether;emmy";

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    hub.add_students(&["tess".to_owned(), "hugo".to_owned(), "bob".to_owned()])?;
    hub.hubctl_output(&["config", "add", "roles.teachers", "tess"])?;
    hub.hubctl_output(&["config", "add", "roles.helpers", "hugo"])?;
    hub.add_students(&["anna".to_owned()])?;
    hub.hubctl_output(&["config", "add", "roles.admins", "anna"])?;
    let tess = context.browser("tess")?;
    hub.log_in(&tess, "tess")?;
    hub.wait_for_lab(&tess)?;
    tess.goto(&format!("{}/hub/home", hub.url()))?;
    tess.screenshot("home")?;
    tess.click_text("People and servers")?;
    let link = enrol(context, &hub, &tess)?;
    follow(context, &hub, &tess, &link)?;
    announce(context, &hub, &tess)?;
    let anna = context.browser("anna")?;
    limits(context, &hub, &anna)?;
    packages(context, &hub, &anna)?;
    block(context, &hub, &tess)?;
    others(context, &hub)
}

/// A list with a heading, once with a mistake; the links are shown with their codes. Returns eve's.
fn enrol(context: &Context, hub: &Hub, tess: &Browser) -> Result<String> {
    tess.wait_for_text("h1", "People", DEADLINE)?;
    tess.click_text("Add people")?;
    tess.fill("#list", &format!("{LIST}\nMeitner;"))?;
    tess.click_text("Read the list")?;
    tess.wait_for_text("#problem", "Line 5", DEADLINE)?;
    tess.screenshot("add-mistake")?;
    ensure!(!listed(hub)?.contains(&"eve".to_owned()), "somebody of a list with a mistake was enrolled");
    tess.fill("[name=list]", LIST)?;
    tess.click_text("Look again")?;
    tess.wait_for_text("#comes", "grace.h", DEADLINE)?;
    tess.click_text("Do it")?;
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
    tess.wait_for_text("dl [data-text=cpu]", "of", DEADLINE)?;
    tess.screenshot("person")?;
    tess.click_text("Server log")?;
    tess.wait_for_text("pre", "Jupyter", DEADLINE)?;
    tess.screenshot("log")?;
    tess.click_text("eve")?;
    tess.click("button[value=stop]")?;
    tess.wait_for_text("h1", "Stop the server of eve?", DEADLINE)?;
    tess.screenshot("stop")?;
    tess.click("main button")?;
    tess.wait_for_text(".pill", "Not running", DEADLINE)?;
    wait::for_end(hub, "hubd-user-eve.service")?;
    tess.click("button[value=start]")?;
    tess.wait_for_text(".pill", "Running", DEADLINE)?;
    hub.sh("systemctl is-active hubd-user-eve.service")?;
    wait::for_log(hub, "-u hubd.service", "tess did server stop for eve")?;
    context.step("the teacher saw eve's server come, stopped it and started it again")
}

/// A teacher announces something, which is all of the settings that a teacher changes.
fn announce(context: &Context, hub: &Hub, tess: &Browser) -> Result<()> {
    tess.goto(&format!("{}/hub/home", hub.url()))?;
    tess.click_text("Announcement")?;
    tess.fill("#hub-announcement", "The room closes at six.")?;
    ensure!(tess.count(".setting")? == 1, "a teacher sees more settings than the announcement");
    tess.click(".setting button")?;
    tess.wait_for_text("h1", "Change this?", DEADLINE)?;
    tess.screenshot("announce")?;
    tess.click("main button")?;
    tess.wait_for_text("h1", "Changed", DEADLINE)?;
    tess.click_text("Back to the settings")?;
    tess.wait_for_text(".announcement", "The room closes at six.", DEADLINE)?;
    context.step("a teacher announced something")
}

/// An administrator gives eve more memory while her server runs, takes it back, and makes a group.
fn limits(context: &Context, hub: &Hub, anna: &Browser) -> Result<()> {
    hub.log_in(anna, "anna")?;
    hub.wait_for_lab(anna)?;
    let memory = || {
        let slice = hub.sh("systemctl show --property=Slice --value hubd-user-eve.service")?;
        hub.sh(&format!("systemctl show --property=MemoryMax --value {}", slice.trim()))
    };
    let before = memory()?;
    anna.goto(&format!("{}/hub/people/eve", hub.url()))?;
    anna.click("details:has(#full_name) summary")?;
    anna.fill("#full_name", "Eve Moneypenny")?;
    anna.click_text("Preview the change")?;
    anna.wait_for_text("main", "Eve Moneypenny", DEADLINE)?;
    anna.click_text("Do it")?;
    anna.wait_for_text("h1", "was changed", DEADLINE)?;
    anna.goto(&format!("{}/hub/people/eve", hub.url()))?;
    anna.wait_for_text("main", "Eve Moneypenny", DEADLINE)?;
    anna.click("button[value=logout]")?;
    anna.wait_for_text("h1", "Log eve out everywhere?", DEADLINE)?;
    anna.click("main button")?;
    anna.wait_for_text("main", "One person is logged out everywhere", DEADLINE)?;
    anna.goto(&format!("{}/hub/people/eve", hub.url()))?;
    anna.click("details:has(#users-eve-limits-memory) summary")?;
    anna.screenshot("limits")?;
    anna.fill("#users-eve-limits-memory", "1200M")?;
    anna.click("form:has(#users-eve-limits-memory) button")?;
    anna.wait_for_text("h1", "Change this?", DEADLINE)?;
    anna.screenshot("limit-change")?;
    anna.click("main button")?;
    anna.wait_for_text("h1", "Changed", DEADLINE)?;
    anna.screenshot("limit-changed")?;
    ensure!(memory()?.trim() == (1200_u64 << 20).to_string(), "eve's server has not got more memory: {}", memory()?);
    anna.click("main form button")?;
    anna.wait_for_text("td strong", "not set", DEADLINE)?;
    ensure!(memory()? == before, "the memory was not taken back: {}", memory()?);

    anna.goto(&format!("{}/hub/settings", hub.url()))?;
    anna.screenshot("settings")?;
    anna.fill("#limits-tasks", "many")?;
    anna.click("form:has(#limits-tasks) button")?;
    anna.wait_for_text("[role=alert]", "whole number", DEADLINE)?;
    anna.screenshot("setting-mistake")?;
    anna.goto(&format!("{}/hub/settings", hub.url()))?;
    anna.fill("#group", "lab")?;
    anna.fill("#members", "eve, grace.h")?;
    anna.click("form:has(#group) button")?;
    anna.wait_for_text("h1", "Change this?", DEADLINE)?;
    anna.click("main button")?;
    anna.wait_for_text("h1", "Changed", DEADLINE)?;
    let members = hub.hubctl_output(&["config", "get", "groups.lab.members"])?;
    ensure!(members.text().contains("grace.h"), "the group was not made: {}", members.text());
    anna.goto(&format!("{}/hub/settings", hub.url()))?;
    anna.click_text("Remove the group lab")?;
    anna.wait_for_text("h1", "Change this?", DEADLINE)?;
    anna.click("main button")?;
    anna.wait_for_text("h1", "Changed", DEADLINE)?;
    hub.sh("! grep -q 'groups.lab' /etc/hubd/config.toml")?;
    context.step("limits were changed and taken back, a mistake told, a group made")
}

/// An administrator gives everybody a package, sees one that there is not, and goes back.
fn packages(context: &Context, hub: &Hub, anna: &Browser) -> Result<()> {
    let has_cowsay = || Ok::<_, anyhow::Error>(hub.hubctl_output(&["env", "show"])?.text().contains("cowsay"));
    anna.goto(&format!("{}/hub/home", hub.url()))?;
    anna.click_text("Packages")?;
    for (package, outcome) in [("no-such-package-of-anybody", "It did not work"), ("cowsay", "Done")] {
        anna.wait_for_text("h1", "Packages for everybody", DEADLINE)?;
        anna.fill("#packages", package)?;
        anna.click("button[value=install]")?;
        anna.wait_for_text("h1", &format!("{outcome}: install {package}"), BUILD_DEADLINE)?;
        anna.screenshot(&format!("package-{package}"))?;
        anna.click_text("Back to the packages")?;
    }
    ensure!(has_cowsay()?, "the package that was installed in the browser is not there");
    anna.screenshot("packages")?;
    anna.click("button[value=rollback]")?;
    anna.wait_for_text("h1", "Done: rollback", DEADLINE)?;
    anna.screenshot("packages-before")?;
    ensure!(!has_cowsay()?, "the package is still there after going back");
    context.step("a package was installed for everybody, one refused, and the change taken back")
}

/// Two are ticked and blocked together; one of them is let in again.
fn block(context: &Context, hub: &Hub, tess: &Browser) -> Result<()> {
    tess.goto(&format!("{}/hub/people", hub.url()))?;
    // Nobody is below the bar with the buttons.
    tess.resize(1280, 1400)?;
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
