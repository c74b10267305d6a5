//! Container machines on the kind of host most people have: systemd as PID 1 and cgroup v2 alone. The host is a virtual
//! machine here.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hub_machine::Release;

use super::{Group, Scenario};
use crate::context::Context;
use crate::guest::Guest;
use crate::vm::VmOptions;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "machine-on-v2",
    about: "a container machine on a host with systemd and cgroup v2: limits bite, and nothing is left of it",
    group: Group::Nightly,
    needs_programs: false,
    run,
};

const DEADLINE: Duration = Duration::from_secs(5 * 60);
const PROGRAM: &str = "/usr/local/bin/hub-tests";

fn run(context: &Context) -> Result<()> {
    let mut options = VmOptions::new(Release::Bookworm);
    options.packages = vec!["systemd-container".to_owned(), "mmdebstrap".to_owned()];
    let vm = context.vm(options)?;
    let own = std::env::current_exe().context("looking for this program")?;
    vm.copy_in(&own, PROGRAM, 0o755)?;
    // The virtual machine's own tree is the base, so that none has to be made under emulation. An overlay can't have
    // its changes inside of what it lies on.
    vm.script("mkdir -p /var/lib/hubd-machines; mount -t tmpfs tmpfs /var/lib/hubd-machines", DEADLINE)?;
    let machine = |arguments: &str| vm.script(&format!("{PROGRAM} machine {arguments}"), DEADLINE);
    machine("boot inner --base /")?;
    context.step("booted a container machine in the virtual machine")?;
    ensure!(machine("exec inner hostname")? == "inner");
    ensure!(machine("exec inner stat --file-system --format=%T /sys/fs/cgroup")? == "cgroup2fs");

    let allocate = "\"block = bytearray(300 << 20); print(len(block))\"";
    let unit = "/usr/bin/systemd-run --wait --pipe --unit=limited";
    let output = vm.output(
        &[
            "/bin/sh",
            "-c",
            &format!("{PROGRAM} machine exec inner {unit} -p MemoryMax=100M -p MemorySwapMax=0 python3 -c {allocate}"),
        ],
        b"",
        DEADLINE,
    )?;
    ensure!(!output.success(), "300 MB were allocated under MemoryMax=100M: {}", output.text());
    ensure!(machine("exec inner systemctl show --property=Result --value limited.service")? == "oom-kill");
    context.step("MemoryMax= bites in it")?;

    machine("exec inner touch /var/lib/kept")?;
    machine("reboot inner")?;
    machine("exec inner test -e /var/lib/kept")?;
    context.step("rebooted it")?;
    machine("destroy inner")?;
    ensure!(machine("list")?.is_empty());
    let left =
        vm.script("systemctl list-units --all --plain --no-legend 'hubd-machine*'; ls /var/lib/hubd-machines", DEADLINE)?;
    ensure!(left.is_empty(), "left of the machine: {left}");
    Ok(())
}
