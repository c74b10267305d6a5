//! The whole hub in a virtual machine, with a kernel of its own and cgroup v2: what a rented server is, slower.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hub_machine::Release;
use serde_json::Value;

use super::{Group, Scenario};
use crate::context::{Context, TestVm};
use crate::guest::Guest;
use crate::hub::{self, HOLD, PASSWORD};
use crate::kernel;
use crate::lab;
use crate::release::ReleaseServer;
use crate::vm::VmOptions;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "vm-hub",
    about: "the hub in a virtual machine: install by curl, limits and denied addresses in cgroup v2, a reboot, a power cut in mid-change, and a student works again",
    group: Group::Nightly,
    needs_programs: true,
    run,
};

/// Everything is emulated.
const DEADLINE: Duration = Duration::from_secs(10 * 60);
const HTTP: u16 = 80;
const MEMORY: u64 = 512 << 20;

fn run(context: &Context) -> Result<()> {
    let release = ReleaseServer::start(context)?;
    let mut options = VmOptions::new(Release::Bookworm);
    options.forwarded_ports.push(HTTP);
    let mut vm = context.vm(options)?;
    let report = hub::install_in_vm(&*vm, &release)?;
    context.step(&format!("installed in {} s", report["seconds"]))?;
    let settings = "sed -i '/^memory = /d; s/^\\[limits\\]/[limits]\\nmemory = \"512M\"\\ncpu_quota = 0.5/' /etc/hubd/config.toml
         sed -i 's/^#start_timeout = .*/start_timeout = \"10m\"/' /etc/hubd/config.toml
         hubctl config check; systemctl restart hubd.service";
    vm.script(settings, DEADLINE)?;
    vm.script(&format!("printf %s '{PASSWORD}' | hubctl user add bob --password-stdin"), DEADLINE)?;
    vm.script("hubctl server start bob", DEADLINE)?;
    memory(context, &vm)?;
    processor(context, &vm)?;
    denied(context, &vm)?;

    vm.reboot()?;
    context.step("rebooted")?;
    power_cut(context, &mut vm)?;
    let failed = vm.script("systemctl list-units --failed --plain --no-legend", DEADLINE)?;
    ensure!(failed.is_empty(), "failed units after a reboot and a power cut: {failed}");
    let browser = context.browser("bob")?;
    browser.goto(&format!("http://127.0.0.1:{}/hub/login", vm.port(HTTP)?))?;
    browser.fill("#username", "bob")?;
    browser.fill("#password", PASSWORD)?;
    browser.click_text("Log in")?;
    browser.wait_for("#jp-MainMenu .lm-MenuBar-item", DEADLINE)?;
    lab::new_notebook(&browser)?;
    lab::run_cell(&browser, "6*7", "42")?;
    browser.screenshot("after-reboot")?;
    context.step("bob works again")
}

/// The kernel that takes too much dies; the server does not, and systemd counts it as what it is.
fn memory(context: &Context, vm: &TestVm) -> Result<()> {
    let ran = kernel::run_in(&**vm, "bob", &format!("block = bytearray(b'x') * {}", MEMORY + MEMORY / 2))?;
    ensure!(ran.died(), "one and a half times his memory: {ran:?}");
    let unit = "/sys/fs/cgroup/$(systemctl show --property=ControlGroup --value hubd-user-bob.service)";
    let kills = vm.script(&format!("awk '/^oom_kill / {{print $2}}' {unit}/memory.events"), DEADLINE)?;
    ensure!(kills.parse::<u64>()? > 0, "the unit's memory.events count {kills} kills");
    let ran = kernel::run_in(&**vm, "bob", "print(1 + 1)")?;
    ensure!(ran.printed == "2\n", "a new kernel: {ran:?}");
    context.step("a kernel above the memory limit is killed, and the server lives")
}

