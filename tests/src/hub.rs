//! A hub, installed as an admin would install it: curl from a release server, one line, in a fresh machine.

mod shared;

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hub_machine::{BaseSpec, Output, Release};
use serde_json::Value;

use crate::browser::Browser;
use crate::context::{Context, TestMachine};
use crate::guest::Guest;
use crate::release::ReleaseServer;
use crate::vm;

const INSTALL_DEADLINE: Duration = Duration::from_secs(600);
const VM_INSTALL_DEADLINE: Duration = Duration::from_secs(40 * 60);
const VERB_DEADLINE: Duration = Duration::from_secs(180);
const PAGE_DEADLINE: Duration = Duration::from_secs(180);
/// What downloads and builds, on a machine with more to do.
const BUILD_DEADLINE: Duration = Duration::from_secs(600);

/// The administrator every hub of the tests is installed with.
pub const ADMIN: &str = "ada";
/// What scenarios install with whose subject is something else: less to download, and nothing there that they install themselves.
pub const BARE: &str = "--packages none";
/// The account of the machine that the hub is installed from.
pub const OPERATOR: &str = "debian";
/// The password people of the tests choose.
pub const PASSWORD: &str = "a quiet afternoon";

/// A machine with a hub in it.
#[derive(Debug)]
pub struct Hub {
    machine: TestMachine,
    url: String,
    report: Value,
    /// After the machine, which uses it.
    _place: Option<shared::Place>,
}

impl Deref for Hub {
    type Target = TestMachine;

    fn deref(&self) -> &TestMachine {
        &self.machine
    }
}

impl DerefMut for Hub {
    fn deref_mut(&mut self) -> &mut TestMachine {
        &mut self.machine
    }
}

impl Hub {
    /// A fresh Debian 12 with an installed hub, as after its first reboot: its disk begins with what one install left. For
    /// everything but the install itself; see [`Hub::install_now`].
    ///
    /// # Errors
    /// When the machine does not boot or the install does not end with a verified hub.
    pub fn install(context: &Context) -> Result<Self> {
        match shared::hub(context)? {
            Some(hub) => Ok(hub),
            None => Self::install_now(context),
        }
    }

    /// Boots a fresh Debian 12 and installs a hub in it, without packages beside JupyterLab, as all that follow.
    ///
    /// # Errors
    /// As [`Hub::install`].
    pub fn install_now(context: &Context) -> Result<Self> {
        Self::install_on(context, &BaseSpec::new(Release::Bookworm))
    }

    /// Boots a machine made of `spec` and installs a hub in it.
    ///
    /// # Errors
    /// As [`Hub::install`].
    pub fn install_on(context: &Context, spec: &BaseSpec) -> Result<Self> {
        Self::install_in(context, context.machine_with(spec)?)
    }

    /// Installs a hub in a machine that runs.
    ///
    /// # Errors
    /// As [`Hub::install`].
    pub fn install_in(context: &Context, machine: TestMachine) -> Result<Self> {
        Self::install_with(context, machine, BARE)
    }

    /// The same, with what is said of `packages`.
    ///
    /// # Errors
    /// As [`Hub::install`].
    pub fn install_with(context: &Context, machine: TestMachine, packages: &str) -> Result<Self> {
        let port = context.free_port()?;
        let arguments = format!("--admin {ADMIN} --listen 127.0.0.1:{port} {packages}");
        Self::install_as(context, machine, &arguments, format!("http://127.0.0.1:{port}"))
    }

    /// The same with all of the installer's arguments, which make the hub answer at `url`.
    ///
    /// # Errors
    /// As [`Hub::install`].
    pub fn install_as(context: &Context, machine: TestMachine, arguments: &str, url: String) -> Result<Self> {
        Self::install_from(context, machine, &ReleaseServer::start(context)?, arguments, url)
    }

    /// The same of another release than today's programs make.
    ///
    /// # Errors
    /// As [`Hub::install`].
    pub fn install_from(
        context: &Context,
        machine: TestMachine,
        release: &ReleaseServer,
        arguments: &str,
        url: String,
    ) -> Result<Self> {
        let report = install(&machine, release, arguments)?;
        context.step(&format!("installed in {} s", report["seconds"]))?;
        Ok(Self { machine, url, report, _place: None })
    }

    /// The hub's address, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the installer said at its end.
    pub fn report(&self) -> &Value {
        &self.report
    }

    /// The link with which the admin sets her first password.
    ///
    /// # Errors
    /// When the installer gave none.
    pub fn invitation(&self) -> Result<String> {
        let link = self.report["invitations"][0]["link"].as_str().context("the installer gave no link for the admin")?;
        Ok(self.whole(link))
    }

    /// `hubctl --json` as root in the machine.
    ///
    /// # Errors
    /// When it exits with anything but 0.
    pub fn hubctl(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.hubctl_output(arguments)?.checked()?;
        let text = output.text();
        if text.trim().is_empty() { Ok(Value::Null) } else { serde_json::from_str(&text).with_context(|| text) }
    }

