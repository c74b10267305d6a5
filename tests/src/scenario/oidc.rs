//! Logins of an institution: a real provider, a browser, somebody who cheats, and what is said when something is wrong.

mod provider;
mod wanderer;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Group, Scenario};
use crate::browser::Browser;
use crate::context::Context;
use crate::hub::{Hub, PASSWORD};
use crate::wait;
use provider::{Provider, SECRET};
use wanderer::{Wanderer, part, with};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "oidc",
    about: "logging in by a real OpenID provider: who becomes whom, what a cheater gets, a provider that is gone, login check",
    group: Group::Default,
    needs_programs: true,
    run,
};

const DEADLINE: Duration = Duration::from_secs(90);
const SECRET_FILE: &str = "/etc/hubd/secrets/school";

/// Accounts at the provider, by subject.
fn accounts() -> Value {
    json!({
        "1": {"preferred_username": "cara", "name": "Cara Miller"},
        "2": {"preferred_username": "cara", "name": "Another Cara"},
        "3": {"preferred_username": "bob"},
        "4": {"preferred_username": "ada"},
        "5": {"preferred_username": "root", "groups": ["physics"]},
        "6": {"preferred_username": "zoe", "groups": ["art"]},
        "7": {"preferred_username": "Zoë Müller", "name": "Zoë Müller", "groups": ["physics"]},
        "8": {"preferred_username": "dora", "email": "dora@school.example", "email_verified": false},
        "9": {"preferred_username": "dora", "email": "dora@school.example", "email_verified": true},
    })
}

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    let callbacks = ["school", "physics", "mail"].map(|login| format!("{}/hub/login/{login}/callback", hub.url()));
    let provider = Provider::start(context, &callbacks, &accounts())?;
    hub.hubctl(&["user", "add", "cara", "dora", "eve"])?;
    hub.add_students(&["bob".to_owned()])?;
    set_up(context, &hub, &provider)?;
    checked(context, &hub, &provider)?;
    let cara = logs_in(context, &hub)?;
    who_is_who(context, &hub)?;
    cheats(context, &hub)?;
    rules(context, &hub)?;
    linked(context, &hub)?;
    apart(context, &hub)?;
    gone(context, &hub, provider, &cara)
}

/// As the docs have it: a secret, a table.
fn set_up(context: &Context, hub: &Hub, provider: &Provider) -> Result<()> {
    let begun = Instant::now();
    hub.write(SECRET_FILE, format!("{SECRET}\n"), 0o600)?;
    let (issuer, url) = (provider.issuer(), hub.url());
    let table = |name: &str, client: &str, more: &str| {
        format!(
            "\n[login.{name}]\ntype = \"oidc\"\ntitle = \"Login of {name}\"\nissuer = \"{issuer}\"\nclient_id = \"{client}\"\n\
             client_secret_file = \"{SECRET_FILE}\"\n{more}\n"
        )
    };
    let tables = [
        table("school", "hub", ""),
        table("physics", "hub", "scopes = [\"openid\", \"profile\", \"groups\"]\nallow_groups = [\"physics\"]\nenrol = true"),
        table("mail", "other", "allow_domains = [\"school.example\"]"),
    ];
    hub.write("/root/logins.toml", tables.concat(), 0o600)?;
    hub.sh(&format!(
        "hubctl config set hub.url {url} && cat /etc/hubd/config.toml /root/logins.toml >/root/new.toml && hubctl config apply \
         /root/new.toml --yes"
    ))?;
    context.step(&format!("set up in {:.1} s", begun.elapsed().as_secs_f64()))
}

/// What is wrong is told before anybody tries.
fn checked(context: &Context, hub: &Hub, provider: &Provider) -> Result<()> {
    let check = |expected: &str, is_good: bool| -> Result<()> {
        let output = hub.command(["/usr/local/bin/hubctl", "login", "check", "school"]).timeout(DEADLINE).output()?;
        let said = format!("{}{}", output.text(), output.complaint());
        ensure!(output.success() == is_good && said.contains(expected), "expected {expected:?}: {said}");
        ensure!(!said.contains(SECRET), "the secret is shown: {said}");
        context.step(&format!("login check: {expected}"))
    };
    check("it accepts client and secret", true)?;
    check("No problems found", true)?;
    hub.write(SECRET_FILE, "another secret", 0o600)?;
    check("it does not accept the secret", false)?;
    hub.write(SECRET_FILE, SECRET, 0o644)?;
    check("that nobody else can read (mode 644)", false)?;
    hub.sh(&format!("rm {SECRET_FILE}"))?;
    check("there is no such file", false)?;
    hub.write(SECRET_FILE, SECRET, 0o600)?;
    let set = |key: &str, value: &str| hub.sh(&format!("hubctl config set {key} '{value}'"));
    set("hub.url --allow-lockout", "http://elsewhere.example")?;
    check("it does not let people come back to", false)?;
    set("hub.url --allow-lockout", hub.url())?;
    set("login.school.issuer", &format!("{}/", provider.issuer()))?;
    check("it calls itself", false)?;
    set("login.school.issuer", "http://127.0.0.1:9")?;
    check("nothing listens there", false)?;
    set("login.school.issuer", provider.issuer())?;
    set("login.school.client_id", "nobody")?;
    check("it does not know the client or the redirect address", false)?;
    set("login.school.client_id", "hub")?;
    check("No problems found", true)
}

