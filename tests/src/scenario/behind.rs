//! A web server in front of the hub: real nginx, Apache and Caddy with what the installer prints, below a path and at the
//! top of a host. JupyterLab works through each, clients are who they are, and nobody else is believed.

mod client;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hub_machine::Release;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;

use super::{Group, Scenario};
use crate::browser::{Browser, Trust};
use crate::context::{Context, TestMachine};
use crate::hub::{ADMIN, BARE, Hub, PASSWORD};
use crate::{lab, wait};
use client::Client;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "behind",
    about: "behind real nginx (https, below a path), Apache and Caddy: JupyterLab and WebSockets, client addresses, forged headers",
    group: Group::Default,
    needs_programs: true,
    run,
};

const PAGE_DEADLINE: Duration = Duration::from_secs(120);
const INSTALL_DEADLINE: Duration = Duration::from_secs(300);
const INSTALLER: &str = "/opt/hubd/bin/hub-installer";
const NAME: &str = "hub.test";
const BASE: &str = "/teaching/jupyter";

/// A web server: its name for the installer, its unit, and how it is kept to one address of this host, which other machines
/// share; nothing else of what was printed is changed.
const SERVERS: [(&str, &str, &str); 3] = [
    ("nginx", "nginx", "sed -i 's/listen 443/listen ADDRESS:443/' /etc/nginx/conf.d/hubd.conf; nginx -t"),
    (
        "apache",
        "apache2",
        "sed -i 's/\\*:80/ADDRESS:80/' /etc/apache2/sites-available/hubd.conf; echo Listen ADDRESS:80 >/etc/apache2/ports.conf
         a2dissite -q 000-default; a2enmod -q headers proxy proxy_http; a2ensite -q hubd",
    ),
    ("caddy", "caddy", "sed -i 's/^http:.*/&\\n    bind ADDRESS/; 1i {\\n    admin off\\n}' /etc/caddy/Caddyfile"),
];

fn run(context: &Context) -> Result<()> {
    let address = context.own_address()?;
    let machine = context.machine(Release::Bookworm)?;
    machine.sh("systemctl mask --quiet --runtime nginx.service apache2.service caddy.service")?;
    let packages = "apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends nginx-light apache2 caddy";
    machine.command(["/bin/sh", "-euc", packages]).timeout(INSTALL_DEADLINE).run()?;
    machine.sh(&format!("echo '{address} {NAME}' >>/etc/hosts; rm -f /etc/nginx/sites-enabled/default"))?;
    context.step("nginx, Apache and Caddy are there")?;

    let below = format!("https://{NAME}{BASE}");
    let hub = Hub::install_as(context, machine, &format!("--admin {ADMIN} --behind nginx --url {below} {BARE}"), below.clone())?;
    hub.add_students(&SERVERS.map(|(server, ..)| student_of(server)))?;
    let authority = certify(context, &hub)?;
    let trust = Trust { authority: Some(&authority), name: NAME, address: IpAddr::V4(address) };
    let top = format!("http://{NAME}");
    for (server, unit, adapt) in SERVERS {
        let url = if server == "nginx" { &below } else { &top };
        let command = [INSTALLER, "install", "--behind", server, "--url", url, "--yes", "--json"];
        let report: Value = serde_json::from_str(&hub.command(command).timeout(INSTALL_DEADLINE).run()?.text())?;
        let (file, text) = (&report["behind"]["file"], &report["behind"]["text"]);
        let file = file.as_str().with_context(|| format!("nothing was printed for {server}: {report}"))?;
        hub.write(file, text.as_str().unwrap_or_default(), 0o644)?;
        hub.sh(&adapt.replace("ADDRESS", &address.to_string()))?;
        hub.sh(&format!("systemctl unmask --quiet --runtime {unit}.service; systemctl restart {unit}.service"))?;
        if server == "nginx" {
            taken(&hub)?;
        }
        let browser = context.browser_trusting(server, &trust)?;
        works(&hub, &browser, url, &student_of(server))?;
        browser.screenshot("lab")?;
        context.step(&format!("JupyterLab and a kernel's WebSocket through {server}, at {url}"))?;
        if server == "nginx" {
            below_a_path(&hub, &browser)?;
            context.step("everything is below the path, cookies too")?;
        }
        let last = 10 + u8::try_from(server.len())?;
        known(&hub, &Client::new(url, address, &authority)?, Ipv4Addr::new(127, 88, 1, last))?;
        context.step(&format!("behind {server} each client counts for itself, whatever it says of itself"))?;
        own_refusals(&hub, url)?;
        context.step(&format!("what {server} refuses can't be framed or reached into"))?;
        // Caddy waits for the open WebSocket until systemd kills it, which then counts as a failure.
        hub.sh(&format!(
            "systemctl stop {unit}.service; systemctl reset-failed {unit}.service 2>/dev/null || true
             systemctl mask --quiet --runtime {unit}.service"
        ))?;
    }
    elsewhere(context, &hub)?;
    ensure!(hub.failed_units()?.is_empty(), "failed units: {:?}", hub.failed_units()?);
    Ok(())
}

