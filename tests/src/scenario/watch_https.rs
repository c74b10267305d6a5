//! An install with https, watched in a browser, in which the hub itself does not start at first.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use hub_core::token::Token;
use hub_machine::{Output, Release};

use super::{Group, Scenario};
use crate::browser::Browser;
use crate::context::{Context, TestMachine};
use crate::hub::{ADMIN, BARE, OPERATOR, add_operator};
use crate::release::ReleaseServer;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "watch-https",
    about: "an install with https watched in a browser: why the hub did not start, and the way to the link, which is there later than the hub",
    group: Group::Nightly,
    needs_programs: true,
    run,
};

const INSTALL_DEADLINE: Duration = Duration::from_secs(600);
const PAGE_DEADLINE: Duration = Duration::from_secs(120);
const BROKEN: &str = "/etc/systemd/system/hubd.service.d/broken.conf";

fn run(context: &Context) -> Result<()> {
    let machine = context.machine(Release::Bookworm)?;
    add_operator(&machine)?;
    let (release, key, address) = (ReleaseServer::start(context)?, Token::random()?, context.own_address()?);
    let base = release.url();
    let install = |more: &str| {
        let line = format!(
            "curl -fsSL {base}/bootstrap.sh | sudo env HUBD_RELEASE_URL={base} HUBD_LINK_KEY={} bash -s -- --admin {ADMIN} \
             --listen {address}:80 --https-listen {address}:443 --https lan --domain {address} --yes {BARE} {more}",
            key.as_str()
        );
        output(&machine, &line)
    };
    machine.write(BROKEN, "[Service]\nExecStart=\nExecStart=/bin/false\n", 0o644)?;
    let link = format!("http://{address}/hub/link/{}", key.as_str());
    let browser = context.browser(ADMIN)?;
    thread::scope(|scope| {
        let installing = scope.spawn(|| install(""));
        let watched = watch(&machine, &browser, &link);
        let Ok(output) = installing.join() else { bail!("the install panicked") };
        ensure!(!output?.success(), "an install of a hub that does not start went well");
        watched
    })?;
    let problem = browser.text(".problem")?;
    ensure!(problem.contains("hubd.service"), "the page says: {problem}");
    browser.screenshot("stopped")?;
    context.step("the page came back and says why the hub did not start")?;

    machine.sh(&format!("rm {BROKEN}; systemctl daemon-reload"))?;
    let killed = install("--die-at people=started")?;
    ensure!(!killed.success(), "the install was not killed: {}", killed.complaint());
    browser.wait_for_text("h1", "This link does not work any more", PAGE_DEADLINE)?;
    ensure!(browser.url()?.starts_with(&format!("https://{address}/hub/link/")), "the page is at {}", browser.url()?);
    context.step("the page went over to https, where there is no link yet")?;
    install("")?.checked().context("installing once more")?;
    browser.wait_for("#password", PAGE_DEADLINE)?;
    context.step("and became the one to choose a password on")
}

fn output(machine: &TestMachine, line: &str) -> Result<Output> {
    machine.command(["/bin/sh", "-c", line]).user(OPERATOR).timeout(INSTALL_DEADLINE).output()
}

/// Opens the page as soon as it is there, and keeps it open until it tells of a failure.
fn watch(machine: &TestMachine, browser: &Browser, link: &str) -> Result<()> {
    machine.sh(&format!("for i in $(seq 600); do curl -sf -o /dev/null {link} && exit 0; sleep 0.2; done; exit 1"))?;
    browser.goto(link)?;
    browser.wait_for_text("h1", "The install has stopped", INSTALL_DEADLINE)
}