/// In a browser, by the button, up to a notebook.
fn logs_in(context: &Context, hub: &Hub) -> Result<Browser> {
    let cara = context.browser("cara")?;
    cara.goto(&format!("{}/hub/login?next=%2Fhub%2Fhome", hub.url()))?;
    cara.screenshot("login")?;
    cara.click_text("Login of school")?;
    cara.wait_for("input[name=login]", DEADLINE)?;
    cara.fill("input[name=login]", "1")?;
    cara.fill("input[name=password]", "any")?;
    cara.click("button[type=submit]")?;
    cara.wait_for_url("/hub/home", DEADLINE)?;
    cara.wait_for_text("main", "You are logged in as cara", DEADLINE)?;
    context.step("cara is logged in by the button, and is where she was going")?;
    cara.goto(&format!("{}/hub/", hub.url()))?;
    hub.wait_for_lab(&cara)?;
    context.step("and in JupyterLab")?;
    let cookies = cara.cookies()?;
    ensure!(cookies.iter().any(|(name, _)| name == "hubd-session"), "{cookies:?}");
    // The link that she was enrolled with opens nothing any more.
    let shown = hub.hubctl(&["login", "list"])?;
    ensure!(shown["links"][0]["name"] == "cara" && shown["links"][0]["subject"] == "1", "{shown}");
    Ok(cara)
}

/// Nobody becomes somebody else by being called so.
fn who_is_who(context: &Context, hub: &Hub) -> Result<()> {
    for (subject, told) in [
        ("2", "That name is already taken here"),
        ("3", "That name is already taken here"),
        ("4", "That name is already taken here"),
        ("5", "You are not enrolled here"),
        ("6", "You are not enrolled here"),
    ] {
        let mut somebody = Wanderer::new()?;
        let page = somebody.log_in(hub.url(), "school", subject)?;
        ensure!(page.status == 403 && page.text.contains(told), "{subject}: {} {}", page.status, page.text);
        ensure!(somebody.who(hub.url())?.is_none(), "{subject} is logged in");
    }
    let mut cara = Wanderer::new()?;
    cara.log_in(hub.url(), "school", "1")?;
    ensure!(cara.who(hub.url())?.as_deref() == Some("cara"), "who came before comes again: {:?}", cara.who(hub.url())?);
    context.step("another account of the same name, one with a password, the administrator's: nobody got in")
}