/// A certificate for the web server, from an authority that browsers are told to trust.
fn certify(context: &Context, machine: &TestMachine) -> Result<PathBuf> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name.push(DnType::CommonName, "authority of the test");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key)?;
    let own = KeyPair::generate()?;
    let certificate = CertificateParams::new([NAME.to_owned()])?.signed_by(&own, &Issuer::new(params, key))?;
    machine.write("/etc/ssl/certs/hub.pem", certificate.pem(), 0o644)?;
    machine.write("/etc/ssl/private/hub.key", own.serialize_pem(), 0o600)?;
    let path = context.artefacts().join("authority.pem");
    fs_err::write(&path, authority.pem())?;
    Ok(path)
}

/// One for each, so that nobody's JupyterLab opens what was open before.
fn student_of(server: &str) -> String {
    format!("by-{server}")
}

/// The installer names who has a port, and how to live with it.
fn taken(hub: &Hub) -> Result<()> {
    let port = hub.sh("ss -Htlnp | grep nginx | grep -o ':443' | head -n 1")?;
    ensure!(port.trim() == ":443", "nginx does not listen: {port}");
    let plan = [INSTALLER, "plan", "--https", "lan", "--listen", "127.0.0.1:18099"];
    let said = hub.command(plan).output()?.text();
    ensure!(said.contains("port 443 is taken by `nginx` (process ") && said.contains("--behind nginx"), "{said}");
    Ok(())
}

fn works(hub: &Hub, browser: &Browser, url: &str, name: &str) -> Result<()> {
    browser.goto(&format!("{url}/hub/login"))?;
    browser.fill("#username", name)?;
    browser.fill("#password", PASSWORD)?;
    browser.click_text("Log in")?;
    hub.wait_for_lab(browser)?;
    ensure!(browser.url()?.starts_with(&format!("{url}/user/{name}/lab")), "JupyterLab is at {}", browser.url()?);
    lab::new_notebook(browser)?;
    lab::run_cell(browser, "6 * 7", "42")?;
    ensure!(browser.execute("return performance.getEntriesByType('resource').length > 0", Vec::new())? == true);
    Ok(())
}

/// Pages, links, redirects and cookies; the way from JupyterLab to the hub; a login that goes on to where one was going.
fn below_a_path(hub: &Hub, browser: &Browser) -> Result<()> {
    let url = hub.url();
    let prefix =
        browser.execute("return JSON.parse(document.querySelector('#jupyter-config-data').textContent).hubPrefix", Vec::new())?;
    ensure!(prefix == format!("{BASE}/hub/"), "JupyterLab looks for the hub at {prefix}");
    for way in ["", "/", "/hub", "/user/by-nginx", "/hub/user-redirect/tree/x.txt"] {
        browser.goto(&format!("{url}{way}"))?;
        let at = browser.url()?;
        ensure!(at.starts_with(&format!("{url}/user/by-nginx")) || at.starts_with(&format!("{url}/hub/")), "{way} leads to {at}");
    }
    browser.goto(&format!("{url}/hub/home"))?;
    let own = "return [...document.querySelectorAll('[href],[src],[action]')].map(node => node.href || node.src || node.action)";
    let links = browser.execute(own, Vec::new())?;
    let links: Vec<&str> = links.as_array().context("no links")?.iter().filter_map(Value::as_str).collect();
    let strays: Vec<_> = links.iter().filter(|link| !link.starts_with(&format!("{url}/"))).collect();
    ensure!(links.len() > 5 && strays.is_empty(), "links that lead out of the hub: {strays:?} of {links:?}");
    browser.click_text("Stop my server")?;
    browser.wait_for_text("main", "Start it to open", PAGE_DEADLINE)?;
    // The page follows the server by itself, so the stream of events was found.
    browser.click_text("Start my server")?;
    hub.wait_for_lab(browser)?;
    browser.goto(&format!("{url}/hub/logout"))?;
    browser.click_text("Log out")?;
    browser.wait_for("#username", PAGE_DEADLINE)?;
    browser.goto(&format!("{url}/user/by-nginx/tree/x.txt?a=b%2Fc"))?;
    browser.fill("#username", &student_of("nginx"))?;
    browser.fill("#password", PASSWORD)?;
    browser.click_text("Log in")?;
    browser.wait_for_url(&format!("{BASE}/user/by-nginx/tree/x.txt?a=b%2Fc"), PAGE_DEADLINE)
}

