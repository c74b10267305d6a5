//! A machine as people have them: homes on another disk through a link, a package source that is gone, needrestart set to act
//! on its own. The hub goes in, and what the distribution does from time to time ends nobody's kernel.

use std::time::Duration;

use anyhow::{Result, ensure};
use hub_core::programs;
use hub_machine::{BaseSpec, Release};
use serde_json::json;

use super::{Group, Scenario};
use crate::context::{Context, TestMachine};
use crate::hub::{ADMIN, Hub};
use crate::{kernel, wait};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "lived-in",
    about: "homes behind a link, a dead package source, needrestart: installed, used; a new libc and what cleans up ends no kernel",
    group: Group::Default,
    needs_programs: true,
    run: |context| run(context, Release::Bookworm, 3),
};

pub(super) const TRIXIE: Scenario = Scenario {
    name: "lived-in-trixie",
    about: "the same on Debian 13, with ten students",
    group: Group::Nightly,
    needs_programs: true,
    run: |context| run(context, Release::Trixie, 10),
};

const APT_DEADLINE: Duration = Duration::from_secs(600);
const DROP_IN: &str = "/etc/needrestart/conf.d/hubd.conf";
/// Another file system with a second name, homes and the class folder behind links, packages that came along with others,
/// sources that are gone (one does not answer, one has nothing), and nothing known about any.
const LIVE_IN: &str = "mkdir /data /mnt/second; mount -t tmpfs -o mode=755 none /data
    for name in home srv; do cp -a /$name /data/$name; rm -r /$name; ln -s /data/$name /$name; done
    mount --bind /data/home /mnt/second
    test ! -e /usr/bin/git
    apt-mark auto ca-certificates >/dev/null
    rm -rf /var/lib/apt/lists/*
    printf '%s\\n' 'deb http://127.0.0.1:9/debian bookworm main' 'deb [trusted=yes] file:/nonexistent ./' \
        >/etc/apt/sources.list.d/gone.list
    printf '%s\\n' '$nrconf{restart} = \"a\";' '1;' >/etc/needrestart/conf.d/auto.conf
    rm -f /etc/needrestart/conf.d/hubd.conf
    useradd --create-home --shell /bin/bash mel";

fn run(context: &Context, release: Release, students: usize) -> Result<()> {
    let spec = ["needrestart", "earlyoom", "libpam-systemd", "polkitd"]
        .iter()
        .fold(BaseSpec::new(release), |spec, name| spec.with(name));
    let machine = context.machine_with(&spec)?;
    machine.sh(LIVE_IN)?;
    refused(context, &machine)?;
    let hub = Hub::install_in(context, machine)?;
    let notes = hub.report()["notes"].to_string();
    ensure!(notes.contains("not every package source of this machine could be read"), "report: {}", hub.report());
    hub.sh("test -x /usr/bin/git; ! apt-mark showauto | grep -qx ca-certificates")?;

    let names: Vec<String> = (1..=students).map(|number| format!("student-{number}")).collect();
    hub.add_students(&names)?;
    let start: Vec<&str> = ["server", "start"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let started = hub.hubctl(&start)?;
    ensure!(started["problems"] == json!([]), "starting servers: {started}");
    homes(context, &hub)?;
    elsewhere(context, &hub)?;
    scan(context, &hub)?;

    for name in &names {
        kernel::keep(&**hub, name)?;
    }
    wait::until("one kernel each", || Ok(kernel::kept(&**hub, &names)?.values().all(|pid| pid.parse::<u32>().is_ok())))?;
    let kernels = kernel::kept(&**hub, &names)?;
    for (what, script) in UPKEEP {
        hub.command(["/bin/sh", "-euc", script]).timeout(APT_DEADLINE).run()?;
        let now = kernel::kept(&**hub, &names)?;
        ensure!(now == kernels, "after {what}: {now:?}, before: {kernels:?}");
        context.step(&format!("{} kernels live after {what}", kernels.len()))?;
    }
    chosen_when_memory_is_short(context, &hub)?;
    // Without what the install put there this would have been the end of them.
    hub.sh(&format!("mv {DROP_IN} /root/hubd.conf"))?;
    hub.command(["/bin/sh", "-euc", NEW_LIBC]).timeout(APT_DEADLINE).run()?;
    let now = kernel::kept(&**hub, &names)?;
    ensure!(now.values().all(|pid| !kernels.values().any(|old| old == pid)), "needrestart restarts nothing here: {now:?}");
    hub.sh(&format!("mv /root/hubd.conf {DROP_IN}"))?;

    nowhere(context, &hub)?;
    purge(context, &hub)
}

/// A student's process says that it runs a script of many gigabytes. needrestart, which is root, does not read it.
fn scan(context: &Context, hub: &Hub) -> Result<()> {
    let ran = kernel::run(hub, "student-1", HUGE_SCRIPT)?;
    ensure!(ran.error.is_none(), "starting a script: {ran:?}");
    let bounded = "systemd-run --wait --collect --quiet -p MemoryMax=300M -p MemorySwapMax=0 needrestart -b -r l";
    hub.command(["/bin/sh", "-euc", bounded]).timeout(APT_DEADLINE).run()?;
    hub.sh("pkill --full '[h]uge.py'")?;
    context.step("needrestart read no script of a student's")
}

const HUGE_SCRIPT: &str = "
import os, subprocess, sys, time
with open('huge.py', 'w') as script: script.write('import os, time; os.mkdir(\\'begun\\'); time.sleep(3600)')
subprocess.Popen([sys.executable, 'huge.py'], start_new_session=True)
while not os.path.exists('begun'): time.sleep(0.1)
os.truncate('huge.py', 6 << 30)
";

/// A security update as needrestart answers it, with its own words as a proof that it restarted something.
pub(super) const NEW_LIBC: &str =
    "DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --reinstall libc6 >/root/libc.txt 2>&1
    grep -qi 'restarting services' /root/libc.txt || { cat /root/libc.txt; exit 1; }";

/// What a distribution does when nobody looks, or an administrator now and then.
const UPKEEP: [(&str, &str); 4] = [
    ("a new libc with needrestart in automatic mode", NEW_LIBC),
    ("systemd began anew", "systemctl daemon-reexec; systemctl daemon-reload"),
    (
        "the cleaning of temporary files",
        "find /tmp/systemd-private-*/tmp /var/tmp/systemd-private-*/tmp -exec touch -d '90 days ago' {} +
         systemd-tmpfiles --clean; systemd-tmpfiles --create --remove",
    ),
    (
        "the end of a login of the same account, of which logind keeps nothing",
        "mkdir -p /etc/systemd/logind.conf.d
         printf '[Login]\\nKillUserProcesses=yes\\nRemoveIPC=yes\\nUserStopDelaySec=0\\n' >/etc/systemd/logind.conf.d/strict.conf
         systemctl restart systemd-logind.service
         uid=$(id -u jupyter-student-1); usermod --expiredate '' jupyter-student-1
         systemd-run --quiet --wait --collect --uid=jupyter-student-1 --property=PAMName=su-l /bin/true
         usermod --expiredate 1 jupyter-student-1
         while [ -e /run/user/$uid ]; do sleep 0.1; done",
    ),
];