/// What comes back is good once, there where it began, and only whole.
fn cheats(context: &Context, hub: &Hub) -> Result<()> {
    let url = hub.url();
    let refused = |somebody: &mut Wanderer, back: &wanderer::Url, told: &str| -> Result<()> {
        let page = somebody.get(back)?;
        ensure!(page.status == 403 && page.text.contains(told), "expected {told:?}: {} {}", page.status, page.text);
        ensure!(somebody.who(url)?.is_none(), "{back} logged somebody in");
        Ok(())
    };
    let not_here = "This login did not begin here";
    let fresh = || -> Result<(Wanderer, wanderer::Url)> {
        let mut eve = Wanderer::new()?;
        let way = eve.begin(url, "school")?;
        Ok((eve, way))
    };
    // SECURITY 18, 27: a victim who follows the way back of the attacker's login.
    let (mut eve, way) = fresh()?;
    let back = eve.log_in_there(&way, "1", url)?;
    refused(&mut Wanderer::new()?, &back, not_here)?;
    let (mut victim, _) = fresh()?;
    refused(&mut victim, &back, not_here)?;
    // By another login's way back, with another state, with none.
    refused(&mut eve, &back.as_str().replace("/login/school/", "/login/physics/").parse()?, not_here)?;
    refused(&mut eve, &with(&back, "state", &"A".repeat(43)), not_here)?;
    refused(&mut eve, &with(&back, "state", ""), not_here)?;
    // It is still good for eve, once; then it is used.
    ensure!(eve.get(&back)?.status == 303 && eve.who(url)?.as_deref() == Some("cara"));
    let page = eve.get(&back)?;
    ensure!(page.status == 403 && page.text.contains(not_here), "twice: {} {}", page.status, page.text);
    context.step("state: missing, of another browser, of another login, used twice: refused")?;
    // SECURITY 19: the code of one login in another, which has another verifier.
    let mut mallory = Wanderer::new()?;
    let (one, two) = (mallory.begin(url, "school")?, mallory.begin(url, "school")?);
    let one = mallory.log_in_there(&one, "1", url)?;
    let two = mallory.log_in_there(&two, "1", url)?;
    refused(&mut mallory, &with(&one, "code", &part(&two, "code")?), not_here)?;
    refused(&mut mallory, &with(&two, "code", "x"), not_here)?;
    context.step("PKCE: a code of another login is refused")?;
    // SECURITY 20: what the provider signs is of another login, or the answer of another provider.
    let (mut eve, way) = fresh()?;
    let back = eve.log_in_there(&with(&way, "nonce", &"B".repeat(43)), "1", url)?;
    refused(&mut eve, &back, "You were not logged in")?;
    let (mut eve, way) = fresh()?;
    let back = eve.log_in_there(&way, "1", url)?;
    refused(&mut eve, &with(&back, "iss", "http://127.0.0.1:1"), not_here)?;
    context.step("nonce and issuer of another login: refused")?;
    // What the provider says in place of a code is told in the hub's own words.
    let (mut eve, way) = fresh()?;
    let address = format!(
        "{url}/hub/login/school/callback?state={}&error=access_denied&error_description=%3Cscript%3ECall+555",
        part(&way, "state")?
    );
    let page = eve.get(&address.parse()?)?;
    ensure!(page.text.contains("it was cancelled") && !page.text.contains("555"), "{}", page.text);
    // Somebody is logged in already.
    let mut ada = Wanderer::new()?;
    let way = ada.begin(url, "school")?;
    let other = ada.begin(url, "school")?;
    let back = ada.log_in_there(&way, "1", url)?;
    ada.get(&back)?;
    let back = ada.log_in_there(&other, "1", url)?;
    let page = ada.get(&back)?;
    ensure!(page.status == 409 && page.text.contains("You are logged in as cara"), "{} {}", page.status, page.text);
    context.step("somebody who is logged in already is asked to log out first")
}

/// Who gets in is a rule.
fn rules(context: &Context, hub: &Hub) -> Result<()> {
    let comes = |login: &str, subject: &str| -> Result<(u16, String, Option<String>)> {
        let mut somebody = Wanderer::new()?;
        let page = somebody.log_in(hub.url(), login, subject)?;
        Ok((page.status, page.text, somebody.who(hub.url())?))
    };
    let (status, text, who) = comes("physics", "6")?;
    ensure!(status == 403 && text.contains("This hub is not for your account") && who.is_none(), "{status} {text}");
    for (subject, name) in [("7", "zoe.mueller"), ("5", "root")] {
        let (status, text, who) = comes("physics", subject)?;
        ensure!(status == 303 && who.as_deref() == Some(name), "{subject}: {status} {who:?} {text}");
    }
    let people = hub.hubctl(&["user", "list"])?.to_string();
    ensure!(people.contains("Zoë Müller"), "{people}");
    let (status, text, who) = comes("mail", "8")?;
    ensure!(status == 403 && text.contains("not for your account") && who.is_none(), "an unverified address: {status} {text}");
    let (status, text, who) = comes("mail", "9")?;
    ensure!(status == 303 && who.as_deref() == Some("dora"), "{status} {who:?} {text}");
    hub.hubctl(&["user", "block", "zoe.mueller"])?;
    let (status, text, who) = comes("physics", "7")?;
    ensure!(status == 403 && text.contains("Your access is switched off") && who.is_none(), "{status} {text}");
    hub.hubctl(&["user", "remove", "zoe.mueller", "--yes"])?;
    let (status, text, who) = comes("physics", "7")?;
    ensure!(status == 403 && text.contains("not enrolled here any more") && who.is_none(), "{status} {text}");
    // What they are called has no meaning on the machine.
    ensure!(hub.sh("id -u jupyter-root 2>/dev/null || echo none")? != "0");
    context.step("groups and verified domains decide; newcomers have plain names; who was blocked or removed stays out")
}

