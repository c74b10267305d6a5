//! Uninstalling: nothing of the hub stays but what is the people's, closed; a new install gives it back; a purge takes all.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hub_machine::Release;
use serde_json::Value;

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::{ADMIN, Hub, OPERATOR};
use crate::login;
use crate::snapshot::Snapshot;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "uninstall",
    about: "uninstalled under running servers: no trace but closed homes; installed again: homes and logins are back; purged",
    group: Group::Default,
    needs_programs: true,
    run: |context| run(context, Release::Bookworm),
};

pub(super) const TRIXIE: Scenario = Scenario {
    name: "uninstall-trixie",
    about: "the same on Debian 13",
    group: Group::Nightly,
    needs_programs: true,
    run: |context| run(context, Release::Trixie),
};

const DEADLINE: Duration = Duration::from_secs(600);
/// A copy that the uninstall does not take away.
const PROGRAM: &str = "/root/keep/hub-installer";

fn run(context: &Context, release: Release) -> Result<()> {
    let machine = context.machine(release)?;
    let before = Snapshot::take(&machine)?;
    // One whose versions are found during the install, for no lock of ours has it.
    let hub = Hub::install_with(context, machine, "--packages cowsay")?;
    hub.sh("cp -r /opt/hubd/bin /root/keep")?;
    hub.add_students(&["sam".to_owned(), "kim".to_owned()])?;
    for name in ["sam", "kim"] {
        hub.hubctl(&["server", "start", name])?;
    }
    hub.sh("home=$(getent passwd jupyter-sam | cut -d: -f6)
            (cd \"$home\"; runuser -u jupyter-sam -- sh -c 'echo mine >work.txt')
            echo lesson >/srv/class/lesson.txt; echo '# ours' >>/etc/hubd/config.toml; id -u jupyter-sam >/root/keep/uid")?;

    let output = hub.command(["/opt/hubd/bin/hub-installer", "uninstall", "--yes", "--json"]).timeout(DEADLINE).run()?;
    let report: Value = serde_json::from_str(&output.text()).with_context(|| output.text())?;
    context.step("uninstalled")?;
    ensure!(report["homes"] == serde_json::json!(["/home/hubd/jupyter-kim", "/home/hubd/jupyter-sam"]), "report: {report}");
    ensure!(report["kept"].to_string().contains("/srv/class"), "report: {report}");
    nothing_stays_but_what_is_the_peoples(&hub)?;
    let again = hub.command([PROGRAM, "uninstall", "--yes"]).run()?;
    ensure!(again.complaint().contains("Nothing to remove"), "a second uninstall: {}", again.complaint());

    // An account that is made meanwhile gets its own number, and no way into a home.
    hub.sh("useradd --create-home newcomer")?;
    let look = hub.command(["/bin/sh", "-c", "ls /home/hubd/jupyter-sam /srv/class 2>&1 | grep -c 'Permission denied'"]);
    ensure!(look.user("newcomer").run()?.text() == "2", "a newcomer sees what is left");
    hub.sh("userdel --remove newcomer 2>/dev/null")?;

    let port = hub.url().rsplit(':').next().unwrap_or_default().to_owned();
    let install = hub.command([PROGRAM, "install", "--yes", "--admin", ADMIN, "--listen", &format!("127.0.0.1:{port}")]);
    install.timeout(DEADLINE).run()?;
    context.step("installed again")?;
    everything_is_back(&hub)?;

    let output = hub.command([PROGRAM, "uninstall", "--purge", "--yes", "--json"]).timeout(DEADLINE).run()?;
    context.step(&format!("purged: {}", output.text()))?;
    hub.sh(&format!("userdel --remove {OPERATOR} 2>/dev/null; rm /etc/sudoers.d/{OPERATOR}"))?;
    before.ensure_same(&Snapshot::take(&hub)?).context("before the install and after the purge")
}

fn nothing_stays_but_what_is_the_peoples(hub: &Hub) -> Result<()> {
    let names = hub.sh("getent passwd | cut -d: -f1; getent group | cut -d: -f1; cut -d: -f1 /etc/shadow /etc/gshadow
         systemctl list-units --all --plain --no-legend --full 'hub*'; systemctl list-unit-files --plain --no-legend 'hub*' || true
         ps -e -o user:40= -o args= | grep -v 'ps -e'")?;
    let traces: Vec<_> = names.lines().filter(|line| line.contains("hubd") || line.contains("jupyter")).collect();
    ensure!(traces.is_empty(), "accounts, groups, units or processes: {traces:?}");
    let files = hub.sh(
        "find / -xdev \\( -path /proc -o -path /sys -o -path /root -o -path /home \\) -prune -o -name '*hub*' -print | grep -v /github || true
                        find /run -name '*hubd*'",
    )?;
    let mut left: Vec<_> = files.lines().filter(|line| line.contains("/hub")).collect();
    left.retain(|line| !line.starts_with("/usr/") && !line.starts_with("/var/lib/dpkg/"));
    ensure!(left == ["/etc/hubd", "/var/lib/hubd-uninstalled", "/var/lib/hubd-uninstalled/people/hubd.db"], "files: {left:?}");
    for path in ["/home/hubd/jupyter-sam", "/home/hubd/jupyter-kim", "/var/lib/hubd-uninstalled", "/etc/hubd", "/srv/class"] {
        let found = hub.sh(&format!("stat --format=%U:%G:%a {path}"))?;
        ensure!(found == "root:root:700", "{path} is {found}");
    }
    Ok(())
}

fn everything_is_back(hub: &Hub) -> Result<()> {
    ensure!(hub.sh("tail -n 1 /etc/hubd/config.toml")? == "# ours", "the configuration was replaced");
    ensure!(hub.sh("cat /srv/class/lesson.txt; stat --format=%G:%a /srv/class")? == "lesson\nhubd-admins:2775");
    for (question, answer) in [("show", "\"asked\":[\"cowsay\"]"), ("check", "\"problems\":[]")] {
        let said = hub.hubctl(&["env", question])?.to_string();
        ensure!(said.contains(answer), "env {question}: {said}");
    }
    let users = hub.hubctl(&["user", "list"])?.to_string();
    ensure!(users.contains("sam") && users.contains("kim"), "people: {users}");
    hub.hubctl(&["server", "start", "sam"])?;
    let home = hub
        .sh("stat --format=%U:%a /home/hubd/jupyter-sam; stat --format=%U /home/hubd/jupyter-sam/work.txt; id -u jupyter-sam")?;
    let uid = hub.sh("cat /root/keep/uid")?;
    ensure!(home == format!("jupyter-sam:700\njupyter-sam\n{uid}"), "sam's home: {home}");
    // The password is the one from before.
    let page = login::with_curl(&***hub, hub.url(), "sam", "/run/jar")?;
    hub.sh("rm /run/jar")?;
    ensure!(page == "303", "logging in with the old password: {page}");
    Ok(())
}
