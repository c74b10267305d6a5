//! HTTPS by itself: a certificate from an authority, renewed under people's hands, kept through everything that goes wrong;
//! and one from the hub's own authority.

pub(super) mod pebble;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use installer::machine::{BaseSpec, Release};
use reqwest::blocking::Client;
use serde_json::Value;

use super::{Group, Scenario};
use crate::browser::{Browser, Trust};
use crate::context::Context;
use crate::hub::{ADMIN, Hub};
use crate::lab;
use pebble::Pebble;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "https",
    about: "certificates from a test authority: issued, renewed, five times in a row, and extended under an open JupyterLab; refused, cut short, down; and a local one",
    group: Group::Nightly,
    needs_programs: true,
    run,
};

const DEADLINE: Duration = Duration::from_secs(60);
const URL: &str = "https://hub.test";
const GET_ONE: &str = "systemctl start hubd-certificates.service";
const STATE: &str = "/var/lib/hubd-certificates";
const LOSE_IT: &str = "rm /var/lib/hubd-certificates/acme.pem";

fn run(context: &Context) -> Result<()> {
    let address = context.own_address();
    let machine = context.machine_with(&BaseSpec::new(Release::Bookworm).with("pebble"))?;
    let pebble = Pebble::prepare(context, &machine, address)?;
    pebble.start(&machine, 50, 80)?;
    let arguments = format!(
        "--admin {ADMIN} --listen {address}:80 --https acme --domain hub.test --email ada@hub.test --https-listen {address}:443 \
         --acme-directory {} --acme-directory-ca {}",
        pebble.directory(),
        pebble::DIRECTORY_CA
    );
    let hub = Hub::install_as(context, machine, &arguments, URL.to_owned())?;
    let (root, trusted) = pebble.root("root-1.pem")?;
    issued(context, &hub, address, trusted)?;
    scanned(context, &hub, address)?;

    hub.add_students(&["bob".to_owned()])?;
    let trust = Trust { authority: &root, name: "hub.test", address: IpAddr::V4(address) };
    let bob = context.browser_trusting("bob", &trust)?;
    hub.log_in(&bob, "bob")?;
    hub.wait_for_lab(&bob)?;
    lab::new_notebook(&bob)?;
    lab::run_cell(&bob, "x = 41; x", "41")?;
    bob.screenshot("lab")?;
    open_socket(&bob)?;
    context.step("JupyterLab over https, with the authority trusted and nothing else")?;
    renewed(context, &hub, &bob)?;
    five_in_a_row(context, &hub, &bob)?;
    more_names(context, &hub, &bob)?;
    cut_short(context, &hub)?;
    lab::run_cell(&bob, "x + 1", "42")?;
    still_open(&bob)?;
    context.step("no WebSocket was dropped all the while")?;

    down(context, &hub, &pebble, address)?;
    wrong_name(context, &hub, &pebble, address)?;
    over_https(context, &hub, &pebble)?;
    never_came(context, &hub, &pebble, address)?;
    local(context, &hub, address)?;
    ensure!(hub.failed_units()?.is_empty(), "failed units: {:?}", hub.failed_units()?);
    Ok(())
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
    context.step("a certificate was got at the install, half of all requests being out of date")
}

fn renewed(context: &Context, hub: &Hub, bob: &Browser) -> Result<()> {
    let before = fingerprint(hub)?;
    hub.sh(&format!("{LOSE_IT}; {GET_ONE}"))?;
    wait(hub, "a new certificate", |status| status["certificate"]["fingerprint"] != before && status["problem"].is_null())?;
    still_open(bob)?;
    context.step("a new certificate was got and used without a restart")
}

