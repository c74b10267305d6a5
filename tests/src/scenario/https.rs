//! HTTPS by itself: a certificate from an authority, renewed and extended under an open JupyterLab, which notices nothing.

mod authority;
mod expiry;
mod ordeal;
pub(super) mod pebble;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hub_machine::{BaseSpec, Release};
use reqwest::blocking::{Client, ClientBuilder};
use reqwest::redirect::Policy;
use serde_json::Value;

use super::{Group, Scenario};
use crate::browser::{Browser, Trust};
use crate::context::Context;
use crate::hub::{ADMIN, BARE, Hub};
use crate::{lab, wait as waits};
use pebble::{Behaviour, Pebble};

pub(super) use ordeal::SCENARIO as ORDEAL;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "https",
    about: "a certificate from a test authority over a real install: JupyterLab in a browser that trusts it alone, renewal and another name without a dropped WebSocket",
    group: Group::Default,
    needs_programs: true,
    run,
};

const DEADLINE: Duration = Duration::from_secs(180);
const URL: &str = "https://hub.test";
/// What the timer does now and then.
const GET_ONE: &str = "systemctl start hubd-certificates.service";
const STATE: &str = "/var/lib/hubd-certificates";
const LOSE_IT: &str = "rm /var/lib/hubd-certificates/acme.pem";

fn run(context: &Context) -> Result<()> {
    let address = context.own_address()?;
    let machine = context.machine_with(&BaseSpec::new(Release::Bookworm).with("pebble"))?;
    let pebble = Pebble::prepare(context, &machine, address)?;
    pebble.start(&machine, Behaviour::default())?;
    // The address of a rented machine is known once it is there, and the name leads to it some time later.
    machine.sh("sed -i.named /hub.test/d /etc/hosts")?;
    let hub = Hub::install_as(context, machine, &arguments(&pebble, address), URL.to_owned())?;
    not_named_yet(context, &hub)?;
    let (root, trusted) = pebble.root("root-1.pem")?;
    issued(context, &hub, address, trusted)?;
    told_to_stay(context, &hub, address)?;
    let bob = bob_at_work(context, &hub, &Trust { authority: Some(&root), name: "hub.test", address: IpAddr::V4(address) })?;
    renewed(context, &hub, &bob)?;
    more_names(context, &hub, &bob)?;
    lab::run_cell(&bob, "x + 1", "42")?;
    still_open(&bob)?;
    context.step("no WebSocket was dropped all the while")?;
    ensure!(hub.failed_units()?.is_empty(), "failed units: {:?}", hub.failed_units()?);
    Ok(())
}

/// For the installer.
fn arguments(pebble: &Pebble<'_>, address: Ipv4Addr) -> String {
    format!(
        "--admin {ADMIN} --listen {address}:80 --https acme --domain hub.test --email ada@hub.test --https-listen {address}:443 \
         --acme-directory {} --acme-directory-ca {} {BARE}",
        pebble.directory(),
        pebble::DIRECTORY_CA
    )
}

/// The install has come to its end, says what is missing, and asked the authority for nothing.
fn not_named_yet(context: &Context, hub: &Hub) -> Result<()> {
    let report = hub.report();
    let missing = report["uncertified"][0]["what"].as_str().unwrap_or_default();
    ensure!(missing.starts_with("hub.test does not resolve: "), "report: {report}");
    ensure!(report["problem"].is_null() && report["verification"].is_object(), "report: {report}");
    // Whoever missed it is told again by every look at the hub.
    let verified = hub.command(["/opt/hubd/bin/hub-installer", "verify"]).timeout(DEADLINE).output()?;
    let said = verified.complaint();
    ensure!(verified.code == 1 && said.contains("nobody can log in") && said.contains("hubctl https check"), "verify: {said}");
    hub.sh(GET_ONE)?;
    wait(hub, "word of the name", |status| {
        status["problem"].as_str().is_some_and(|problem| problem.ends_with("; the authority was not asked"))
    })?;
    waits::for_journal(hub)?;
    let orders = hub.sh("journalctl -u pebble -o cat | grep -c 'Added order' || true")?;
    ensure!(orders.trim() == "0", "the authority was asked {orders} times");
    context.step("a name that leads nowhere: the install goes through, says so, and the authority is asked for nothing")?;
    hub.sh(&format!("mv /etc/hosts.named /etc/hosts; {GET_ONE}"))?;
    wait(hub, "the first certificate", |status| status["certificate"].is_object() && status["problem"].is_null())?;
    context.step("the name leads here at last, and nothing had to be waited for")
}

/// `https.hsts` tells browsers to use nothing but https here, and only when it is switched on.
fn told_to_stay(context: &Context, hub: &Hub, address: Ipv4Addr) -> Result<()> {
    let headers = || hub.sh(&format!("curl --silent --insecure --head --resolve hub.test:443:{address} {URL}/hub/login"));
    let told = |headers: &str| headers.to_lowercase().contains("strict-transport-security: max-age=");
    let before = headers()?;
    ensure!(!told(&before), "by default: {before}");
    hub.hubctl(&["config", "set", "https.hsts", "true"])?;
    let after = headers()?;
    ensure!(told(&after), "with https.hsts: {after}");
    hub.hubctl(&["config", "unset", "https.hsts"])?;
    context.step("https.hsts tells browsers to stay with https, and only when it is switched on")
}