/// Before anything is changed is said that homes can't be in a place that others can write to.
fn refused(context: &Context, machine: &TestMachine) -> Result<()> {
    for name in programs::names() {
        machine.copy_in(&context.program(name)?, &format!("/root/look/{name}"), 0o755)?;
    }
    machine.sh("chmod 777 /data/home")?;
    let output = machine.command(["/root/look/hub-installer", "plan", "--admin", ADMIN]).output()?;
    machine.sh("chmod 755 /data/home; rm -r /root/look")?;
    let said = format!("{}{}", output.text(), output.complaint());
    ensure!(output.code == 1 && said.contains("`/data/home` has owner 0 and mode 0777"), "plan: {said}");
    context.step("plan says what is wrong with the directory of homes")
}

/// A home is there under both of its names, and its neighbours under none of three.
fn homes(context: &Context, hub: &Hub) -> Result<()> {
    let found = hub.sh("getent passwd jupyter-student-1 | cut -d: -f6; stat --format=%U:%a /data/home/hubd/jupyter-student-1")?;
    ensure!(found == "/home/hubd/jupyter-student-1\njupyter-student-1:700", "the home: {found}");
    let code = "import os
open(os.path.expanduser('~/work.txt'), 'w').write('mine')
print(os.getcwd(), open('/data/home/hubd/jupyter-student-1/work.txt').read(), open('/home/hubd/jupyter-student-1/work.txt').read())
print(*[sorted(os.listdir(place)) for place in ('/home', '/data/home/hubd', '/mnt/second')])";
    let said = kernel::run(hub, "student-1", code)?.answer();
    let [place, seen] = said.lines().collect::<Vec<_>>()[..] else { anyhow::bail!("in a kernel: {said}") };
    ensure!(place.ends_with("home/hubd/jupyter-student-1 mine mine"), "in a kernel: {said}");
    ensure!(seen == "['hubd'] ['jupyter-student-1'] []", "in a kernel: {said}");
    context.step("a home is where the link leads, its neighbours are hidden")
}

