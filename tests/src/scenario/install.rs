//! Installing: what stands in the way is said and nothing is touched; a second run changes nothing; a new version goes
//! in under running servers.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hub_machine::{Output, Release};
use serde_json::Value;

use super::{Group, Scenario};
use crate::context::{Context, TestMachine};
use crate::hub::{ADMIN, Hub, OPERATOR, record};
use crate::lab;
use crate::release::ReleaseServer;
use crate::snapshot::Snapshot;
use crate::wait;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "install",
    about: "obstacles are named and nothing is touched; installed by curl; a first lesson; again: nothing to change; upgraded under a server",
    group: Group::Default,
    needs_programs: true,
    run,
};

const INSTALL_DEADLINE: Duration = Duration::from_secs(600);
const PLOT_DEADLINE: Duration = Duration::from_secs(120);
const INSTALLER: &str = "/opt/hubd/bin/hub-installer";

fn run(context: &Context) -> Result<()> {
    obstacles(context)?;
    // As the documentation has it, with all that this brings.
    let hub = Hub::install_with(context, context.machine(Release::Bookworm)?, "")?;
    ensure!(hub.report()["verification"]["limits_not_held"] == serde_json::json!([]), "report: {}", hub.report());
    ensure!(hub.report()["url"] == hub.url(), "report: {}", hub.report());
    let log = hub.sh("stat --format=%a:%U /var/log/hubd-install.log")?;
    ensure!(log == "600:root", "the log is {log}");
    ensure!(!hub.sh("cat /var/log/hubd-install.log")?.contains("/hub/link/"), "the one-time link is in the log");
    ensure!(hub.sh("getent passwd | grep -c hubd-verify || true")? == "0", "the throw-away account is still there");

    let rules = hub.sh(&format!("sudo -l -U {OPERATOR} | grep '(.*) ' | xargs"))?;
    ensure!(rules == "(ALL) NOPASSWD: ALL", "sudo rules of {OPERATOR}, which had its own before: {rules}");

    let status = hub.command(["/usr/bin/sudo", "--non-interactive", "hubctl", "status"]).user(OPERATOR).output()?;
    ensure!(status.success(), "an account that gives sudo no password is asked for one: {}", status.complaint());

    lesson(context, &hub)?;
    other_packages(context, &hub)?;
    again(context, &hub)?;
    chosen_version(context, &hub)?;
    by_hand(context, &hub)?;
    upgrade(context, &hub)?;
    let shown = hub.hubctl(&["env", "show"])?.to_string();
    ensure!(shown.contains("\"numpy\"") && !shown.contains("\"pandas\""), "what was taken out is back: {shown}");
    hub.sh("! grep pandas /etc/hubd/config.toml").map(drop)
}

/// A student imports what most first lessons do, and draws.
fn lesson(context: &Context, hub: &Hub) -> Result<()> {
    let size = hub.sh("du --summarize --block-size=1M /opt/hubd/envs/1 | cut -f1")?;
    context.step(&format!("the environment has {size} MB"))?;
    hub.add_students(&["kim".to_owned()])?;
    let kim = context.browser("kim")?;
    hub.log_in(&kim, "kim")?;
    hub.wait_for_lab(&kim)?;
    lab::new_notebook(&kim)?;
    lab::run_cell(&kim, "import numpy, pandas, matplotlib; pandas.Series(numpy.arange(9)).sum()", "36")?;
    lab::run_cell(&kim, "pandas.Series(numpy.arange(9) ** 2).plot()", "Axes")?;
    kim.wait_for(".jp-Notebook .jp-RenderedImage img[src^='data:image/png']", PLOT_DEADLINE)?;
    kim.screenshot("plot")?;
    hub.hubctl(&["server", "stop", "kim"])?;
    let problems = hub.hubctl(&["env", "check"])?;
    ensure!(problems["problems"] == serde_json::json!([]), "env check: {problems}");
    context.step("a student imports numpy, pandas and matplotlib, and sees a plot")
}

/// The choice of the install is the hub's from then on.
fn other_packages(context: &Context, hub: &Hub) -> Result<()> {
    let asked = hub.hubctl(&["config", "get", "environment.packages"])?.to_string();
    ensure!(["numpy", "pandas", "matplotlib"].iter().all(|name| asked.contains(name)), "asked for: {asked}");
    let output = hub.command(["/usr/bin/sudo", INSTALLER, "install", "--yes", "--packages", "numpy", "scipy"]).user(OPERATOR);
    let output = output.output()?;
    let said = output.complaint();
    ensure!(output.code == 1 && said.contains("hubctl env install 'scipy'") && said.contains("Nothing was changed."), "{said}");
    let output = hub.command([INSTALLER, "install", "--yes", "--packages", "none", "scipy"]).output()?;
    let said = output.complaint();
    ensure!(
        said.contains("asks for packages and for none") && !said.contains("to continue"),
        "a slip before anything began: {said}"
    );
    let removed = record(hub, &["env", "remove", "pandas"])?;
    ensure!(removed["state"] == "done", "removing pandas: {removed}");
    let plan = by_operator(hub, &["plan", "--packages", "numpy"])?.text();
    ensure!(plan.contains("Nothing to change"), "a plan with a package that is there: {plan}");
    context.step("other packages for a hub that has some are refused with what to do; pandas was taken out")
}

