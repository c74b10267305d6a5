//! A machine that reaches the world by a proxy alone: whatever fetches something goes that way, at the install and later.

use std::time::Duration;

use anyhow::{Result, ensure};
use hub_core::programs;
use hub_machine::{BaseSpec, Release};
use serde_json::Value;

use super::https::pebble::{self, Behaviour, Pebble};
use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::ADMIN;
use crate::wait;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "proxy",
    about: "HTTPS_PROXY: apt, the package index, the ACME authority and `hubctl https check` all go by it, and it is remembered",
    group: Group::Default,
    needs_programs: true,
    run,
};

const INSTALL_DEADLINE: Duration = Duration::from_secs(600);
const LOG: &str = "/run/proxy.log";

fn run(context: &Context) -> Result<()> {
    let address = context.own_address()?;
    let machine = context.machine_with(&BaseSpec::new(Release::Bookworm).with("pebble"))?;
    let port = context.free_port()?;
    machine.write("/root/connect.py", include_str!("proxy/connect.py"), 0o644)?;
    machine.sh(&format!("systemd-run --quiet --unit=proxy /usr/bin/python3 /root/connect.py {port} {LOG}"))?;
    wait::for_listener(&machine, &format!("127.0.0.1:{port}"))?;
    let pebble = Pebble::prepare(context, &machine, address)?;
    pebble.start(&machine, Behaviour::default())?;
    for program in programs::names() {
        machine.copy_in(&context.program(program)?, &format!("/root/new/{program}"), 0o755)?;
    }
    let directory = pebble.directory();
    let line = format!(
        "/root/new/hub-installer install --admin {ADMIN} --listen {address}:80 --https acme --domain hub.test --email ada@hub.test \
         --https-listen {address}:443 --acme-directory {directory} --acme-directory-ca {} --yes --json",
        pebble::DIRECTORY_CA
    );
    let proxy = format!("http://127.0.0.1:{port}");
    let install = machine.command(["/bin/sh", "-euc", &line]).env("HTTPS_PROXY", &proxy).env("http_proxy", &proxy);
    let report: Value = serde_json::from_str(&install.timeout(INSTALL_DEADLINE).run()?.text())?;
    let asked = machine.sh(&format!("sort {LOG} | uniq -c | sort -rn | head -n 40"))?;
    context.step(&format!("installed in {} s; by the proxy:\n{asked}", report["seconds"]))?;
    let authority = format!("CONNECT {address}:14000");
    for (what, pattern) in [
        ("apt", "^GET http://.*/debian/|^CONNECT .*deb".to_owned()),
        ("the package index", "^CONNECT .*py".to_owned()),
        ("the authority", format!("^{authority}$")),
    ] {
        let count = machine.sh(&format!("grep -cE '{pattern}' {LOG} || true"))?;
        ensure!(count.trim() != "0", "{what} was not asked by the proxy:\n{asked}");
    }

    // What comes later knows it too, with an environment that says nothing of it.
    machine.sh(&format!(": >{LOG}; hubctl https check"))?;
    ensure!(machine.sh(&format!("cat {LOG}"))?.contains(&authority), "`hubctl https check` went another way");
    machine.sh(&format!(": >{LOG}; rm /var/lib/hubd-certificates/acme.pem; systemctl start hubd-certificates.service"))?;
    machine.sh("test -f /var/lib/hubd-certificates/acme.pem")?;
    ensure!(machine.sh(&format!("cat {LOG}"))?.contains(&authority), "the certificate was got another way");
    ensure!(machine.failed_units()?.is_empty(), "failed units: {:?}", machine.failed_units()?);
    context.step("a later check and a renewal went by it too")
}