/// Homes of people to come in another place, which is judged by what it is.
fn elsewhere(context: &Context, hub: &Hub) -> Result<()> {
    hub.sh("ln -s /var/spool/cron /data/innocent")?;
    for place in ["/var/spool/cron", "/var/lib/hubd", "/srv/class/homes", "/data/innocent"] {
        let output = hub.hubctl_output(&["config", "set", "accounts.homes", place])?;
        ensure!(!output.success() && output.complaint().contains("homes"), "{place}: {} {}", output.text(), output.complaint());
    }
    hub.hubctl(&["config", "set", "accounts.homes", "/srv/more/homes"])?;
    hub.add_students(&["zoe".to_owned()])?;
    let started = hub.hubctl(&["server", "start", "zoe"])?;
    ensure!(started["problems"] == json!([]), "starting a server whose home is elsewhere: {started}");
    let code = "import os; print(sorted(os.listdir('/data/srv/more/homes')), os.listdir('/data/home'), os.listdir('/srv/class'))";
    let said = kernel::run(hub, "zoe", code)?.answer();
    ensure!(said == "['jupyter-zoe'] [] []", "in a kernel: {said}");
    ensure!(hub.sh("stat --format=%U:%a /data/srv/more /data/srv/more/homes | xargs")? == "root:755 root:700");
    context.step("homes of people to come are elsewhere")
}

/// earlyoom, told that there is no memory at all, would end a student's program; systemd-oomd leaves the hub out.
fn chosen_when_memory_is_short(context: &Context, hub: &Hub) -> Result<()> {
    let said =
        hub.sh("timeout 60 earlyoom --dryrun -m 99,99 -s 99,99 -r 0 2>&1 | grep -m 1 'sending SIG[A-Z]* to process' || true")?;
    context.step(&format!("earlyoom: {said}"))?;
    let pid = said.split("process ").nth(1).and_then(|rest| rest.split([' ', ':']).next()).unwrap_or_default();
    let unit = hub.sh(&format!("grep -o 'hubd-user-[^/]*' /proc/{pid}/cgroup | sort -u || true"))?;
    ensure!(unit.starts_with("hubd-user-"), "earlyoom would end {unit:?}: {said}");
    let shown = hub.sh("systemctl show --property=ManagedOOMPreference --value hubd.service hubd-launcher.service | xargs")?;
    ensure!(shown == "omit omit", "systemd-oomd: {shown}");
    Ok(())
}

/// An address that this machine does not have any more: the hub says so to those who ask, and does not start over and over.
fn nowhere(context: &Context, hub: &Hub) -> Result<()> {
    let drop_in = "/etc/systemd/system/hubd.socket.d/lost.conf";
    hub.sh(&format!(
        "printf '[Socket]\\nListenStream=\\nListenStream=203.0.113.9:80\\n' >{drop_in}; systemctl daemon-reload
         systemctl stop hubd.service hubd.socket; systemctl start hubd.service"
    ))?;
    let status = hub.hubctl_output(&["status"])?;
    let said: serde_json::Value = serde_json::from_str(&status.text())?;
    let problem = said["listen_problem"].as_str().unwrap_or_default();
    ensure!(status.code == 1 && problem.starts_with("the hub does not listen at 127.0.0.1:"), "status: {} {said}", status.code);
    hub.sh(&format!(
        "rm {drop_in}; systemctl daemon-reload; systemctl stop hubd.service; systemctl start hubd.socket hubd.service"
    ))?;
    hub.hubctl(&["status"])?;
    context.step("a hub that can't listen says so, and listens again when it can")
}

/// All of it goes again, at both places, and the machine is told nothing of the hub any more. What stays is the empty directory
/// that an administrator named for homes.
fn purge(context: &Context, hub: &Hub) -> Result<()> {
    hub.sh("cp /opt/hubd/bin/hub-installer /root/hub-installer")?;
    hub.command(["/root/hub-installer", "uninstall", "--purge", "--yes"]).timeout(APT_DEADLINE).run()?;
    let left = hub.sh("ls -A /data/home /data/srv; readlink /home /srv; apt-mark showauto ca-certificates")?;
    ensure!(
        left == "/data/home:\ndebian\nmel\n\n/data/srv:\nmore\n/data/home\n/data/srv\nca-certificates",
        "after the purge: {left}"
    );
    hub.sh(&format!(
        "test ! -e {DROP_IN}; test -e /etc/needrestart/conf.d/auto.conf; test ! -e /etc/systemd/system/hubd-launcher.service.d"
    ))?;
    context.step("purged")
}
