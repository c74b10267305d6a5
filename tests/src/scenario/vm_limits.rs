//! The virtual machines themselves: cgroup v2 inside, systemd sees an OOM kill as one, files outlive reboot and power
//! cut.

use std::time::Duration;

use anyhow::{Result, ensure};
use hub_machine::Release;

use super::{Group, Scenario};
use crate::context::Context;
use crate::guest::Guest;
use crate::vm::{Vm, VmOptions};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "vm-limits",
    about: "a virtual machine with cgroup v2: limits for memory, tasks and addresses bite, reboot and power cut keep files",
    group: Group::Default,
    needs_programs: false,
    run: |context| run(context, Release::Bookworm),
};

pub(super) const TRIXIE: Scenario = Scenario {
    name: "vm-limits-trixie",
    about: "the same on Debian 13",
    group: Group::Nightly,
    needs_programs: false,
    run: |context| run(context, Release::Trixie),
};

const DEADLINE: Duration = Duration::from_secs(3 * 60);

fn run(context: &Context, release: Release) -> Result<()> {
    let mut vm = context.vm(VmOptions::new(release))?;
    let hierarchy = vm.script("stat --file-system --format=%T /sys/fs/cgroup", DEADLINE)?;
    ensure!(hierarchy == "cgroup2fs", "/sys/fs/cgroup is `{hierarchy}`");
    memory_limit_bites(&vm)?;
    context.step("MemoryMax= bites, and systemd says oom-kill")?;
    task_limit_bites(&vm)?;
    context.step("TasksMax= bites")?;
    denied_addresses_bite(&vm)?;
    context.step("IPAddressDeny= of a slice bites in what runs there already, and IPAddressAllow= spares")?;
    let archive = r"getent hosts $(sed -n 's|.*://\([^/ ]*\).*|\1|p' /etc/apt/sources.list | head -n 1)";
    vm.script(archive, DEADLINE)?;

    vm.script("echo kept >/var/lib/kept; sync; echo gone >/run/gone", DEADLINE)?;
    vm.reboot()?;
    context.step("rebooted")?;
    ensure!(vm.script("cat /var/lib/kept; test ! -e /run/gone && echo fresh", DEADLINE)? == "kept\nfresh");
    vm.power_cut();
    vm.power_on()?;
    context.step("power cut")?;
    ensure!(vm.script("cat /var/lib/kept", DEADLINE)? == "kept");
    Ok(())
}

fn memory_limit_bites(vm: &Vm) -> Result<()> {
    let allocate = "block = bytearray(300 << 20); print('allocated', len(block))";
    let command = ["/usr/bin/systemd-run", "--wait", "--pipe", "--unit=limited", "--service-type=exec"];
    let limits = ["--property=MemoryMax=100M", "--property=MemorySwapMax=0"];
    let python = ["/usr/bin/python3", "-c", allocate];
    let output = vm.output(&[&command[..], &limits, &python].concat(), b"", DEADLINE)?;
    ensure!(!output.success(), "300 MB were allocated under MemoryMax=100M: {}", output.text());
    let result = vm.script("systemctl show --property=Result --value limited.service", DEADLINE)?;
    ensure!(result == "oom-kill", "result of the unit: `{result}`");
    vm.script("systemctl reset-failed limited.service", DEADLINE)?;
    let limits = ["--property=MemoryMax=500M"];
    let output = vm.output(&[&command[..], &limits, &python].concat(), b"", DEADLINE)?;
    ensure!(output.text() == "allocated 314572800", "under MemoryMax=500M: {} {}", output.text(), output.complaint());
    Ok(())
}

fn task_limit_bites(vm: &Vm) -> Result<()> {
    let script = "
import subprocess
children = []
try:
    for number in range(50):
        children.append(subprocess.Popen(['/bin/sleep', '60']))
except OSError as error:
    print('refused at', len(children), error.errno)
else:
    print('spawned', len(children))
for child in children:
    child.kill()
";
    let command = ["/usr/bin/systemd-run", "--wait", "--pipe", "--collect", "--property=TasksMax=20"];
    let output = vm.output(&[&command[..], &["/usr/bin/python3", "-c", script]].concat(), b"", DEADLINE)?;
    ensure!(output.text() == "refused at 19 11", "under TasksMax=20: {} {}", output.text(), output.complaint());
    Ok(())
}

/// As the launcher sets them: over D-Bus, on the slice of everybody, while servers run.
fn denied_addresses_bite(vm: &Vm) -> Result<()> {
    vm.script(
        "ip link add metadata type dummy; ip link set metadata up
         ip address add 169.254.169.254/32 dev metadata; ip address add fd00:ec2::254/128 dev metadata nodad
         systemd-run --quiet --unit=metadata --property=StandardOutput=null /usr/bin/python3 -m http.server --bind :: 8169
         systemd-run --quiet --unit=server --slice=people-ada.slice --property=StandardInput=null /bin/sleep infinity
         for i in $(seq 600); do ss -Htln | grep -q ':8169 ' && exit 0; sleep 0.2; done; exit 1",
        DEADLINE,
    )?;
    let ask = "
import socket, sys
open('/sys/fs/cgroup/people.slice/people-ada.slice/server.service/cgroup.procs', 'w').write('0')
for address in '169.254.169.254', 'fd00:ec2::254', '127.0.0.1':
    try:
        socket.create_connection((address, 8169), timeout=10).close()
        print('reached')
    except OSError as error:
        print('denied')
";
    let reached = || Ok::<_, anyhow::Error>(vm.output(&["/usr/bin/python3", "-c", ask], b"", DEADLINE)?.checked()?.text());
    ensure!(reached()? == "reached\nreached\nreached", "before anything is denied: {}", reached()?);
    let set = |denied: &str, spared: &str| {
        let call =
            "busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager SetUnitProperties";
        let none = |name| format!("{name} 'a(iayu)' 0");
        let script = format!(
            "{call} 'sba(sv)' people.slice true 4 {} IPAddressDeny 'a(iayu)' {denied} {} IPAddressAllow 'a(iayu)' {spared}",
            none("IPAddressDeny"),
            none("IPAddressAllow")
        );
        vm.script(&script, DEADLINE)
    };
    let four = "2 4 169 254 169 254 32";
    let six = "10 16 253 0 14 194 0 0 0 0 0 0 0 0 0 0 2 84 128";
    for (denied, spared, expected) in [
        (format!("2 {four} {six}"), "0".to_owned(), "denied\ndenied\nreached"),
        (format!("2 {four} {six}"), format!("1 {four}"), "reached\ndenied\nreached"),
        ("0".to_owned(), "2 2 4 0 0 0 0 0 10 16 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0".to_owned(), "reached\nreached\nreached"),
    ] {
        set(&denied, &spared)?;
        let found = reached()?;
        ensure!(found == expected, "denied {denied}, spared {spared}: {found:?}, expected {expected:?}");
    }
    Ok(())
}
