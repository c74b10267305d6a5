//! What a student installed and set for herself gets in the way of her own server: the page offers to leave it out once, an
//! administrator moves it aside for good, and new packages for everybody come with a restart that she is offered.

mod silent;

use std::time::Duration;

use anyhow::{Result, ensure};
use fantoccini::key::Key;

use super::{Group, Scenario};
use crate::browser::Browser;
use crate::context::Context;
use crate::hub::Hub;
use crate::{kernel, lab, wait};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "own-packages",
    about: "a student's own package or setting ends her server: a start without it, reset-packages, restarts, also for new packages",
    group: Group::Default,
    needs_programs: true,
    run,
};

const STUDENT: &str = "bob";
const HOME: &str = "/home/hubd/jupyter-bob";
const DEADLINE: Duration = Duration::from_secs(120);
/// A package as she would install it, and a setting that loads it into her server.
const BREAKS: &str = r#"
layer=$(echo /home/hubd/jupyter-bob/.local/share/hubd/python3*/lib/python3*/site-packages)
echo 'import sys; sys.exit(f"{__file__} wants another tornado")' > $layer/breaksmine.py
mkdir -p /home/hubd/jupyter-bob/.jupyter
printf 'import glob, sys\nsys.path += glob.glob("/home/hubd/jupyter-bob/.local/share/hubd/python3*/lib/python3*/site-packages")\nimport breaksmine\n' \
    > /home/hubd/jupyter-bob/.jupyter/jupyter_server_config.py
chown -R jupyter-bob: /home/hubd/jupyter-bob/.jupyter $layer/breaksmine.py
"#;

/// Settings of hers: two that are hers to choose, some that would keep the hub from reaching her server.
const SETTINGS: &str = r#"
mkdir -p /home/hubd/jupyter-bob/.jupyter /home/hubd/jupyter-bob/sub
touch /home/hubd/jupyter-bob/sub/only-here.txt
cat > /home/hubd/jupyter-bob/.jupyter/jupyter_server_config.py <<END
c.ServerApp.root_dir = "/home/hubd/jupyter-bob/sub"
c.ServerApp.tornado_settings = {"headers": {"X-Own": "yes"}}
c.ServerApp.certfile = "/home/hubd/jupyter-bob/own.pem"
c.ServerApp.keyfile = "/home/hubd/jupyter-bob/own.key"
c.ServerApp.base_url = "/elsewhere/"
END
echo 'c.LabApp.default_url = "/lab/tree/only-here.txt"' > /home/hubd/jupyter-bob/.jupyter/jupyter_lab_config.py
chown -R jupyter-bob: /home/hubd/jupyter-bob/.jupyter /home/hubd/jupyter-bob/sub
"#;

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    hub.add_students(&[STUDENT.to_owned()])?;
    let bob = context.browser(STUDENT)?;
    hub.log_in(&bob, STUDENT)?;
    hub.wait_for_lab(&bob)?;
    settings(context, &hub)?;
    silent::run(context, &hub, &bob)?;
    broken(context, &hub, &bob)?;
    new_packages(context, &hub, &bob)
}

/// Own settings count, but for those that the hub needs: of these the log says why they don't.
fn settings(context: &Context, hub: &Hub) -> Result<()> {
    hub.sh(SETTINGS)?;
    hub.hubctl(&["server", "stop", STUDENT])?;
    hub.hubctl(&["server", "start", STUDENT])?;
    let ask = |path: &str| {
        hub.sh(&format!(
            "curl -fsS -D - --unix-socket /run/hubd-servers/bob/server.sock -H 'X-Hubd-User: bob' http://localhost/user/bob/{path}"
        ))
    };
    let listed = ask("api/contents/")?;
    ensure!(listed.contains("only-here.txt") && !listed.contains("\"sub\""), "the directory is not hers to choose: {listed}");
    ensure!(listed.contains("X-Own: yes"), "her header is not there: {listed}");
    let first = ask("")?;
    ensure!(first.contains("/user/bob/lab/tree/only-here.txt"), "what opens first is not hers to choose: {first}");
    for setting in ["ServerApp.certfile", "ServerApp.keyfile", "ServerApp.base_url"] {
        let line = format!("the setting {setting} in a configuration file is not used: ");
        wait::for_log(hub, "--namespace=hubd-users --unit=hubd-user-bob.service", &line)?;
    }
    hub.sh("rm -r /home/hubd/jupyter-bob/.jupyter")?;
    context.step("own settings count, and the log names those that don't")
}

