//! The first minutes in a browser: an install is watched at an address that was known before, also one that fails and one
//! that is killed, and the page becomes the one on which the admin chooses a password.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use hub_core::token::Token;
use hub_machine::{Output, Release};

use super::{Group, Scenario};
use crate::context::{Context, TestMachine};
use crate::hub::{ADMIN, BARE, OPERATOR, PASSWORD, add_operator};
use crate::lab;
use crate::release::ReleaseServer;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "watch",
    about: "an install watched in a browser: why it stops, how it goes on, and then the page to choose a password on",
    group: Group::Default,
    needs_programs: true,
    run,
};

const INSTALL_DEADLINE: Duration = Duration::from_secs(600);
const PAGE_DEADLINE: Duration = Duration::from_secs(300);
/// Where nothing can be put for a while, as no look beforehand shows.
const OBSTACLE: &str = "/etc/systemd/system";

struct Install<'context> {
    machine: &'context TestMachine,
    release: &'context ReleaseServer,
    key: Token,
    port: u16,
}

impl Install<'_> {
    /// The documented line, with `more` arguments; whatever comes of it.
    fn run(&self, more: &str) -> Result<Output> {
        let base = self.release.url();
        let line = format!(
            "curl -fsSL {base}/bootstrap.sh | sudo env HUBD_RELEASE_URL={base} HUBD_LINK_KEY={} bash -s -- \
             --admin {ADMIN} --listen 127.0.0.1:{} --yes {BARE} {more}",
            self.key.as_str(),
            self.port
        );
        self.machine.command(["/bin/sh", "-c", &line]).user(OPERATOR).timeout(INSTALL_DEADLINE).output()
    }

    fn address(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

fn run(context: &Context) -> Result<()> {
    let machine = context.machine(Release::Bookworm)?;
    add_operator(&machine)?;
    let (release, port) = (ReleaseServer::start(context)?, context.free_port()?);
    let install = Install { machine: &machine, release: &release, key: Token::random()?, port };
    let link = install.address(&format!("/hub/link/{}", install.key.as_str()));

    machine.sh(&format!("mount --bind {OBSTACLE} {OBSTACLE}; mount -o remount,bind,ro {OBSTACLE}"))?;
    let failed = install.run("")?;
    ensure!(!failed.success(), "an install over an obstacle went well");
    ensure!(!failed.complaint().contains(install.key.as_str()), "the key is in what the installer says: {}", failed.complaint());
    let browser = context.browser(ADMIN)?;
    browser.goto(&link)?;
    browser.wait_for_text("h1", "The install has stopped", PAGE_DEADLINE)?;
    let problem = browser.text(".problem")?;
    ensure!(problem.contains(OBSTACLE), "the page says: {problem}");
    browser.screenshot("stopped")?;
    for (path, status) in [("/hub/link/nobody", "404"), ("/hub/login", "503")] {
        let said = machine.sh(&format!("curl -s -o /dev/null -w '%{{http_code}}' {}", install.address(path)))?;
        ensure!(said == status, "{path} answers {said}");
    }
    context.step("a page says why the install stopped")?;

    machine.sh(&format!("umount {OBSTACLE}"))?;
    let killed = install.run("--die-at environment=started")?;
    ensure!(!killed.success(), "the install was not killed: {}", killed.complaint());
    browser.wait_for_text(".problem", "ended from outside", PAGE_DEADLINE)?;
    context.step("the page noticed that the installer was killed")?;

    thread::scope(|scope| {
        let installing = scope.spawn(|| install.run(""));
        let watched = browser.wait_for_text("h1", "Your hub is being installed", PAGE_DEADLINE).and_then(|()| {
            browser.screenshot("installing")?;
            browser.wait_for("#password", PAGE_DEADLINE)
        });
        let Ok(output) = installing.join() else { bail!("the install panicked") };
        output?.checked().context("installing once more")?;
        watched
    })?;
    browser.screenshot("claim")?;
    ensure!(browser.url()? == link, "the page is at {}", browser.url()?);
    browser.fill("#password", PASSWORD)?;
    browser.fill("#repeat", PASSWORD)?;
    browser.click_text("Save and go to my server")?;
    browser.wait_for("#jp-MainMenu .lm-MenuBar-item", PAGE_DEADLINE)?;
    lab::new_notebook(&browser)?;
    lab::run_cell(&browser, "1+1", "2")?;
    let left =
        machine.sh("systemctl list-units --all --plain --no-legend 'hubd-installing*'; ls /run | grep installing || true")?;
    ensure!(left.is_empty(), "left of the page: {left}");
    let log = machine.sh("cat /var/log/hubd-install.log")?;
    ensure!(!log.contains(install.key.as_str()), "the key is in the log");
    context.step("the page became the one to choose a password on, and led to JupyterLab")
}