/// Wrong passwords count for the client that sent them; what it claims to be makes no difference.
fn known(hub: &Hub, client: &Client, guesser: Ipv4Addr) -> Result<()> {
    let mut status = 0;
    for _ in 0..12 {
        status = client.log_in(guesser, &[], &student_of("nginx"), "wrong password")?.0;
    }
    ensure!(status == 429, "the twelfth wrong password was answered with {status}");
    for forged in [&[("X-Forwarded-For", "192.0.2.7")][..], &[("X-Forwarded-For", "127.0.0.1"), ("Forwarded", "for=127.0.0.1")]] {
        let (status, _) = client.log_in(guesser, forged, &student_of("nginx"), "wrong password")?;
        ensure!(status == 429, "with {forged:?}: {status}");
    }
    let (status, cookies) = client.log_in(Ipv4Addr::new(127, 88, 2, 1), &[], &student_of("nginx"), PASSWORD)?;
    ensure!(status == 303, "another client is kept out too: {status}");
    if client.is_encrypted() {
        let cookie = cookies.iter().find(|cookie| cookie.starts_with("__Secure-hubd-session=")).context("no session")?;
        ensure!(cookie.contains(&format!("; Path={BASE}/;")) && cookie.contains("; Secure"), "cookie: {cookie}");
    }
    wait::for_log(hub, "-u hubd -o json", &format!("SOURCE\":\"{guesser}\""))?;
    wait::for_journal(hub)?;
    let sources = hub.sh("journalctl -u hubd -o json --no-pager | grep -o '\"[A-Z_]*SOURCE\":\"[0-9.]*\"' | sort -u")?;
    ensure!(!sources.contains("192.0.2.7"), "the log has what a client said of itself: {sources}");
    Ok(())
}

/// A page that fills the cookies of the hub's site makes the web server refuse what comes next, the way back from a provider of
/// logins for one: it must not be able to read the address of that answer, in a frame or a window. The hub's own pages have
/// each such header once.
fn own_refusals(hub: &Hub, url: &str) -> Result<()> {
    for (name, size) in [("refused", 60_000), ("answered", 10)] {
        let head = hub.sh(&format!(
            "curl -skD - -o /dev/null -H \"Cookie: x=$(head -c {size} /dev/zero | tr '\\0' a)\" '{url}/hub/login/any/callback?code=1'"
        ))?;
        let values = |wanted: &str| -> Vec<String> {
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim().to_owned()).collect()
        };
        ensure!(head.starts_with("HTTP/") && head.split(' ').nth(1).is_some_and(|code| code.starts_with('4')), "{name}: {head}");
        ensure!(values("X-Frame-Options") == ["DENY"], "{name}: {head}");
        ensure!(values("Cross-Origin-Opener-Policy") == ["same-origin"], "{name}: {head}");
    }
    Ok(())
}

/// At a port, which everybody reaches, nobody is believed; and the socket is for the group alone.
fn elsewhere(context: &Context, hub: &Hub) -> Result<()> {
    let port = context.free_port()?;
    let before = "stat --format=%a:%U:%G /run/hubd-front.sock";
    ensure!(hub.sh(before)? == "660:root:caddy", "the socket: {}", hub.sh(before)?);
    let student =
        hub.sh("runuser -u jupyter-by-nginx -- curl -sS --unix-socket /run/hubd-front.sock http://hub/hub/health 2>&1 || true")?;
    ensure!(student.contains("Could") || student.contains("denied") || student.contains("connect"), "a student got: {student}");
    hub.hubctl(&["config", "set", "http.listen", &format!("127.0.0.1:{port}")])?;
    let forged = "-H 'X-Forwarded-For: 192.0.2.9' -H 'X-Forwarded-Proto: https'";
    let page = hub.sh(&format!("curl -sSi --noproxy '*' {forged} http://127.0.0.1:{port}/hub/login"))?;
    ensure!(page.contains("200 OK") && page.contains("hubd-form=") && !page.contains("__Host-"), "a port believes: {page}");
    let client = Client::at(port)?;
    let forged = [("X-Forwarded-For", "192.0.2.9"), ("X-Forwarded-Proto", "https")];
    client.log_in(Ipv4Addr::LOCALHOST, &forged, &student_of("nginx"), "wrong password")?;
    wait::for_journal(hub)?;
    ensure!(
        hub.sh("journalctl -u hubd -o json --no-pager | grep -c 192.0.2.9 || true")? == "0",
        "a port believes who one says to be"
    );
    context.step("at a port nobody is believed; the socket is for the web server alone")
}
