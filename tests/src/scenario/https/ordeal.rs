//! HTTPS through everything that goes wrong, and the hub as its own authority.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context as _, Result, ensure};
use hub_machine::{BaseSpec, Release};

use super::pebble::{Behaviour, Pebble};
use super::{
    DEADLINE, LOSE_IT, URL, arguments, authority, bob_at_work, client, expiry, issued, more_names, plain, renewed, still_open,
    wait,
};
use crate::browser::Trust;
use crate::context::Context;
use crate::hub::Hub;
use crate::lab;
use crate::scenario::{Group, Scenario};

pub(in crate::scenario) const SCENARIO: Scenario = Scenario {
    name: "https-ordeal",
    about: "certificates with half of all requests out of date, five in a row, cut short, refused, the authority down for days, one that expires under open work, a wrong clock; and a local authority",
    group: Group::Nightly,
    needs_programs: true,
    run,
};

fn run(context: &Context) -> Result<()> {
    let address = context.own_address()?;
    // Its Pebble says when it wants to be asked again.
    let machine = context.machine_with(&BaseSpec::new(Release::Trixie).with("pebble"))?;
    let pebble = Pebble::prepare(context, &machine, address)?;
    pebble.start(&machine, Behaviour { stale: 50, ..Behaviour::default() })?;
    let mut hub = Hub::install_as(context, machine, &arguments(&pebble, address), URL.to_owned())?;
    let (root, trusted) = pebble.root("root-1.pem")?;
    issued(context, &hub, address, trusted)?;
    scanned(context, &hub, address)?;

    let bob = bob_at_work(context, &hub, &Trust { authority: Some(&root), name: "hub.test", address: IpAddr::V4(address) })?;
    renewed(context, &hub, &bob)?;
    authority::five_in_a_row(context, &hub, &bob)?;
    more_names(context, &hub, &bob)?;
    authority::cut_short(context, &hub)?;
    lab::run_cell(&bob, "x + 1", "42")?;
    still_open(&bob)?;
    context.step("no WebSocket was dropped all the while")?;
    expiry::expired(context, &hub, &pebble, &bob, address)?;
    drop(bob);

    expiry::wrong_clock(context, &hub)?;
    authority::down(context, &mut hub, &pebble, address)?;
    authority::wrong_name(context, &hub, &pebble, address)?;
    authority::over_https(context, &hub, &pebble)?;
    never_came(context, &hub, &pebble, address)?;
    local(context, &hub, address)?;
    ensure!(hub.failed_units()?.is_empty(), "failed units: {:?}", hub.failed_units()?);
    Ok(())
}

/// What somebody from outside finds: old protocols and weak ciphers are not there.
fn scanned(context: &Context, hub: &Hub, address: Ipv4Addr) -> Result<()> {
    hub.sh("apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends sslscan >/dev/null")?;
    let found = hub.sh(&format!("sslscan --no-colour --sni-name=hub.test {address}:443"))?;
    fs_err::write(context.artefacts().join("sslscan.txt"), &found)?;
    for version in ["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"] {
        ensure!(found.lines().any(|line| line.starts_with(version) && line.ends_with("disabled")), "{version}: {found}");
    }
    let taken = found.lines().filter(|line| line.starts_with("Accepted") || line.starts_with("Preferred"));
    let (strong, weak): (Vec<&str>, Vec<&str>) = taken.partition(|line| line.contains("GCM") || line.contains("CHACHA20"));
    ensure!(strong.len() >= 4 && weak.is_empty(), "ciphers: {weak:?} of {found}");
    let holes = ["  vulnerable to heartbleed", "Insecure session renegotiation", "Compression enabled"];
    ensure!(found.contains("not vulnerable to heartbleed") && !holes.iter().any(|hole| found.contains(hole)), "{found}");
    context.step("sslscan finds TLS 1.2 and 1.3 with authenticated ciphers and nothing else")
}

fn never_came(context: &Context, hub: &Hub, pebble: &Pebble<'_>, address: Ipv4Addr) -> Result<()> {
    pebble.stop(hub)?;
    hub.sh(&format!("{LOSE_IT}; systemctl restart hubd.service"))?;
    expiry::nobody_is_asked(address)?;
    ensure!(plain()?.get(format!("https://{address}/")).send().is_err(), "something was encrypted without a certificate");
    context.step("without a certificate nobody is asked for a password")
}

fn local(context: &Context, hub: &Hub, address: Ipv4Addr) -> Result<()> {
    hub.sh(&format!(
        "/opt/hubd/bin/hub-installer install --https lan --domain hub.test --domain {address} --https-listen {address}:443 --yes"
    ))?;
    let status = wait(hub, "a local certificate", |status| status["method"] == "lan" && status["certificate"].is_object())?;
    ensure!(status["problem"].is_null(), "{status}");
    let clear = plain()?;
    let page = clear.get(format!("http://{address}/hub/ca")).send()?.text()?;
    let authority = status["authority"].as_str().context("no fingerprint of the authority")?;
    ensure!(page.contains(authority), "the page has another fingerprint than {authority}: {page}");
    let pem = clear.get(format!("http://{address}/hub/ca.crt")).send()?.bytes()?;
    let path = context.artefacts().join("local.pem");
    fs_err::write(&path, &pem)?;
    let trusting = client(address, reqwest::Certificate::from_pem(&pem)?)?;
    for url in [format!("{URL}/hub/login"), format!("https://{address}/hub/login")] {
        let page = trusting.get(&url).send().with_context(|| format!("asking {url}"))?;
        ensure!(page.status() == 200, "{url}: {page:?}");
    }
    let browser =
        context.browser_trusting("local", &Trust { authority: Some(&path), name: "hub.test", address: IpAddr::V4(address) })?;
    browser.goto(&format!("{URL}/hub/ca"))?;
    browser.wait_for_text("main", authority, DEADLINE)?;
    browser.screenshot("local-authority")?;
    context.step("the hub as its own authority: by name and by address, once people trust it")
}