/// A student with a notebook and a WebSocket open.
fn bob_at_work(context: &Context, hub: &Hub, trust: &Trust<'_>) -> Result<Browser> {
    hub.add_students(&["bob".to_owned()])?;
    let bob = context.browser_trusting("bob", trust)?;
    hub.log_in(&bob, "bob")?;
    hub.wait_for_lab(&bob)?;
    lab::new_notebook(&bob)?;
    lab::run_cell(&bob, "x = 41; x", "41")?;
    bob.screenshot("lab")?;
    open_socket(&bob)?;
    context.step("JupyterLab over https, with the authority trusted and nothing else")?;
    Ok(bob)
}

fn issued(context: &Context, hub: &Hub, address: Ipv4Addr, root: reqwest::Certificate) -> Result<()> {
    ensure!(hub.report()["url"] == URL, "report: {}", hub.report());
    let client = client(address, root)?;
    let page = client.get(format!("{URL}/hub/login")).send().context("asking over https")?;
    ensure!(page.status() == 200, "the login page: {page:?}");
    ensure!(!page.text()?.contains("not encrypted"), "the login page says that it is not encrypted");
    let plain = client.get("http://hub.test/hub/login").send()?;
    ensure!(plain.status() == 308 && plain.headers()["location"] == format!("{URL}/hub/login"), "in clear: {plain:?}");
    let status = hub.hubctl(&["https", "status"])?;
    ensure!(status["certificate"]["names"] == serde_json::json!(["hub.test"]) && status["problem"].is_null(), "{status}");
    let check = hub.hubctl(&["https", "check"])?;
    ensure!(check["ok"] == true, "{check}");
    // The key is for the hub and for who got it; its account is for that alone.
    let files = "stat --format=%a:%U:%G /var/lib/hubd-certificates /var/lib/hubd-certificates/acme.pem /var/lib/hubd-certificates/private | xargs";
    let files = hub.sh(files)?;
    let expected = ["750", "640", "700"].map(|mode| format!("{mode}:hubd-certificates:hubd-certificates")).join(" ");
    ensure!(files.trim() == expected, "modes: {files}");
    ensure!(
        hub.command(["/bin/cat", "/var/lib/hubd-certificates/acme.pem"]).user("nobody").output()?.code != 0,
        "anybody reads the key"
    );
    for version in ["1.0", "1.1"] {
        let command =
            format!("curl -sk --noproxy '*' --tls-max {version} --resolve hub.test:443:{address} {URL}/ && echo taken || true");
        ensure!(!hub.sh(&command)?.contains("taken"), "TLS {version} is taken");
    }
    context.step("the certificate is in use, and the key is closed")
}

fn renewed(context: &Context, hub: &Hub, bob: &Browser) -> Result<()> {
    let before = fingerprint(hub)?;
    hub.sh(&format!("{LOSE_IT}; {GET_ONE}"))?;
    wait(hub, "a new certificate", |status| status["certificate"]["fingerprint"] != before && status["problem"].is_null())?;
    still_open(bob)?;
    context.step("a new certificate was got and used without a restart")
}

fn more_names(context: &Context, hub: &Hub, bob: &Browser) -> Result<()> {
    hub.sh("sed -i 's/^domains = .*/domains = [\"hub.test\", \"www.hub.test\"]/' /etc/hubd/config.toml")?;
    let names = serde_json::json!(["hub.test", "www.hub.test"]);
    wait(hub, "a certificate for both names", |status| status["certificate"]["names"] == names)?;
    still_open(bob)?;
    context.step("a name was added: the change of the configuration alone brought a certificate for both")
}

/// Asks the hub itself, and goes where no answer leads.
fn asker() -> ClientBuilder {
    Client::builder().no_proxy().redirect(Policy::none()).timeout(DEADLINE)
}

fn plain() -> Result<Client> {
    Ok(asker().build()?)
}

/// Trusts `root` alone and finds the hub at `address`.
fn client(address: Ipv4Addr, root: reqwest::Certificate) -> Result<Client> {
    Ok(asker().tls_certs_only([root]).resolve("hub.test", SocketAddr::from((address, 0))).build()?)
}

/// Opens a WebSocket of its own in the page, which nothing opens again.
fn open_socket(browser: &Browser) -> Result<()> {
    browser.execute(
        "window.closes = 0; window.own = new WebSocket('wss://hub.test/user/bob/api/events/subscribe'); \
         window.own.onclose = () => { window.closes += 1 }",
        Vec::new(),
    )?;
    browser.wait_for_script("return window.own.readyState === 1", DEADLINE)
}

fn still_open(browser: &Browser) -> Result<()> {
    let state = browser.execute("return [window.own.readyState, window.closes]", Vec::new())?;
    ensure!(state == serde_json::json!([1, 0]), "the WebSocket: {state}");
    Ok(())
}

fn fingerprint(hub: &Hub) -> Result<Value> {
    let status: Value = serde_json::from_str(&hub.hubctl_output(&["https", "status"])?.text())?;
    ensure!(status["certificate"]["fingerprint"].is_string(), "{status}");
    Ok(status["certificate"]["fingerprint"].clone())
}

/// Waits until `hubctl https status` is as wanted; it ends with 1 when something is wrong, which may be what is waited for.
fn wait(hub: &Hub, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
    wait_long(hub, what, DEADLINE, is_so)
}

fn wait_long(hub: &Hub, what: &str, patience: Duration, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
    let mut status = Value::Null;
    let waited = waits::until_within(patience, what, || {
        let text = hub.hubctl_output(&["https", "status"])?.text();
        status = serde_json::from_str(&text).with_context(|| text.clone())?;
        Ok(is_so(&status))
    });
    waited.with_context(|| status.to_string())?;
    Ok(status)
}
