//! The distribution goes from one release to the next under a hub, and takes its Python away: the environment is built anew
//! from its lock, by itself; who comes meanwhile is told so and gets a server when it is done.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::Hub;
use crate::{kernel, lab};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "release-upgrade",
    about: "Debian 12 becomes Debian 13 under a hub: apt full-upgrade, autoremove, reboot; nobody edits anything",
    group: Group::Nightly,
    needs_programs: true,
    run,
};

const DEADLINE: Duration = Duration::from_secs(120);
const APT_DEADLINE: Duration = Duration::from_secs(45 * 60);
const BUILD_DEADLINE: Duration = Duration::from_secs(900);
/// As the release notes have it, without questions.
const UPGRADE: &str = "
    export DEBIAN_FRONTEND=noninteractive
    sed -i s/bookworm/trixie/g /etc/apt/sources.list
    options='-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold'
    apt-get update --quiet=2
    apt-get full-upgrade --yes --quiet=2 $options >/root/full-upgrade.txt 2>&1 || { tail /root/full-upgrade.txt >&2; exit 1; }
    apt-get autoremove --yes --quiet=2 --purge $options >/root/autoremove.txt 2>&1 || { tail /root/autoremove.txt >&2; exit 1; }";
/// Builds begin when the test says so: what is to be seen before needs time to be seen.
const HOLD: &str = "
    mkdir -p /etc/systemd/system/hubd-environment.service.d
    printf '[Unit]\\nConditionPathExists=/run/build-now\\n' >/etc/systemd/system/hubd-environment.service.d/hold.conf
    systemctl daemon-reload";

fn run(context: &Context) -> Result<()> {
    let mut hub = Hub::install(context)?;
    hub.add_students(&["bob".to_owned()])?;
    let bob = context.browser("bob")?;
    hub.log_in(&bob, "bob")?;
    hub.wait_for_lab(&bob)?;
    hub.command(["/usr/local/bin/hubctl", "env", "install", "cowsay==6.0"]).timeout(BUILD_DEADLINE).run()?;
    hub.command(["/usr/local/bin/hubctl", "env", "--kernel", "science", "install", "pyjokes"]).timeout(BUILD_DEADLINE).run()?;
    let config = hub.sh("sha256sum /etc/hubd/config.toml")?;
    hub.sh(HOLD)?;

    let begun = Instant::now();
    hub.command(["/bin/sh", "-euc", UPGRADE]).timeout(APT_DEADLINE).run()?;
    hub.sh("test ! -e /usr/bin/python3.11; test -x /usr/bin/python3.13; grep -q ^13 /etc/debian_version")?;
    context.step(&format!("upgraded to Debian 13 in {} s; python3.11 is gone", begun.elapsed().as_secs()))?;
    hub.reboot()?;
    bob.goto(&format!("{}/hub/spawn", hub.url()))?;
    bob.wait_for_text("main", "The machine was upgraded", DEADLINE)?;
    bob.screenshot("rebuilding")?;
    context.step("after the reboot the page says what is being done")?;

    let begun = Instant::now();
    hub.sh("touch /run/build-now; systemctl start --no-block hubd-environment.service")?;
    let wait = "for i in $(seq 9000); do [ \"$(cat /opt/hubd/envs/current)\" -gt 3 ] && exit 0; sleep 0.1; done
                hubctl env history >&2; tail -n 20 /var/lib/hubd-environments/*.log >&2; exit 1";
    hub.command(["/bin/sh", "-euc", wait]).timeout(BUILD_DEADLINE).run()?;
    context.step(&format!("built anew in {} s", begun.elapsed().as_secs()))?;
    // The page went on by itself.
    hub.wait_for_lab(&bob)?;
    lab::new_notebook(&bob)?;
    lab::run_cell(&bob, "import sys, cowsay, importlib.metadata as m; sys.version_info[1], m.version('cowsay')", "(13, '6.0')")?;
    bob.screenshot("after")?;
    let ran = kernel::run(&hub, "bob", "%pip install --quiet pyjokes\nimport pyjokes; print('own')")?;
    ensure!(ran.printed.contains("own") && ran.error.is_none(), "own packages on the new Python: {ran:?}");
    let wait = "for i in $(seq 9000); do
            hubctl --json env --kernel science status | grep -q '\"python\": \"Python 3.13' && exit 0
            sleep 0.1
        done; hubctl env kernels >&2; exit 1";
    hub.command(["/bin/sh", "-euc", wait]).timeout(BUILD_DEADLINE).run()?;
    let ran = kernel::run_as(&**hub, "bob", "science", "import sys, pyjokes; print(sys.version_info[1])")?;
    ensure!(ran.printed.trim() == "13" && ran.error.is_none(), "the kernel of its own on the new Python: {ran:?}");
    context.step("a kernel of its own was built anew, too")?;
    let problems = hub.hubctl(&["env", "check"])?;
    ensure!(problems["problems"].as_array().is_some_and(Vec::is_empty), "env check: {problems}");
    ensure!(hub.sh("sha256sum /etc/hubd/config.toml")? == config, "the configuration was edited");
    let failed = hub.failed_units()?;
    ensure!(!failed.iter().any(|unit| unit.contains("hubd")), "failed units: {failed:?}");
    context.step("bob works with the new Python, the same packages, and an unchanged configuration")
}