    /// As [`Hub::hubctl`], whatever the exit code.
    ///
    /// # Errors
    /// When it can't be run.
    pub fn hubctl_output(&self, arguments: &[&str]) -> Result<Output> {
        let command = ["/usr/local/bin/hubctl", "--json"].into_iter().chain(arguments.iter().copied());
        self.machine.command(command).timeout(VERB_DEADLINE).output()
    }

    /// Enrols people who log in with [`PASSWORD`].
    ///
    /// # Errors
    /// When the hub refuses one.
    pub fn add_students(&self, names: &[String]) -> Result<()> {
        let list: String = names.iter().map(|name| format!("{name},{PASSWORD}\n")).collect();
        self.machine.write("/root/class.csv", format!("name,password\n{list}"), 0o600)?;
        let added = self.hubctl(&["user", "add", "--from", "/root/class.csv"])?;
        ensure!(added["users"].as_array().is_some_and(|users| users.len() == names.len()), "enrolled: {added}");
        Ok(())
    }

    /// Logs in through the form and goes where that leads.
    ///
    /// # Errors
    /// When the form is not there.
    pub fn log_in(&self, browser: &Browser, name: &str) -> Result<()> {
        browser.goto(&format!("{}/hub/login", self.url))?;
        browser.fill("#username", name)?;
        browser.fill("#password", PASSWORD)?;
        browser.click_text("Log in")
    }

    /// Waits until JupyterLab is to be seen, after a login or a start.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn wait_for_lab(&self, browser: &Browser) -> Result<()> {
        browser.wait_for("#jp-MainMenu .lm-MenuBar-item", PAGE_DEADLINE)
    }

    /// A link of the hub as a whole URL.
    pub fn whole(&self, link: &str) -> String {
        if link.starts_with('/') { format!("{}{link}", self.url) } else { link.to_owned() }
    }
}

/// What `hubctl --json` prints about something that builds, whatever came of it: its record, as a rule.
///
/// # Errors
/// When it prints no JSON.
pub fn record(machine: &TestMachine, arguments: &[&str]) -> Result<Value> {
    let command = ["/usr/local/bin/hubctl", "--json"].into_iter().chain(arguments.iter().copied());
    let output = machine.command(command).timeout(BUILD_DEADLINE).output()?;
    serde_json::from_str(&output.text()).with_context(|| format!("{arguments:?}: {}{}", output.text(), output.complaint()))
}

/// A script after which the hub, once stopped, takes for ever to start again, until the power is cut.
pub const HOLD: &str = "mkdir -p /run/systemd/system/hubd.service.d
     printf '[Service]\\nExecStartPre=/bin/sleep infinity\\n' >/run/systemd/system/hubd.service.d/hold.conf
     systemctl daemon-reload";

/// Runs the documented line in `machine`, as the account that rented servers come with, and returns what the installer
/// prints with `--json`.
///
/// # Errors
/// When it exits with anything but 0.
pub fn install(machine: &TestMachine, release: &ReleaseServer, arguments: &str) -> Result<Value> {
    let base = release.url();
    add_operator(machine)?;
    let line = format!("curl -fsSL {base}/bootstrap.sh | sudo env HUBD_RELEASE_URL={base} bash -s -- {arguments} --yes --json");
    let output = machine.command(["/bin/sh", "-c", &line]).user(OPERATOR).timeout(INSTALL_DEADLINE).output()?.checked()?;
    serde_json::from_str(&output.text()).with_context(|| format!("reading the installer's report: {}", output.text()))
}

/// Runs the documented line as root in a virtual machine, and returns what the installer prints with `--json`. Everything in
/// there is emulated, so it takes minutes.
///
/// # Errors
/// When it exits with anything but 0.
pub fn install_in_vm(vm: &dyn Guest, release: &ReleaseServer) -> Result<Value> {
    let base = release.url().replace("127.0.0.1", vm::HOST);
    let line = format!(
        "command -v curl >/dev/null || apt-get install --quiet=2 --yes curl >&2
         set -a; . /etc/environment; set +a
         curl -fsSL {base}/bootstrap.sh | env HUBD_RELEASE_URL={base} bash -s -- --admin {ADMIN} --yes --json"
    );
    let report = vm.script(&line, VM_INSTALL_DEADLINE)?;
    serde_json::from_str(&report).with_context(|| format!("reading the installer's report: {report}"))
}

/// Makes the account that rented servers come with: it may do everything with sudo, without a password.
///
/// # Errors
/// When the machine does not run, or has that account already.
pub fn add_operator(machine: &TestMachine) -> Result<()> {
    let script = format!(
        "useradd --create-home --shell /bin/bash {OPERATOR}
         umask 227; echo '{OPERATOR} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/{OPERATOR}"
    );
    machine.sh(&script).map(drop)
}