/// Somebody with a password links their account, and needs the password for it.
fn linked(context: &Context, hub: &Hub) -> Result<()> {
    let bob = context.browser("bob")?;
    hub.log_in(&bob, "bob")?;
    hub.wait_for_lab(&bob)?;
    bob.goto(&format!("{}/hub/password", hub.url()))?;
    bob.screenshot("password")?;
    bob.fill("#current-school", "wrong password")?;
    bob.click_text("Link Login of school")?;
    bob.wait_for_text("main", "The current password is not right", DEADLINE)?;
    bob.fill("#current-school", PASSWORD)?;
    bob.click_text("Link Login of school")?;
    bob.wait_for("#go", DEADLINE)?;
    bob.screenshot("link")?;
    bob.click("#go")?;
    bob.wait_for("input[name=login]", DEADLINE)?;
    bob.fill("input[name=login]", "3")?;
    bob.fill("input[name=password]", "any")?;
    bob.click("button[type=submit]")?;
    bob.wait_for_text("main", "Your account is linked", DEADLINE)?;
    let mut again = Wanderer::new()?;
    again.log_in(hub.url(), "school", "3")?;
    ensure!(again.who(hub.url())?.as_deref() == Some("bob"));
    hub.hubctl(&["login", "unlink", "bob"])?;
    ensure!(again.who(hub.url())?.is_none(), "the session of an account that was unlinked goes on");
    let page = Wanderer::new()?.log_in(hub.url(), "school", "3")?;
    ensure!(page.status == 403, "{}", page.text);
    context.step("bob linked his account, logged in by it, and was unlinked")
}

/// The front sees no secret, and what speaks to the provider sees nothing else.
fn apart(context: &Context, hub: &Hub) -> Result<()> {
    let pid = hub.sh("systemctl show --value -p MainPID hubd-outside.service")?;
    ensure!(pid != "0", "hubd-outside does not run");
    let account = hub.sh(&format!("stat -c %U /proc/{pid}"))?;
    ensure!(account == "hubd-outside", "it runs as {account}");
    for account in ["hubd", "hubd-outside", "nobody"] {
        let output = hub.command(["/usr/sbin/runuser", "-u", account, "--", "cat", SECRET_FILE]).output()?;
        ensure!(!output.success(), "{account} reads the secret");
    }
    for place in ["/var/lib/hubd/hubd.db", "/home/hubd", "/run/hubd-launcher/launcher.sock", "/run/dbus/system_bus_socket"] {
        let seen = hub.sh(&format!("nsenter -t {pid} -m ls {place} >/dev/null 2>&1 && echo seen || echo not"))?;
        ensure!(seen == "not", "hubd-outside sees {place}");
    }
    let serve = hub.sh("systemctl show --value -p MainPID hubd.service")?;
    let seen = hub.sh(&format!("nsenter -t {serve} -m ls /run/credentials 2>/dev/null | wc -l"))?;
    ensure!(seen == "0", "the web front sees credentials");
    wait::for_journal(hub)?;
    let journal = hub.sh("journalctl -o cat")?;
    for secret in [SECRET, "code=", "code_verifier"] {
        ensure!(!journal.contains(secret), "the journal has {secret:?}");
    }
    context.step("no secret is to be had but by hubd-outside, which sees nothing else")
}

/// Without the provider everybody goes on, and passwords work.
fn gone(context: &Context, hub: &Hub, provider: Provider, cara: &Browser) -> Result<()> {
    provider.stop()?;
    let mut eve = Wanderer::new()?;
    // What was said by the provider is forgotten with the process.
    hub.sh("systemctl stop hubd-outside.service")?;
    let page = eve.get(&format!("{}/hub/login/school", hub.url()).parse()?)?;
    ensure!(page.status == 503 && page.text.contains("The login does not answer"), "{} {}", page.status, page.text);
    cara.goto(&format!("{}/user/cara/lab", hub.url()))?;
    hub.wait_for_lab(cara)?;
    let bob = context.browser("bob-again")?;
    hub.log_in(&bob, "bob")?;
    hub.wait_for_lab(&bob)?;
    context.step("provider gone: the page says so, who is in works on, passwords work")?;
    never_starts(context, hub, &mut eve)
}

/// A program that can't start is tried when somebody asks, twice for each question, and not without end.
fn never_starts(context: &Context, hub: &Hub, eve: &mut Wanderer) -> Result<()> {
    hub.sh("mkdir -p /run/systemd/system/hubd-outside.service.d
         printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' >/run/systemd/system/hubd-outside.service.d/test.conf
         systemctl daemon-reload; systemctl stop hubd-outside.service")?;
    let starts = || {
        hub.sh("journalctl --sync; journalctl -u hubd-outside.service -o cat | grep -c 'Main process exited.*status=1' || true")
    };
    let page = eve.get(&format!("{}/hub/login/school", hub.url()).parse()?)?;
    ensure!(page.status == 503 && page.text.contains("The login does not answer"), "{} {}", page.status, page.text);
    hub.sh("for i in $(seq 600); do systemctl is-active -q hubd-outside.service || break; sleep 0.1; done; sleep 2")?;
    let first = starts()?;
    ensure!(first == "2", "one question started it {first} times");
    ensure!(hub.sh("systemctl is-active hubd-outside.socket")? == "active", "the socket is gone");
    hub.sh(
        "rm -r /run/systemd/system/hubd-outside.service.d; systemctl daemon-reload; systemctl reset-failed hubd-outside.service",
    )?;
    context.step("a program that can't start is tried for each question, and not without end")
}
