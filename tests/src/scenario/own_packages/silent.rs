//! A setting of her own ends or hangs her server without a word: every page and hubctl offer the same way out, say afterwards
//! that it was taken, and a restart leads back, whoever is killed meanwhile.

use std::time::Duration;

use anyhow::{Result, ensure};
use fantoccini::key::Key;
use serde_json::Value;

use super::{DEADLINE, HOME, STUDENT};
use crate::browser::Browser;
use crate::context::Context;
use crate::hub::Hub;
use crate::kernel;

const OFFER: &str = "[data-some=plain]:not([hidden]) button";
/// What Lab says while own things are left out.
const NOTE: &str = "[data-note^=plain]";
const RESTART: &str = "form[action$='/hub/restart'][data-when=running] button";
const LABEL: &str = "Start without my packages and settings";
const PID: &str = "systemctl show --property=MainPID --value hubd-user-bob.service";

pub(super) fn run(context: &Context, hub: &Hub, bob: &Browser) -> Result<()> {
    set(hub, "import os; os._exit(3)")?;
    hub.hubctl(&["server", "stop", STUDENT])?;
    bob.goto(&format!("{}/hub/spawn", hub.url()))?;
    bob.wait_for_text("main", "exit code 3", DEADLINE)?;
    same_offer(hub, bob)?;
    context.step("a server that ended without a word: both pages offer the same start")?;

    bob.goto(&format!("{}/hub/progress?next=/user/{STUDENT}/lab", hub.url()))?;
    bob.click(OFFER)?;
    hub.wait_for_lab(bob)?;
    bob.wait_for_text(NOTE, "without your own packages and settings", DEADLINE)?;
    bob.screenshot("lab-without-own")?;
    bob.click(&format!("{NOTE} button"))?;
    bob.wait_until_gone(NOTE, DEADLINE)?;
    left_out(hub, bob)?;
    hub.sh("systemctl restart hubd.service")?;
    left_out(hub, bob)?;
    context.step("it runs without her things: Lab, her page and hubctl say so, after a restart of the hub too")?;

    hub.sh(&format!("rm {HOME}/.jupyter/jupyter_server_config.py"))?;
    ensure!(bob.count("form[action$='/hub/restart']:not([hidden])")? == 1, "not one way to restart on the page");
    bob.execute(&format!("document.querySelector(\"{RESTART}\").focus()"), Vec::new())?;
    bob.type_keys(&char::from(Key::Enter).to_string())?;
    hub.wait_for_lab(bob)?;
    ensure!(bob.count(NOTE)? == 0, "Lab says that her things are left out");
    ensure!(prefix(hub)?.starts_with(HOME), "own packages are off after a restart: {}", prefix(hub)?);
    ensure!(server(hub)?["without_own"] == false, "after a restart: {}", server(hub)?);
    context.step("the Restart button brought her own packages back")?;

    from_outside(context, hub)?;
    killed(context, hub)?;
    hangs(context, hub, bob)
}

/// Puts a line into her settings of the server.
fn set(hub: &Hub, line: &str) -> Result<()> {
    let script = format!(
        "mkdir -p {HOME}/.jupyter; echo '{line}' > {HOME}/.jupyter/jupyter_server_config.py; chown -R jupyter-bob: {HOME}/.jupyter"
    );
    hub.sh(&script).map(drop)
}

/// Her page and the one that waits, on a desk and on a phone: the same one button, and neither is wider than the screen.
fn same_offer(hub: &Hub, bob: &Browser) -> Result<()> {
    for (page, name) in [("/hub/progress", "waiting"), ("/hub/home", "home")] {
        bob.goto(&format!("{}{page}", hub.url()))?;
        for (width, screen) in [(400, "phone"), (1280, "desk")] {
            bob.resize(width, 900)?;
            bob.screenshot(&format!("silent-{name}-{screen}"))?;
            let wide = bob.execute("return document.documentElement.scrollWidth > innerWidth", Vec::new())?;
            ensure!(wide == false, "{page} is wider than {width} pixels");
        }
        ensure!(bob.count(OFFER)? == 1 && bob.text(OFFER)? == LABEL, "{page}: {}", bob.text("main")?);
    }
    Ok(())
}