/// Somebody who spins is held back, and the kernel says how often.
fn processor(context: &Context, vm: &TestVm) -> Result<()> {
    let slice = "/sys/fs/cgroup/$(systemctl show --property=ControlGroup --value hubd-users-bob.slice)/cpu.stat";
    let throttled =
        || -> Result<u64> { Ok(vm.script(&format!("awk '/^nr_throttled / {{print $2}}' {slice}"), DEADLINE)?.parse()?) };
    let before = throttled()?;
    let ran = kernel::run_in(
        &**vm,
        "bob",
        "import time
end, before = time.monotonic() + 10, time.process_time()
while time.monotonic() < end: pass
print((time.process_time() - before) / 10)",
    )?;
    let cores: f64 = ran.printed.trim().parse().with_context(|| format!("{ran:?}"))?;
    let times = throttled()? - before;
    ensure!(times > 0 && cores < 0.6, "{cores} cores under a quota of 0.5, throttled {times} times");
    // The hub itself reads both in the one hierarchy of cgroup v2.
    let listed: Value = serde_json::from_str(&vm.script("hubctl server list --json", DEADLINE)?)?;
    let server = &listed["servers"][0];
    ensure!(server["cpu_cores"].is_number() && server["cpu_limit_cores"] == 0.5, "the list: {listed}");
    let status: Value = serde_json::from_str(&vm.script("hubctl status --json", DEADLINE)?)?;
    ensure!(status["memory"]["used_bytes"].as_u64() > Some(0), "memory of all servers: {status}");
    context.step(&format!("processor: {cores:.2} cores of 0.5, throttled {times} times"))
}

/// What a provider says of the machine at its usual address is not for students' programs; other addresses are.
fn denied(context: &Context, vm: &TestVm) -> Result<()> {
    vm.script(
        "for address in 169.254.169.254 198.51.100.7; do ip address add $address/32 dev lo; done
         systemd-run --quiet --unit=metadata python3 -m http.server --directory /srv 8169
         for i in $(seq 600); do curl -sf -o /dev/null --noproxy '*' http://169.254.169.254:8169/ && exit 0; sleep 0.2; done; exit 1",
        DEADLINE,
    )?;
    let code = "import socket
for address in ('198.51.100.7', '169.254.169.254'):
    try: socket.create_connection((address, 8169), timeout=60); print('reached')
    except OSError as error: print(type(error).__name__)";
    let said = kernel::run_in(&**vm, "bob", code)?.answer();
    ensure!(said == "reached\nPermissionError", "other addresses, and what is denied: {said}");
    context.step("a student's server does not reach what the machine's provider knows of it")
}

/// The power goes between saving and settling a change, and takes with it what is not on the disk.
fn power_cut(context: &Context, vm: &mut TestVm) -> Result<()> {
    let directory = "/var/lib/hubd-installer/config-history";
    vm.script(
        &format!(
            "{HOLD}
             sed -i '/^listen/s/:{HTTP}/:8080/' /etc/hubd/config.toml; grep -q '^listen.*:8080' /etc/hubd/config.toml
             setsid hubctl config apply >/dev/null 2>&1 </dev/null &
             for i in $(seq 600); do [ -e {directory}/pending ] && grep -q 8080 /etc/systemd/system/hubd.socket.d/listen.conf && exit 0; sleep 0.2; done
             echo 'the change never began' >&2; exit 1"
        ),
        DEADLINE,
    )?;
    vm.power_cut();
    vm.power_on()?;
    context.step("cut the power in the middle of a change, and booted")?;
    vm.script(
        &format!(
            "for i in $(seq 600); do curl -sf -o /dev/null http://127.0.0.1:{HTTP}/hub/login && break; sleep 1; done
             grep '^listen.*:{HTTP}\"' /etc/hubd/config.toml
             if curl -s -o /dev/null http://127.0.0.1:8080/hub/login; then echo 'it listens at 8080' >&2; exit 1; fi
             journalctl --no-pager --output=cat -u hubd-config-guard.service -b | grep 'is in force again'"
        ),
        DEADLINE,
    )?;
    context.step("the last healthy configuration is in force again")
}
