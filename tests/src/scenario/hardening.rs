//! How much the shipped units let go of, judged by systemd; that they still do their work; and files that nobody but
//! root may change or read.

use anyhow::{Context as _, Result, ensure};

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::Hub;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "hardening",
    about: "systemd's own judgement of the units, every verb of the launcher inside its sandbox, no file open to students",
    group: Group::Default,
    needs_programs: true,
    run,
};

/// The highest exposure, as `systemd-analyze security` reckons it, from 0 to 10.
const EXPOSURE: [(&str, f64); 8] = [
    ("hubd.service", 2.0),
    ("hubd-launcher.service", 3.5),
    ("hubd-user-bob.service", 2.0),
    ("hubd-certificates.service", 2.0),
    ("hubd-outside.service", 2.0),
    ("hubd-pam@x.service", 3.0),
    ("hubd-environment.service", 3.5),
    ("hubd-config.service", 4.0),
];
/// What is in these is nobody's to see who is not root or hubd.
const CLOSED: [&str; 3] = ["/var/lib/hubd", "/var/lib/hubd-launcher", "/var/lib/hubd-installer"];
/// As these, which may be empty.
const CLOSED_AND_EMPTY: [&str; 2] = ["/var/lib/hubd-certificates", "/var/lib/hubd-environments"];
/// These may be looked into.
const OPEN: [&str; 2] = ["/opt/hubd", "/etc/hubd"];
const SECRET: [&str; 4] =
    ["/etc/hubd/config.toml", "/var/lib/hubd/hubd.db", "/var/lib/hubd-launcher/accounts", "/var/lib/hubd-installer/receipt.json"];

/// Run by the hub's account: prints how many of the names got an account, and how long that took.
const ENSURE: &str = r#"
import json, socket, struct, time
begun, made = time.time(), 0
for number in range(2000):
    with socket.socket(socket.AF_UNIX) as launcher:
        launcher.connect("/run/hubd-launcher/launcher.sock")
        body = json.dumps({"request": "ensure", "name": "ghost%d" % number}).encode()
        launcher.sendall(struct.pack(">I", len(body)) + body)
        made += b"reply\":\"account" in launcher.makefile("rb").read()
print(made, round(time.time() - begun, 1))
"#;
const NEST: &str = r#"
import os, sys
os.chdir(sys.argv[1])
for number in range(3000):
    os.mkdir("directory")
    os.chdir("directory")
"#;

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    hub.sh("cp /bin/true /opt/hubd/writable; chmod 666 /opt/hubd/writable")?;
    let found = writable(&hub, "nobody")?;
    ensure!(found.1 == "/opt/hubd/writable", "the walk misses a file that everybody may write: {found:?}");
    hub.sh("rm /opt/hubd/writable")?;
    // Only there when the admin gave a proxy, a mirror or certificates.
    hub.sh("test ! -e /etc/hubd/network.env || test $(stat -c %a:%U /etc/hubd/network.env) = 600:root")?;

    orders(context, &hub)?;
    verbs(context, &hub)?;
    accounts(context, &hub)?;
    deep(context, &hub)?;
    let shipped = fs_err::read_dir(context.repository().join("units"))?.count();
    let verified = hub
        .sh("cd /etc/systemd/system; set -- hubd*.*[a-z]; for unit; do shift; test -d $unit || set -- \"$@\" $unit; done
                           echo $#; systemd-analyze verify \"$@\" 2>&1")?;
    ensure!(verified == shipped.to_string(), "systemd-analyze verify of {shipped} units: {verified}");
    for (unit, most) in EXPOSURE {
        let said = hub.sh(&format!("systemd-analyze security --no-pager {unit} | tail -n 1"))?;
        let score = said.split_whitespace().find_map(|word| word.parse::<f64>().ok()).with_context(|| said.clone())?;
        context.step(&format!("exposure of {unit}: {score} (at most {most})"))?;
        ensure!(score <= most, "exposure of {unit} is {score}; expected {most} at most");
    }
    for account in ["nobody", "jupyter-bob"] {
        let (walked, found) = writable(&hub, account)?;
        context.step(&format!("{walked} files and directories looked at as {account}"))?;
        ensure!(walked > 1000, "only {walked} files seen as {account}");
        ensure!(found.is_empty(), "{account} may write: {found}");
        for directory in CLOSED {
            hub.sh(&format!("test -n \"$(ls -A {directory})\""))?;
        }
        for directory in CLOSED.into_iter().chain(CLOSED_AND_EMPTY) {
            hub.sh(&format!("test -d {directory}"))?;
            let output = hub.command(["/bin/ls", "-A", directory]).user(account).output()?;
            ensure!(!output.success(), "{account} may list {directory}: {}", output.text());
        }
        for file in SECRET {
            hub.sh(&format!("test -e {file}"))?;
            let output = hub.command(["/bin/cat", file]).user(account).output()?;
            ensure!(!output.success(), "{account} may read {file}");
        }
    }
    Ok(())
}

