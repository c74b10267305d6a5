//! What may happen to a hub in a term: it is killed while notebooks run, and the machine is rebooted.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::Hub;
use crate::{lab, wait};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "survive",
    about: "hubd and the launcher are killed while a notebook runs, then the machine reboots: state, kernel and login live on",
    group: Group::Default,
    needs_programs: true,
    run,
};

const DEADLINE: Duration = Duration::from_secs(90);

fn run(context: &Context) -> Result<()> {
    let mut hub = Hub::install(context)?;
    hub.add_students(&["bob".to_owned()])?;
    let bob = context.browser("bob")?;
    hub.log_in(&bob, "bob")?;
    hub.wait_for_lab(&bob)?;
    lab::new_notebook(&bob)?;
    lab::run_cell(&bob, "import os; x = 41; os.getpid() > 1", "True")?;
    let server = main_pid(&hub, "hubd-user-bob.service")?;

    bob.execute("window.probe = new WebSocket(`ws://${location.host}/user/bob/api/events/subscribe`)", Vec::new())?;
    bob.wait_for_script("return window.probe.readyState === WebSocket.OPEN", DEADLINE)?;
    for unit in ["hubd.service", "hubd-launcher.service"] {
        wait::for_return_of_killed(&hub, unit)?;
        context.step(&format!("{unit} came back after it was killed"))?;
    }
    ensure!(main_pid(&hub, "hubd-user-bob.service")? == server, "bob's server was started anew");
    // The page notices, and reconnects by itself; the kernel still knows what it was told before.
    bob.wait_for_script("return window.probe.readyState === WebSocket.CLOSED", DEADLINE)?;
    lab::wait_for_idle_kernel(&bob)?;
    lab::run_cell(&bob, "x + 1", "42")?;
    bob.screenshot("after-kill")?;
    context.step("the kernel and its state survived")?;

    let saved = bob.execute("return fetch('/user/bob/api/contents/kept.txt', {method: 'PUT', headers: {'X-XSRFToken': document.cookie.match('_xsrf=([^;]*)')[1]}, body: JSON.stringify({type: 'file', format: 'text', content: 'kept'})}).then(answer => answer.status)", Vec::new())?;
    ensure!(saved == 201, "saving a file was answered with {saved}");
    hub.reboot()?;
    context.step("rebooted")?;
    ensure!(hub.failed_units()?.is_empty(), "failed units after a reboot: {:?}", hub.failed_units()?);
    // The session is as good as before.
    bob.goto(&format!("{}/hub/home", hub.url()))?;
    bob.wait_for_text("main", "Your server", DEADLINE)?;
    bob.screenshot("after-reboot")?;
    bob.click_text("Log out")?;
    bob.wait_for("#username", DEADLINE)?;
    hub.log_in(&bob, "bob")?;
    hub.wait_for_lab(&bob)?;
    ensure!(hub.sh("cat /home/hubd/jupyter-bob/kept.txt")?.trim() == "kept", "what bob wrote before the reboot is gone");
    // Without the notebook that was open before: it would ask for a kernel first.
    bob.goto(&format!("{}/user/bob/lab?reset", hub.url()))?;
    lab::new_notebook(&bob)?;
    lab::run_cell(&bob, "6*7", "42")?;
    context.step("bob works again")
}

fn main_pid(hub: &Hub, unit: &str) -> Result<String> {
    let pid = hub.sh(&format!("systemctl show --property=MainPID --value '{unit}'"))?.trim().to_owned();
    ensure!(pid != "0" && !pid.is_empty(), "unit {unit} does not run");
    Ok(pid)
}