fn five_in_a_row(context: &Context, hub: &Hub, bob: &Browser) -> Result<()> {
    let orders = || -> Result<u32> { Ok(hub.sh("journalctl -u pebble -o cat | grep -c 'Added order'")?.trim().parse()?) };
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

fn more_names(context: &Context, hub: &Hub, bob: &Browser) -> Result<()> {
    hub.sh("sed -i 's/^domains = .*/domains = [\"hub.test\", \"www.hub.test\"]/' /etc/hubd/config.toml")?;
    let names = serde_json::json!(["hub.test", "www.hub.test"]);
    wait(hub, "a certificate for both names", |status| status["certificate"]["names"] == names)?;
    still_open(bob)?;
    context.step("a name was added: the change of the configuration alone brought a certificate for both")
}

fn cut_short(context: &Context, hub: &Hub) -> Result<()> {
    let before = fingerprint(hub)?;
    let directory = "/run/systemd/system/hubd-certificates.service.d";
    for moment in ["ordered", "finalized"] {
        hub.sh(&format!(
            "{LOSE_IT}; mkdir -p {directory}
             printf '[Service]\\nExecStart=\\nExecStart=/opt/hubd/bin/hubd certificates --die-at {moment}\\n' >{directory}/die.conf
             systemctl daemon-reload
             if {GET_ONE}; then exit 1; fi
             test -f {STATE}/private/order.json
             test ! -f {STATE}/acme.pem
             rm -r {directory}; systemctl daemon-reload
             {GET_ONE}
             journalctl -u hubd-certificates -o cat -n 20 | grep -q 'continuing with the order of an earlier run'
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

fn down(context: &Context, hub: &Hub, pebble: &Pebble<'_>, address: Ipv4Addr) -> Result<()> {
    let (_, root) = pebble.root("root-1.pem")?;
    let before = fingerprint(hub)?;
    pebble.stop(hub)?;
    hub.sh(&format!("{LOSE_IT}; {GET_ONE}; {GET_ONE}"))?;
    let status = wait(hub, "word of the failure", |status| status["failures"] == 1)?;
    let problem = status["problem"].as_str().unwrap_or_default();
    ensure!(problem.contains("Connection refused"), "problem: {problem}");
    ensure!(status["certificate"]["fingerprint"] == before, "the certificate in use is gone: {status}");
    let page = client(address, root)?.get(format!("{URL}/hub/login")).send()?;
    ensure!(page.status() == 200, "while the authority is down: {page:?}");
    let summary = hub.hubctl(&["status"])?;
    ensure!(summary["https_problem"].as_str().is_some_and(|text| text.contains("Connection refused")), "{summary}");
    context.step(
        "the authority is down: people notice nothing, the administrator reads why, and it is asked once, not again and again",
    )?;
    // It has forgotten everything, the account too.
    pebble.start(hub, 0, 80)?;
    hub.hubctl(&["https", "renew"])?;
    wait(hub, "a certificate", |status| status["certificate"]["fingerprint"] != before && status["problem"].is_null())?;
    context.step("the authority is back, without its memory: another account, another certificate")
}

fn wrong_name(context: &Context, hub: &Hub, pebble: &Pebble<'_>, address: Ipv4Addr) -> Result<()> {
    let [one, two, three, _] = address.octets();
    pebble.lead_to(hub, Ipv4Addr::new(one, two, three, 1))?;
    hub.sh(&format!("{LOSE_IT}; {GET_ONE}"))?;
    let status = wait(hub, "word of the refusal", |status| status["failures"] == 1)?;
    let problem = status["problem"].as_str().unwrap_or_default();
    ensure!(problem.contains("about hub.test: ") && problem.contains("connection refused"), "problem: {problem}");
    pebble.lead_to(hub, address)?;
    context.step(&format!("a name that leads elsewhere; kept in the authority's words: {problem}"))
}

/// After a failure over http the next attempt is over https.
fn over_https(context: &Context, hub: &Hub, pebble: &Pebble<'_>) -> Result<()> {
    pebble.start(hub, 0, 81)?;
    hub.sh(&format!("sed -i 's/\"attempted\": \"20/\"attempted\": \"19/' /var/lib/hubd-certificates/record.json; {GET_ONE}"))?;
    wait(hub, "a certificate over https", |status| status["failures"] == 0 && status["problem"].is_null())?;
    ensure!(hub.sh("journalctl -u hubd -o cat | grep -c 'showed an authority'")?.trim() != "0", "nobody asked over https");
    context.step("with port 80 closed to the authority it was asked over https (TLS-ALPN-01)")
}

fn never_came(context: &Context, hub: &Hub, pebble: &Pebble<'_>, address: Ipv4Addr) -> Result<()> {
    pebble.stop(hub)?;
    hub.sh(&format!("{LOSE_IT}; systemctl restart hubd.service"))?;
    let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(DEADLINE).build()?;
    let page = client.get(format!("http://{address}/hub/login")).send()?;
    let (status, text) = (page.status(), page.text()?);
    ensure!(status == 503 && text.contains("Not safe to log in just now") && !text.contains("<form"), "{status}: {text}");
    ensure!(client.get(format!("https://{address}/")).send().is_err(), "something was encrypted without a certificate");
    context.step("without a certificate nobody is asked for a password")
}

fn local(context: &Context, hub: &Hub, address: Ipv4Addr) -> Result<()> {
    hub.sh(&format!(
        "/opt/hubd/bin/hub-installer install --https lan --domain hub.test --domain {address} --https-listen {address}:443 --yes"
    ))?;
    let status = wait(hub, "a local certificate", |status| status["method"] == "lan" && status["certificate"].is_object())?;
    ensure!(status["problem"].is_null(), "{status}");
    let clear = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(DEADLINE).build()?;
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
        context.browser_trusting("local", &Trust { authority: &path, name: "hub.test", address: IpAddr::V4(address) })?;
    browser.goto(&format!("{URL}/hub/ca"))?;
    browser.wait_for_text("main", authority, DEADLINE)?;
    browser.screenshot("local-authority")?;
    context.step("the hub as its own authority: by name and by address, once people trust it")
}

/// Trusts `root` alone and finds the hub at `address`.
fn client(address: Ipv4Addr, root: reqwest::Certificate) -> Result<Client> {
    let builder = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(DEADLINE);
    Ok(builder.tls_certs_only([root]).resolve("hub.test", SocketAddr::from((address, 0))).build()?)
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
    let deadline = Instant::now() + DEADLINE;
    loop {
        let text = hub.hubctl_output(&["https", "status"])?.text();
        let status: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
        if is_so(&status) {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            bail!("waited {} s for {what}: {status}", DEADLINE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