/// `bootstrap.sh --version` takes the version that is asked for, or names the one that is not there.
fn chosen_version(context: &Context, hub: &Hub) -> Result<()> {
    let release = ReleaseServer::start(context)?;
    let base = release.url();
    let run = |version: &str| {
        let line = format!(
            "curl -fsSL {base}/bootstrap.sh | sudo env HUBD_RELEASE_URL={base} bash -s -- --version {version} --yes --json"
        );
        hub.command(["/bin/sh", "-c", &line]).user(OPERATOR).timeout(INSTALL_DEADLINE).output()
    };
    let own = env!("CARGO_PKG_VERSION");
    let (minor, _) = own.rsplit_once('.').unwrap_or_default();
    for version in [own, minor] {
        let output = run(version)?;
        ensure!(output.code == 0, "--version {version}: {}", output.complaint());
    }
    // What is mounted there is seen by nobody else; what systemd mounts is seen there.
    let hidden = ["/usr/bin/unshare", "--mount", "--propagation", "slave"];
    let line = format!(
        "mount -t tmpfs -o noexec tmpfs /tmp && curl -fsSL {base}/bootstrap.sh | HUBD_RELEASE_URL={base} bash -s -- --yes"
    );
    let output = hub.command([&hidden[..], &["/bin/sh", "-c", &line]].concat()).timeout(INSTALL_DEADLINE).output()?;
    ensure!(output.code == 0, "where nothing can be run in /tmp: {}", output.complaint());
    hub.sh("! ls -d /var/tmp/hubd-* /opt/hubd-* 2>/dev/null").context("what bootstrap.sh unpacked is still there")?;
    let output = hub.command([&hidden[..], &["/bin/sh", "-c", &line.replace("noexec", "size=100k")]].concat()).output()?;
    let said = output.complaint();
    ensure!(output.code != 0 && said.contains("does not fit into /tmp/"), "where /tmp is full: {} {said}", output.code);
    let output = run("9.9")?;
    let said = output.complaint();
    ensure!(output.code != 0 && said.contains("9.9"), "--version 9.9: {} {said}", output.code);
    context.step("bootstrap.sh --version takes that version, or says that there is none; /tmp may be noexec")
}

/// Each is tried on the same machine, which must be untouched after all of them.
fn obstacles(context: &Context) -> Result<()> {
    let machine = context.machine(Release::Bookworm)?;
    machine.copy_in(&context.program("hub-installer")?, "/root/bin/hub-installer", 0o755)?;
    machine.sh("cd /root/bin; cp hub-installer hubd; cp hub-installer hubctl; cp -r /root/bin /usr/local/share; chmod 755 /usr/local/share/bin")?;
    machine.sh("useradd --create-home sam")?;
    let port = context.free_port()?;
    let before = Snapshot::take(&machine)?;

    machine.sh(&format!("systemd-run --quiet --unit=squatter /usr/bin/python3 -m http.server --bind 127.0.0.1 {port}"))?;
    let listen = format!("127.0.0.1:{port}");
    wait::for_listener(&machine, &listen)?;
    let said = refused(&machine, &["install", "--admin", ADMIN, "--listen", &listen, "--yes"], "root")?;
    ensure!(said.contains(&format!("port {port} is taken by `python3` (process ")), "port taken: {said}");
    machine.sh("systemctl stop squatter.service")?;

    let said = refused(&machine, &["install", "--listen", &listen, "--yes"], "root")?;
    ensure!(said.contains("no administrator is named"), "no admin: {said}");

    let said = refused(&machine, &["install", "--admin", ADMIN, "--listen", &listen, "--yes"], "sam")?;
    ensure!(said.contains("this needs root") && !said.contains("taken"), "not root: {said}");

    machine.sh("cp /etc/os-release /root/os-release; sed 's/^ID=.*/ID=fedora/; s/Debian/Fedora/' /root/os-release >/run/os")?;
    machine.sh("mount --bind /run/os \"$(readlink -f /etc/os-release)\"; rm /root/os-release")?;
    let said = refused(&machine, &["install", "--admin", ADMIN, "--listen", &listen, "--yes"], "root")?;
    ensure!(said.contains("Fedora") && said.contains("Debian 12, Debian 13 or Ubuntu 24.04"), "unsupported: {said}");
    machine.sh("umount \"$(readlink -f /etc/os-release)\"")?;

    before.ensure_same(&Snapshot::take(&machine)?).context("after installs that were refused")?;
    context.step("obstacles were named, and nothing was touched")
}

