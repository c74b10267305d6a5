//! What an authority and the way to it do to a certificate: refused, cut short, down, asked another way.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::expiry::time_passes;
use super::pebble::{Behaviour, Pebble};
use super::{GET_ONE, LOSE_IT, STATE, URL, client, fingerprint, still_open, wait};
use crate::browser::Browser;
use crate::context::Context;
use crate::hub::Hub;
use crate::wait as waits;

pub(super) fn five_in_a_row(context: &Context, hub: &Hub, bob: &Browser) -> Result<()> {
    let orders = || -> Result<u32> {
        waits::for_journal(hub)?;
        Ok(hub.sh("journalctl -u pebble -o cat | grep -c 'Added order'")?.trim().parse()?)
    };
    let (before, mut seen) = (orders()?, vec![fingerprint(hub)?]);
    for _ in 0..5 {
        hub.sh(&format!("{LOSE_IT}; {GET_ONE}"))?;
        let status = wait(hub, "one more certificate", |status| {
            !seen.contains(&status["certificate"]["fingerprint"]) && status["problem"].is_null()
        })?;
        seen.push(status["certificate"]["fingerprint"].clone());
    }
    let asked = orders()? - before;
    ensure!(asked == 5, "five certificates took {asked} orders");
    still_open(bob)?;
    context.step("five renewals in a row, each with one order")
}

pub(super) fn cut_short(context: &Context, hub: &Hub) -> Result<()> {
    let before = fingerprint(hub)?;
    let directory = "/run/systemd/system/hubd-certificates.service.d";
    for moment in ["ordered", "finalized"] {
        hub.sh(&format!(
            "{LOSE_IT}; mkdir -p {directory}
             printf '[Service]\\nExecStart=\\nExecStart=/opt/hubd/bin/hubd-certificates --die-at {moment}\\n' >{directory}/die.conf
             systemctl daemon-reload
             if {GET_ONE}; then exit 1; fi
             test -f {STATE}/private/order.json
             test ! -f {STATE}/acme.pem
             rm -r {directory}; systemctl daemon-reload
             {GET_ONE}
             until journalctl -u hubd-certificates -o cat -n 20 | grep -q 'continuing with the order of an earlier run'; do sleep 0.1; done
             test -f {STATE}/acme.pem
             test ! -f {STATE}/private/order.json"
        ))
        .with_context(|| format!("killed when {moment}"))?;
        context.step(&format!("killed when the order was {moment}: the next run went on with it"))?;
    }
    wait(hub, "the certificate of the order", |status| {
        status["certificate"]["fingerprint"] != before && status["problem"].is_null()
    })?;
    Ok(())
}

/// Also over a reboot: what is known of failures is on disk.
pub(super) fn down(context: &Context, hub: &mut Hub, pebble: &Pebble<'_>, address: Ipv4Addr) -> Result<()> {
    let page = || client(address, pebble.root("root-down.pem")?.1);
    let (before, page) = (fingerprint(hub)?, page()?);
    pebble.stop(hub)?;
    hub.sh(&format!("{LOSE_IT}; {GET_ONE}; {GET_ONE}"))?;
    let status = wait(hub, "word of the failure", |status| status["failures"] == 1)?;
    let problem = status["problem"].as_str().unwrap_or_default();
    ensure!(problem.contains("Connection refused"), "problem: {problem}");
    ensure!(status["certificate"]["fingerprint"] == before, "the certificate in use is gone: {status}");
    let page = page.get(format!("{URL}/hub/login")).send()?;
    ensure!(page.status() == 200, "while the authority is down: {page:?}");
    let summary = hub.hubctl(&["status"])?;
    ensure!(summary["https_problem"].as_str().is_some_and(|text| text.contains("Connection refused")), "{summary}");
    context.step(
        "the authority is down: people notice nothing, the administrator reads why, and it is asked once, not again and again",
    )?;
    hub.reboot()?;
    pebble.start_names(hub)?;
    let again = hub.hubctl_output(&["https", "status"])?.text();
    hub.sh(GET_ONE)?;
    let again: Value = serde_json::from_str(&again).with_context(|| again.clone())?;
    ensure!(again["failures"] == 1 && again["next"] == status["next"], "before the reboot {status}, behind it {again}");
    wait(hub, "the same patience as before the reboot", |now| now["next"] == status["next"])?;
    context.step("a reboot does not make it impatient")?;
    // It has forgotten everything, the account too.
    pebble.start(hub, Behaviour::default())?;
    hub.hubctl(&["https", "renew"])?;
    wait(hub, "a certificate", |status| status["certificate"]["fingerprint"] != before && status["problem"].is_null())?;
    context.step("the authority is back, without its memory: another account, another certificate")
}