fn broken(context: &Context, hub: &Hub, bob: &Browser) -> Result<()> {
    hub.sh(BREAKS)?;
    hub.hubctl(&["server", "stop", STUDENT])?;
    bob.goto(&format!("{}/hub/spawn", hub.url()))?;
    bob.wait_for_text("h1", "Your server", DEADLINE)?;
    let offer = "[data-some=plain]:not([hidden]) button";
    bob.wait_for(offer, DEADLINE)?;
    let page = bob.text("main")?;
    ensure!(page.contains("breaksmine.py wants another tornado"), "the page does not say why: {page}");
    ensure!(page.contains("It looks as if something that you installed or set yourself caused this."), "{page}");
    bob.screenshot("failed")?;
    bob.resize(390, 800)?;
    bob.screenshot("failed-phone")?;
    bob.resize(1280, 900)?;
    bob.click(offer)?;
    hub.wait_for_lab(bob)?;
    lab::new_notebook(bob)?;
    lab::run_cell(bob, "import jupyterlab; 'works'", "works")?;
    context.step("the page said which package, and a start without it works")?;

    let again = hub.hubctl(&["server", "stop", STUDENT]).and_then(|_| hub.hubctl_output(&["server", "start", STUDENT]))?;
    ensure!(again.code == 1, "without a reset the next start is as broken as before: {again:?}");
    let said = hub.hubctl(&["user", "reset-packages", STUDENT])?;
    let place = said["places"][0].as_str().unwrap_or_default().to_owned();
    ensure!(place.starts_with(HOME) && place.ends_with("/hubd.aside-1"), "reset: {said}");
    hub.sh(&format!("test -f {place}/python3*/lib/python3*/site-packages/breaksmine.py"))?;
    bob.goto(&format!("{}/hub/spawn", hub.url()))?;
    hub.wait_for_lab(bob)?;
    let ran = kernel::run(hub, STUDENT, "import sys; print(sys.prefix)")?;
    ensure!(ran.printed.trim().starts_with(&format!("{HOME}/.local/share/hubd/")), "own packages are off: {ran:?}");
    context.step(&format!("after reset-packages a usual start works; it is in {place}"))
}

fn new_packages(context: &Context, hub: &Hub, bob: &Browser) -> Result<()> {
    bob.goto(&format!("{}/hub/home", hub.url()))?;
    bob.wait_for_text("dl", "environment 1", DEADLINE)?;
    let offer = ".renew:not([hidden])";
    ensure!(bob.count(offer)? == 0, "a restart is offered although nothing is new");
    let pid = "systemctl show --property=MainPID --value hubd-user-bob.service";
    let before = hub.sh(pid)?;
    hub.command(["/usr/local/bin/hubctl", "env", "install", "cowsay"]).timeout(Duration::from_secs(600)).run()?;
    // The page was open all the time.
    bob.wait_for_text(offer, "New packages are there", DEADLINE)?;
    ensure!(hub.sh(pid)? == before, "bob's server is another one");
    let status = hub.hubctl(&["env", "status"])?;
    ensure!(status["servers"][0]["number"] == 1 && status["servers"][0]["names"][0] == STUDENT, "status: {status}");
    bob.screenshot("renew")?;
    bob.resize(390, 800)?;
    bob.screenshot("renew-phone")?;
    let wide = bob.execute("return document.documentElement.scrollWidth > innerWidth", Vec::new())?;
    ensure!(wide == false, "the page is wider than a phone");
    // With the keyboard alone.
    bob.execute("document.querySelector(\"form[action$='/hub/restart'][data-when=running] button\").focus()", Vec::new())?;
    bob.type_keys(&char::from(Key::Enter).to_string())?;
    hub.wait_for_lab(bob)?;
    bob.resize(1280, 900)?;
    bob.goto(&format!("{}/hub/home", hub.url()))?;
    bob.wait_for_text("dl", "environment 2", DEADLINE)?;
    ensure!(bob.count(offer)? == 0, "a restart is still offered");
    bob.screenshot("renewed")?;
    let ran = kernel::run(hub, STUDENT, "import cowsay; print('new')")?;
    ensure!(ran.printed.trim() == "new", "after the restart: {ran:?}");
    context.step("the open page offered a restart, and after it the new package is there")
}
