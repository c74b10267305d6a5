//! Settings that no other story changes, each with a value that is not its default, seen to work from outside.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::Hub;
use crate::{kernel, wait};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "settings",
    about: "an announcement, another first page, a person without a network, a server that is stopped because nobody uses it",
    group: Group::Default,
    needs_programs: true,
    run,
};

/// The shortest idle time there is is a minute, which is looked at once a minute.
const IDLE_DEADLINE: Duration = Duration::from_secs(300);
const PAGE_DEADLINE: Duration = Duration::from_secs(120);

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    hub.add_students(&["bob".to_owned(), "eve".to_owned()])?;
    announcement(context, &hub)?;
    network(context, &hub)?;
    default_app(context, &hub)?;
    idle(context, &hub)
}

fn announcement(context: &Context, hub: &Hub) -> Result<()> {
    let text = "Exam on Friday at ten. Bring a pen.";
    hub.hubctl(&["config", "set", "hub.announcement", text])?;
    let page = hub.sh(&format!("curl --silent --fail {}/hub/login", hub.url()))?;
    ensure!(page.contains(text), "the login page: {page}");
    context.step("an announcement is on the login page")
}

/// Bob may not have a network, eve may. Both try to reach the hub's own listener.
fn network(context: &Context, hub: &Hub) -> Result<()> {
    hub.hubctl(&["config", "set", "users.bob.limits.network", "false"])?;
    let started = hub.hubctl(&["server", "start", "bob", "eve"])?;
    ensure!(started["problems"] == json!([]), "start: {started}");
    let address = hub.url().trim_start_matches("http://").to_owned();
    let (host, port) = address.rsplit_once(':').unwrap_or_default();
    let code = format!(
        "import socket
print([name for _, name in socket.if_nameindex()] == ['lo'])
try:
    socket.create_connection(('{host}', {port}), 10).close()
    print('reached')
except OSError as error:
    print('refused')"
    );
    let eve = kernel::run(hub, "eve", &code)?.answer();
    ensure!(eve.ends_with("reached"), "with a network: {eve}");
    let bob = kernel::run(hub, "bob", &code)?.answer();
    ensure!(bob == "True\nrefused", "without a network: {bob}");
    hub.hubctl(&["config", "unset", "users.bob.limits.network"])?;
    context.step("limits.network = false: nothing but a loopback device of his own; her network is untouched")
}

fn default_app(context: &Context, hub: &Hub) -> Result<()> {
    hub.hubctl(&["config", "set", "servers.default_app", "notebook"])?;
    let browser = context.browser("eve")?;
    hub.log_in(&browser, "eve")?;
    browser.wait_for_url("/user/eve/tree", PAGE_DEADLINE)?;
    browser.wait_for("#jp-MainMenu, .jp-FileBrowser, #main-panel", PAGE_DEADLINE)?;
    context.step("servers.default_app = \"notebook\": a login ends in Jupyter Notebook")
}

/// An open page that nobody uses says that the server stops soon, and keeps it; then nobody does.
fn idle(context: &Context, hub: &Hub) -> Result<()> {
    let browser = context.browser("eve-idle")?;
    hub.log_in(&browser, "eve")?;
    browser.wait_for_url("/user/eve/tree", PAGE_DEADLINE)?;
    hub.hubctl(&["config", "set", "servers.idle_timeout", "1m"])?;
    let note = "[data-note^=unused]";
    browser.wait_for_text(note, "so it stops", IDLE_DEADLINE)?;
    browser.screenshot("stops-soon")?;
    browser.click(&format!("{note} button"))?;
    browser.wait_until_gone(note, PAGE_DEADLINE)?;
    context.step("an open page said that its server stops soon, and kept it")?;
    let running = |listed: &Value| listed["servers"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == "eve"));
    wait::until_within(IDLE_DEADLINE, "the end of a server that nobody uses", || {
        Ok(!running(&hub.hubctl(&["server", "list"])?))
    })?;
    wait::for_log(hub, "--unit=hubd.service", "stopping eve's server, idle for")?;
    wait::for_end(hub, "hubd-user-eve.service")?;
    context.step("servers.idle_timeout: a server that nobody uses is stopped")
}
