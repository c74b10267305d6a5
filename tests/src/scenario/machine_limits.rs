//! The container machines themselves: limits of units bite in them, files outlive a reboot and a power cut, `/run`
//! does not.

use std::time::Duration;

use anyhow::{Result, ensure};
use hub_machine::{Machine, Release};

use super::{Group, Scenario};
use crate::context::Context;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "machine-limits",
    about: "container machines of Debian 12 and 13: memory and task limits bite, reboot and power cut keep files",
    group: Group::Default,
    needs_programs: false,
    run,
};

const PROBE_DEADLINE: Duration = Duration::from_secs(180);
/// Three times what the unit may have.
const ALLOCATE: &str = "block = bytearray(300 << 20)\nprint('allocated', len(block))";
/// More than the unit may have, by a wide margin; each one ends by itself.
const SPAWN: &str = "
import subprocess
children = []
try:
    for number in range(50):
        children.append(subprocess.Popen(['/bin/sleep', '300']))
except OSError as error:
    print('refused at', len(children), error.errno)
else:
    print('spawned', len(children))
for child in children:
    child.kill()
";

fn run(context: &Context) -> Result<()> {
    for release in [Release::Bookworm, Release::Trixie] {
        let mut machine = context.machine(release)?;
        let failed = machine.failed_units()?;
        ensure!(failed.is_empty(), "units that did not start: {failed:?}");
        memory_limit_bites(context, &machine)?;
        task_limit_bites(context, &machine)?;
        host_is_reachable_by_name(&machine)?;

        machine.sh("echo kept >/var/lib/kept; sync; echo gone >/run/gone; useradd --create-home ada")?;
        ensure!(machine.command(["/usr/bin/id", "-un"]).user("ada").run()?.text() == "ada");
        let before = machine.leader_pid();
        machine.reboot()?;
        ensure!(machine.leader_pid() != before, "the machine has the same PID 1 after the reboot");
        ensure!(machine.sh("cat /var/lib/kept; test ! -e /run/gone && echo fresh")? == "kept\nfresh");
        context.step("rebooted; files are there and /run is fresh")?;
        machine.power_cut()?;
        ensure!(!machine.is_running());
        machine.power_on()?;
        ensure!(machine.sh("cat /var/lib/kept; id -un ada")? == "kept\nada");
        context.step("power cut; files are there")?;
        memory_limit_bites(context, &machine)?;
    }
    Ok(())
}

fn memory_limit_bites(context: &Context, machine: &Machine) -> Result<()> {
    let output = in_unit(machine, &["MemoryMax=100M", "MemorySwapMax=0"], ALLOCATE)?;
    ensure!(!output.success(), "300 MB were allocated under MemoryMax=100M: {}", output.text());
    let said = output.complaint();
    ensure!(said.contains("oom-kill") || said.contains("signal"), "ended by something else than the limit: {said}");
    let output = in_unit(machine, &["MemoryMax=500M"], ALLOCATE)?;
    ensure!(output.text() == "allocated 314572800", "300 MB under MemoryMax=500M: {} {}", output.text(), output.complaint());
    context.step("MemoryMax= bites")
}

fn task_limit_bites(context: &Context, machine: &Machine) -> Result<()> {
    const EAGAIN: i32 = 11;
    let said = in_unit(machine, &["TasksMax=20"], SPAWN)?.text();
    // The interpreter is one of the twenty tasks.
    ensure!(said == format!("refused at 19 {EAGAIN}"), "50 sleeps under TasksMax=20: {said}");
    let said = in_unit(machine, &["TasksMax=100"], SPAWN)?.text();
    ensure!(said == "spawned 50", "50 sleeps under TasksMax=100: {said}");
    context.step("TasksMax= bites")
}

fn in_unit(machine: &Machine, properties: &[&str], script: &str) -> Result<hub_machine::Output> {
    let mut arguments = vec!["/usr/bin/systemd-run".to_owned(), "--wait".to_owned(), "--pipe".to_owned()];
    arguments.extend(["--collect".to_owned(), "--service-type=exec".to_owned()]);
    arguments.extend(properties.iter().map(|property| format!("--property={property}")));
    arguments.extend(["/usr/bin/python3", "-c", script].map(str::to_owned));
    machine.command(arguments).timeout(PROBE_DEADLINE).output()
}

fn host_is_reachable_by_name(machine: &Machine) -> Result<()> {
    let name = machine.sh("hostname")?;
    ensure!(name == machine.name(), "host name `{name}`, expected `{}`", machine.name());
    machine.sh("getent hosts \"$(hostname)\" localhost")?;
    Ok(())
}
