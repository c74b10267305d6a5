//! A first class on a machine that has everything against it: no IPv6, homes on another file system behind a link, a package
//! source that is gone, needrestart in automatic mode. Ten students, and a new libc in the middle of it.

use std::time::Duration;

use anyhow::{Result, ensure};
use hub_machine::Release;

use super::lived_in::NEW_LIBC;
use super::{Group, Scenario};
use crate::context::Context;
use crate::guest::Guest;
use crate::hub::{self, PASSWORD};
use crate::release::ReleaseServer;
use crate::vm::VmOptions;
use crate::{kernel, login};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "vm-class",
    about: "a virtual machine without IPv6, homes behind a link, a dead package source, needrestart: ten students, and a new libc ends no kernel",
    group: Group::Nightly,
    needs_programs: true,
    run,
};

/// Everything is emulated.
const DEADLINE: Duration = Duration::from_secs(30 * 60);
const STUDENTS: usize = 10;
const URL: &str = "http://127.0.0.1";
/// Homes on an ext4 of their own, which the machine mounts at each boot.
const LIVE_IN: &str = "truncate --size=1G /homes.ext4; mkfs.ext4 -q /homes.ext4; mkdir /data
    echo '/homes.ext4 /data ext4 loop 0 0' >>/etc/fstab; mount /data
    cp -a /home /data/home; rm -r /home; ln -s /data/home /home
    printf '%s\\n' 'deb http://127.0.0.1:9/debian bookworm main' >/etc/apt/sources.list.d/gone.list
    printf '%s\\n' '$nrconf{restart} = \"a\";' '1;' >/etc/needrestart/conf.d/auto.conf
    test ! -e /proc/net/if_inet6";

fn run(context: &Context) -> Result<()> {
    let release = ReleaseServer::start(context)?;
    let vm = context.vm(VmOptions {
        memory_mb: 4096,
        packages: vec!["needrestart".to_owned(), "libpam-systemd".to_owned()],
        kernel_arguments: vec!["ipv6.disable=1".to_owned()],
        ..VmOptions::new(Release::Bookworm)
    })?;
    vm.script(LIVE_IN, DEADLINE)?;
    let report = hub::install_in_vm(&*vm, &release)?;
    context.step(&format!("installed in {} s, noted: {} {}", report["seconds"], report["notes"], report["warnings"]))?;

    let names: Vec<String> = (1..=STUDENTS).map(|number| format!("student-{number}")).collect();
    vm.script("hubctl config set servers.start_timeout 20m; hubctl config set limits.memory 350M", DEADLINE)?;
    vm.script(
        &format!(
            "{{ echo name,password; for i in $(seq {STUDENTS}); do echo \"student-$i,{PASSWORD}\"; done; }} >/root/class.csv
             hubctl user add --from /root/class.csv"
        ),
        DEADLINE,
    )?;
    for name in &names {
        let status = login::with_curl(&*vm, URL, name, &format!("/root/{name}.jar"))?;
        ensure!(status == "303", "{name} logs in: {status}");
    }
    vm.script(&format!("hubctl server start {}", names.join(" ")), DEADLINE)?;
    let homes =
        vm.script("stat --format=%m /data/home/hubd/jupyter-student-1; ls /data/home/hubd | grep -c jupyter-student", DEADLINE)?;
    ensure!(homes == format!("/data\n{STUDENTS}"), "homes: {homes}");
    context.step(&format!("{STUDENTS} students log in, and their servers run"))?;

    for name in &names {
        kernel::keep(&*vm, name)?;
    }
    let before = kernel::kept(&*vm, &names)?;
    ensure!(before.values().all(|pid| pid.parse::<u32>().is_ok()), "one kernel each: {before:?}");
    vm.script(NEW_LIBC, DEADLINE)?;
    let after = kernel::kept(&*vm, &names)?;
    ensure!(after == before, "after a new libc: {after:?}, before: {before:?}");
    for name in &names {
        let page = format!("curl -sS -o /dev/null -w '%{{http_code}}' -b /root/{name}.jar {URL}/hub/home");
        ensure!(vm.script(&page, DEADLINE)? == "200", "{name} is logged in no more");
    }
    context
        .step(&format!("a new libc, with needrestart in automatic mode: {} kernels live, everybody is logged in", after.len()))?;
    let failed = vm.script("systemctl list-units --failed --plain --no-legend", DEADLINE)?;
    ensure!(failed.is_empty(), "failed units: {failed}");
    Ok(())
}