fn refused(machine: &TestMachine, arguments: &[&str], user: &str) -> Result<String> {
    let program = if user == "root" { "/root/bin/hub-installer" } else { "/usr/local/share/bin/hub-installer" };
    let command = [program].into_iter().chain(arguments.iter().copied());
    let output = machine.command(command).user(user).output()?;
    ensure!(output.code == 1, "`{arguments:?}` ended with {}: {}", output.code, output.complaint());
    ensure!(output.complaint().contains("Nothing was changed."), "{}", output.complaint());
    Ok(output.complaint())
}

/// With sudo, as the hub was installed: what sudo drops from the environment is no change.
fn by_operator(hub: &Hub, arguments: &[&str]) -> Result<Output> {
    let command = ["/usr/bin/sudo", INSTALLER].into_iter().chain(arguments.iter().copied());
    hub.command(command).user(OPERATOR).timeout(INSTALL_DEADLINE).run()
}

fn again(context: &Context, hub: &Hub) -> Result<()> {
    let before = hub.sh("systemctl show --property=MainPID hubd.service hubd-launcher.service")?;
    let receipt = hub.sh("sha256sum /var/lib/hubd-installer/receipt.json")?;
    let output = by_operator(hub, &["install", "--admin", ADMIN])?;
    ensure!(output.complaint().contains("Nothing to change"), "a second run: {}", output.complaint());
    let report: Value = serde_json::from_str(&by_operator(hub, &["install", "--json", "--yes"])?.text())?;
    ensure!(report["changed"] == 0, "a third run: {report}");
    ensure!(hub.sh("systemctl show --property=MainPID hubd.service hubd-launcher.service")? == before);
    ensure!(hub.sh("sha256sum /var/lib/hubd-installer/receipt.json")? == receipt);
    let status: Value = serde_json::from_str(&hub.command([INSTALLER, "status", "--json"]).run()?.text())?;
    ensure!(status["complete"] == true && status["edited"] == serde_json::json!([]), "status: {status}");
    context.step("a second run changed nothing")
}

/// A unit that was changed by hand is left alone, and said.
fn by_hand(context: &Context, hub: &Hub) -> Result<()> {
    hub.sh("echo '# mine' >>/etc/systemd/system/hubd.slice")?;
    let status: Value = serde_json::from_str(&hub.command([INSTALLER, "status", "--json"]).run()?.text())?;
    ensure!(status["edited"] == serde_json::json!(["/etc/systemd/system/hubd.slice"]), "status: {status}");
    by_operator(hub, &["install", "--yes"])?;
    ensure!(hub.sh("tail -n 1 /etc/systemd/system/hubd.slice")? == "# mine");
    context.step("a unit that was changed by hand stayed")
}

/// Other programs, as a new version brings them. A running server must not notice.
fn upgrade(context: &Context, hub: &Hub) -> Result<()> {
    hub.add_students(&["sam".to_owned()])?;
    hub.hubctl(&["server", "start", "sam"])?;
    let processes = "systemctl show --property=MainPID hubd-user-sam.service hubd.service hubd-launcher.service";
    let before = hub.sh(processes)?;
    // What stands behind the end of a program changes nothing but its digest.
    hub.sh("mkdir /root/new; cp /opt/hubd/bin/hub* /root/new; echo new | tee -a /root/new/hubd >>/root/new/hubd-launcher")?;
    let output = hub.command(["/root/new/hub-installer", "install", "--yes"]).timeout(INSTALL_DEADLINE).run()?;
    ensure!(output.complaint().contains("/opt/hubd/bin/hubd"), "upgrade: {}", output.complaint());
    ensure!(hub.sh("tail -c 4 /opt/hubd/bin/hubd")? == "new", "the program was not replaced");
    let after = hub.sh(processes)?;
    let pids = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (before, after) = (pids(&before), pids(&after));
    ensure!(before[0] == after[0], "the student's server was restarted: {before:?} {after:?}");
    let is_new = before.iter().zip(&after).skip(1).filter(|(old, _)| !old.is_empty()).all(|(old, new)| old != new);
    ensure!(is_new, "a service still runs what was replaced: {before:?} {after:?}");
    let users = hub.hubctl(&["user", "list"])?;
    ensure!(users.to_string().contains("sam"), "people after the upgrade: {users}");
    context.step("upgraded; the student's server went on")
}
