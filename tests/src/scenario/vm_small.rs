//! The smallest machine that can be rented: 1 GB of memory, no swap, no IPv6. The hub is installed by curl, and a student works.

use std::time::Duration;

use anyhow::{Result, ensure};
use hub_machine::Release;

use super::{Group, Scenario};
use crate::context::Context;
use crate::guest::Guest;
use crate::hub::{self, PASSWORD};
use crate::kernel;
use crate::release::ReleaseServer;
use crate::vm::VmOptions;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "vm-small",
    about: "a virtual machine with 1 GB of memory and no IPv6: the hub is installed, a student runs a cell, and who takes too much is stopped alone",
    group: Group::Nightly,
    needs_programs: true,
    run,
};

/// Everything is emulated.
const DEADLINE: Duration = Duration::from_secs(10 * 60);
const PAGE: &str = "curl -sS -o /dev/null -w '%{http_code}' http://127.0.0.1/hub/login";

fn run(context: &Context) -> Result<()> {
    let release = ReleaseServer::start(context)?;
    let vm = context.vm(VmOptions {
        memory_mb: 1024,
        kernel_arguments: vec!["ipv6.disable=1".to_owned()],
        ..VmOptions::new(Release::Bookworm)
    })?;
    let has = "awk '/^(MemTotal|MemAvailable|SwapTotal)/ {printf \"%s %d MB  \", $1, $2 / 1024}' /proc/meminfo";
    context.step(&vm.script(has, DEADLINE)?)?;
    let report = hub::install_in_vm(&*vm, &release)?;
    context.step(&format!("installed in {} s: {report}", report["seconds"]))?;
    let warnings = report["warnings"].to_string();
    ensure!(warnings.contains("of memory is enough for"), "nothing is said of so little memory: {report}");
    without_ipv6(context, &*vm, &warnings)?;
    // Not that of a limit, which the install tries out.
    let ends = "journalctl --no-pager --output=cat --dmesg | grep -c 'oom-kill:constraint=CONSTRAINT_NONE' || true";
    ensure!(vm.script(ends, DEADLINE)? == "0", "the machine ran out of memory during the install");
    context.step(&vm.script(has, DEADLINE)?)?;

    vm.script("sed -i 's/^#start_timeout = .*/start_timeout = \"10m\"/' /etc/hubd/config.toml; hubctl config apply", DEADLINE)?;
    vm.script(&format!("printf %s '{PASSWORD}' | hubctl user add bob --password-stdin"), DEADLINE)?;
    vm.script("hubctl server start bob", DEADLINE)?;
    let ran = kernel::run_in(&*vm, "bob", "print(6 * 7)")?;
    ensure!(ran.printed == "42\n", "a cell: {ran:?}");
    context.step(&vm.script(has, DEADLINE)?)?;
    context.step("a student runs a cell")?;

    let ran = kernel::run_in(&*vm, "bob", "blocks = [bytearray(b'x') * (16 << 20) for _ in range(64)]")?;
    ensure!(ran.died(), "took as much as the machine has: {ran:?}");
    let ran = kernel::run_in(&*vm, "bob", "print(1 + 1)")?;
    ensure!(ran.printed == "2\n", "a new kernel: {ran:?}");
    let units = "systemctl is-active hubd.service hubd-launcher.service hubd-user-bob.service ssh.service";
    vm.script(units, DEADLINE)?;
    context.step("a kernel that takes as much as the machine has is stopped, and nothing else")?;
    let failed = vm.script("systemctl list-units --failed --plain --no-legend", DEADLINE)?;
    ensure!(failed.is_empty(), "failed units: {failed}");
    Ok(())
}

/// The hub asked the machine what it has, and goes on where it is told of more.
fn without_ipv6(context: &Context, vm: &dyn Guest, warnings: &str) -> Result<()> {
    ensure!(warnings.contains("this machine has no IPv6"), "nothing is said of IPv6: {warnings}");
    ensure!(vm.script("test ! -e /proc/net/if_inet6; hubctl config get http.listen", DEADLINE)?.contains("0.0.0.0:80"));
    ensure!(vm.script(PAGE, DEADLINE)? == "200");
    // As the configuration of a machine that had IPv6 when the hub came.
    vm.script("hubctl config set http.listen '[\"[::]:80\"]'; hubctl status", DEADLINE)?;
    ensure!(vm.script(PAGE, DEADLINE)? == "200");
    context.step("without IPv6 it listens at addresses of IPv4")
}