pub(super) fn wrong_name(context: &Context, hub: &Hub, pebble: &Pebble<'_>, address: Ipv4Addr) -> Result<()> {
    // Even one that is told not to goes on believing what it saw of a name, now and then; a new one has seen nothing.
    pebble.start(hub, Behaviour::default())?;
    let [one, two, three, _] = address.octets();
    let elsewhere = Ipv4Addr::new(one, two, three, 1);
    pebble.lead_to(hub, elsewhere)?;
    // As the world sees it, so does the machine for a while.
    hub.sh(&format!(
        "cp /etc/hosts /root/hosts; cp -L /etc/resolv.conf /root/resolv.conf
         sed '/hub.test/d' /root/hosts >/etc/hosts; rm -f /etc/resolv.conf; echo nameserver {address} >/etc/resolv.conf"
    ))?;
    checked(hub, &format!("hub.test leads to {elsewhere}, not an address of this machine itself, and port 80 is closed there"))?;
    context.step("a name that leads elsewhere is found out before the authority is asked")?;
    hub.sh(&format!("{LOSE_IT}; {GET_ONE}"))?;
    let status = wait(hub, "word of the refusal", |status| status["failures"] == 1)?;
    let problem = status["problem"].as_str().unwrap_or_default();
    ensure!(problem.contains("about hub.test: ") && problem.contains("connection refused"), "problem: {problem}");
    pebble.lead_to(hub, address)?;
    pebble.let_sign(hub, Some(";"))?;
    checked(hub, "the CAA records of hub.test let nobody sign for www.hub.test")?;
    pebble.let_sign(hub, Some("other.example; validationmethods=dns-01"))?;
    checked(hub, "the CAA records of hub.test let only other.example sign for hub.test")?;
    pebble.let_sign(hub, None)?;
    checked(hub, "the DNS lets any authority sign for hub.test")?;
    hub.sh("cp /root/hosts /etc/hosts; cp /root/resolv.conf /etc/resolv.conf")?;
    context.step("whom the domain lets sign is asked of its name server")?;
    taken(context, hub, address)?;
    context.step(&format!("a name that leads elsewhere; kept in the authority's words: {problem}"))
}

/// `hubctl https check` says this, among others.
fn checked(hub: &Hub, expected: &str) -> Result<()> {
    let text = hub.hubctl_output(&["https", "check"])?.text();
    let check: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
    let findings = check["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_said = findings.iter().filter_map(|finding| finding["what"].as_str()).any(|what| what.starts_with(expected));
    ensure!(is_said, "expected {expected:?}: {check}");
    Ok(())
}

fn taken(context: &Context, hub: &Hub, address: Ipv4Addr) -> Result<()> {
    // Whoever asks the hub would wake it, and it its sockets.
    let units = "hubd.socket hubd-control.socket hubd-admin.socket hubd-operator.socket hubd.service";
    hub.sh(&format!("systemctl stop {units}"))?;
    checked(hub, &format!("nobody listens on {address}:80"))?;
    hub.sh(&format!("systemd-run --quiet --unit=squatter /usr/bin/python3 -m http.server --bind {address} 80"))?;
    waits::for_listener(hub, &format!("{address}:80"))?;
    checked(hub, "port 80 is taken by `python3` (process ")?;
    hub.sh(&format!("systemctl stop squatter.service; systemctl start {units}"))?;
    context.step("a port that is closed, and one that another program has, are found out")
}

/// After a failure over http the next attempt is over https.
pub(super) fn over_https(context: &Context, hub: &Hub, pebble: &Pebble<'_>) -> Result<()> {
    pebble.start(hub, Behaviour { http: 81, ..Behaviour::default() })?;
    time_passes(hub, 60)?;
    hub.sh(GET_ONE)?;
    wait(hub, "a certificate over https", |status| status["failures"] == 0 && status["problem"].is_null())?;
    waits::for_log(hub, "-u hubd", "showed an authority").context("nobody asked over https")?;
    context.step("with port 80 closed to the authority it was asked over https (TLS-ALPN-01)")
}
