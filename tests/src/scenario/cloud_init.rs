//! The user data that docs/install/cloud.md gives, with the real cloud-init: nobody logs in to the machine.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use hub_core::token::Token;
use hub_machine::{BaseSpec, Release};

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::{ADMIN, PASSWORD};
use crate::lab;
use crate::release::ReleaseServer;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "cloud-init",
    about: "a machine installs the hub at its first boot from the documented user data, and its admin claims it in a browser",
    group: Group::Nightly,
    needs_programs: true,
    run,
};

const PAGE: &str = "docs/install/cloud.md";
const SEED: &str = "/var/lib/cloud/seed/nocloud";
const DEADLINE: Duration = Duration::from_secs(300);

fn run(context: &Context) -> Result<()> {
    let mut machine = context.machine_with(&BaseSpec::new(Release::Bookworm).with("cloud-init"))?;
    let (release, port, key) = (ReleaseServer::start(context)?, context.free_port()?, Token::random()?);
    let data = documented(context)?
        .replace("$BASE", release.url())
        .replace("$KEY", key.as_str())
        .replace("--admin ada", &format!("--admin {ADMIN} --listen 127.0.0.1:{port}"))
        // The small system that machines of tests are made of has none to choose from.
        + "locale: false\n";
    machine.sh(&format!("mkdir -p {SEED}"))?;
    machine.write(&format!("{SEED}/user-data"), data, 0o600)?;
    machine.write(&format!("{SEED}/meta-data"), "instance-id: first\nlocal-hostname: hub\n", 0o600)?;
    machine.power_off()?;
    machine.power_on_within(DEADLINE)?;
    context.step("booted with user data")?;

    let browser = context.browser(ADMIN)?;
    browser.goto(&format!("http://127.0.0.1:{port}/hub/link/{}", key.as_str()))?;
    browser.wait_for("#password", DEADLINE)?;
    browser.fill("#password", PASSWORD)?;
    browser.fill("#repeat", PASSWORD)?;
    browser.click_text("Save and go to my server")?;
    browser.wait_for("#jp-MainMenu .lm-MenuBar-item", DEADLINE)?;
    lab::new_notebook(&browser)?;
    lab::run_cell(&browser, "1+1", "2")?;
    context.step("the admin claimed the hub and ran a cell")?;

    let readers = format!(
        "cloud-init status --wait --format=json || true
         runuser -u nobody -- grep --recursive --files-with-matches --fixed-strings -e {} /etc /run /var 2>/dev/null || true",
        key.as_str()
    );
    let said = machine.sh(&readers)?;
    ensure!(said.contains("\"status\": \"done\""), "cloud-init says: {said}");
    ensure!(!said.lines().any(|line| line.starts_with('/')), "everybody can read the key in: {said}");
    context.step("cloud-init is done, and nobody else can read the key")
}

/// The user data as the documentation has it.
fn documented(context: &Context) -> Result<String> {
    let page = fs::read_to_string(context.repository().join(PAGE))?;
    let block = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    block.map(str::to_owned).with_context(|| format!("{PAGE} has no block of YAML"))
}