/// The hub sees sockets and servers that came after it, whatever started first and whatever was started anew.
fn orders(context: &Context, hub: &Hub) -> Result<()> {
    hub.add_students(&["kim".to_owned()])?;
    let all = "hubd.service hubd-launcher.service hubd-launcher.socket hubd-admin.socket";
    for order in ["hubd.service hubd-launcher.service", "hubd-launcher.service hubd.service"] {
        // As at a boot: nothing is there but what systemd-tmpfiles makes.
        hub.sh(&format!(
            "systemctl stop {all}; rm -r /run/hubd-launcher /run/hubd-servers /run/hubd-admin
             systemd-tmpfiles --create /etc/tmpfiles.d/hubd.conf
             for unit in hubd-admin.socket {order}; do systemctl start $unit; done"
        ))?;
        start_and_stop(hub).with_context(|| format!("in the order {order}"))?;
        // The socket is another one now.
        hub.sh("systemctl stop hubd-launcher.service hubd-launcher.socket; systemctl start hubd-launcher.socket hubd-launcher.service")?;
        start_and_stop(hub).context("with another launcher")?;
        hub.sh("systemctl restart hubd.service")?;
        start_and_stop(hub).context("with another hub")?;
    }
    hub.hubctl(&["user", "remove", "kim", "--yes"])?;
    context.step("launcher and servers are seen whatever starts first")
}

fn start_and_stop(hub: &Hub) -> Result<()> {
    for verb in ["start", "stop"] {
        let done = hub.hubctl(&["server", verb, "kim"])?;
        ensure!(done["problems"] == serde_json::json!([]), "{verb}: {done}");
    }
    Ok(())
}

/// Names that nobody enrolled, asked for by the hub's own account as somebody would who has taken it over.
fn accounts(context: &Context, hub: &Hub) -> Result<()> {
    hub.sh("hubctl config set accounts.most_per_hour 20")?;
    let made = hub.sh(&format!("runuser -u hubd -- /usr/bin/python3 -c '{ENSURE}'"))?;
    let (made, seconds) = made.trim().split_once(' ').context("how many were made")?;
    context.step(&format!("of 2,000 names {made} got an account, in {seconds} s"))?;
    ensure!(made.parse::<u32>()? < 20, "{made} accounts were made");
    let status = hub.command(["/usr/local/bin/hubctl", "status"]).output()?;
    let said = status.text();
    ensure!(!status.success() && said.contains("20 accounts were made within an hour"), "status: {said}");
    hub.sh("hubctl user prune --yes")?;
    let left = hub.sh("getent passwd | grep -c jupyter-ghost || true")?;
    ensure!(left == "0", "{left} accounts without a person are left");
    hub.sh("hubctl config unset accounts.most_per_hour; hubctl status")?;
    Ok(())
}

/// Three thousand directories inside each other, in a home.
fn deep(context: &Context, hub: &Hub) -> Result<()> {
    hub.add_students(&["deep".to_owned()])?;
    hub.hubctl(&["server", "start", "deep"])?;
    hub.sh(&format!("cd /home/hubd/jupyter-deep; runuser -u jupyter-deep -- /usr/bin/python3 -c '{NEST}' ."))?;
    hub.hubctl(&["user", "remove", "deep", "--delete-home", "--yes"])?;
    hub.sh("test ! -e /home/hubd/jupyter-deep")?;
    context.step("a home with 3,000 directories inside each other is gone")
}

/// What a student can ask the launcher for, by way of `hubctl`; each reaches it through the shipped unit's sandbox.
fn verbs(context: &Context, hub: &Hub) -> Result<()> {
    hub.add_students(&["bob".to_owned(), "eve".to_owned()])?;
    let started = hub.hubctl(&["server", "start", "bob", "eve"])?;
    ensure!(started["problems"] == serde_json::json!([]), "start: {started}");
    let listed = hub.hubctl(&["server", "list"])?;
    let phases: Vec<&str> = listed["servers"].as_array().into_iter().flatten().filter_map(|one| one["phase"].as_str()).collect();
    ensure!(phases == ["running", "running"], "list: {listed}");
    let log = hub.hubctl(&["server", "logs", "eve"])?;
    ensure!(log["lines"].as_array().is_some_and(|lines| !lines.is_empty()), "logs: {log}");
    let stopped = hub.hubctl(&["server", "stop", "eve"])?;
    ensure!(stopped["problems"] == serde_json::json!([]), "stop: {stopped}");
    hub.hubctl(&["user", "remove", "eve", "--delete-home", "--yes"])?;
    let left = hub.sh("getent passwd jupyter-eve || true; ls -d /home/hubd/jupyter-eve 2>/dev/null || true")?;
    ensure!(left.is_empty(), "after the removal: {left}");
    context.step("add, start, list, logs, stop and remove work")
}

/// How many files `account` sees below the product's directories, and which of them it may change.
fn writable(hub: &Hub, account: &str) -> Result<(u64, String)> {
    let places = [OPEN.as_slice(), CLOSED.as_slice()].concat().join(" ");
    let walk = |test: &str| {
        let script = format!("find {places} {test} 2>/dev/null || true");
        Ok::<_, anyhow::Error>(hub.command(["/bin/sh", "-c", &script]).user(account).run()?.text())
    };
    // A link's own mode is always open; what it leads to is walked, or is not ours.
    Ok((walk("| wc -l")?.parse().context("counting files")?, walk("-not -type l -writable")?))
}