fn left_out(hub: &Hub, bob: &Browser) -> Result<()> {
    bob.goto(&format!("{}/hub/home", hub.url()))?;
    bob.wait_for_text("main", "Your server runs without your own packages and settings.", DEADLINE)?;
    ensure!(bob.count(OFFER)? == 0, "what is left out can be left out again");
    bob.screenshot("home-without-own")?;
    ensure!(server(hub)?["without_own"] == true, "hubctl: {}", server(hub)?);
    let listed = hub.sh("hubctl server list")?;
    ensure!(listed.contains("hubctl server restart bob brings them back"), "{listed}");
    ensure!(!prefix(hub)?.starts_with(HOME), "own packages are there: {}", prefix(hub)?);
    Ok(())
}

fn server(hub: &Hub) -> Result<Value> {
    let mut listed = hub.hubctl(&["server", "list"])?;
    Ok(listed["servers"][0].take())
}

fn prefix(hub: &Hub) -> Result<String> {
    Ok(kernel::run(hub, STUDENT, "import sys; print(sys.prefix)")?.printed.trim().to_owned())
}

/// Whoever looks after servers has the same remedy, and hubctl names it.
fn from_outside(context: &Context, hub: &Hub) -> Result<()> {
    set(hub, "import os; os._exit(0)")?;
    let failed = hub.hubctl_output(&["server", "restart", STUDENT])?;
    ensure!(failed.code == 1 && failed.text().contains("hubctl server start bob --without-own"), "{failed:?}");
    let started = hub.hubctl(&["server", "start", STUDENT, "--without-own"])?;
    ensure!(started["servers"][0]["without_own"] == true, "{started}");
    set(hub, "")?;
    let again = hub.hubctl(&["server", "restart", STUDENT])?;
    ensure!(again["servers"][0]["without_own"] == false && again["servers"][0]["phase"] == "running", "{again}");
    context.step("hubctl server restart, and start --without-own")
}

/// Killed at whatever moment, nobody leaves a server stopped that was to be restarted.
fn killed(context: &Context, hub: &Hub) -> Result<()> {
    for (who, kill) in [
        ("hubctl", "kill -KILL $!"),
        ("hubd", "systemctl kill --signal=KILL hubd.service"),
        ("the launcher", "systemctl kill --signal=KILL hubd-launcher.service"),
    ] {
        let script = format!(
            "main() {{ {PID}; }}
             before=$(main)
             hubctl server restart bob >/dev/null 2>&1 &
             while [ $(main) = $before ]; do :; done
             {kill}
             for i in $(seq 600); do
                 now=$(main)
                 [ $now != 0 ] && [ $now != $before ] && hubctl server list | grep -q 'bob  *running' && exit 0
                 sleep 0.1
             done
             hubctl server list >&2; exit 1"
        );
        hub.sh(&script)?;
        context.step(&format!("{who} was killed during a restart, and bob's server is up"))?;
    }
    Ok(())
}

fn hangs(context: &Context, hub: &Hub, bob: &Browser) -> Result<()> {
    hub.hubctl(&["config", "set", "servers.start_timeout", "5s"])?;
    set(hub, "import time; time.sleep(1000)")?;
    hub.hubctl(&["server", "stop", STUDENT])?;
    bob.goto(&format!("{}/hub/spawn", hub.url()))?;
    bob.wait_for_text("main", "It did not answer within", Duration::from_secs(120))?;
    bob.wait_for(OFFER, DEADLINE)?;
    same_offer(hub, bob)?;
    hub.hubctl(&["config", "unset", "servers.start_timeout"])?;
    hub.sh(&format!("rm {HOME}/.jupyter/jupyter_server_config.py"))?;
    bob.goto(&format!("{}/hub/spawn", hub.url()))?;
    hub.wait_for_lab(bob)?;
    context.step("so do they when it hangs")
}
