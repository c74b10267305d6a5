//! Logins by the machine's PAM: local accounts in every state, whom it is not asked about, modules that hang, crash, print and lie,
//! a throttle that whoever has taken over the web front can't get around, and a real directory.

mod form;
mod ldap;

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::{Hub, PASSWORD};
use crate::wait;
use form::{Tried, try_in};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "pam",
    about: "logging in by PAM: accounts of the machine and of a directory, rules, whom PAM is not asked about, modules that hang, crash \
            and lie, the throttle below the web front",
    group: Group::Default,
    needs_programs: true,
    run,
};

const DEADLINE: Duration = Duration::from_secs(90);
/// Of all accounts of the machine here.
const UNIX_PASSWORD: &str = "unix password 4410";
const LOGIN: &str = "uni";
const SERVICE: &str = "/etc/pam.d/hubd";

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    set_up(context, &hub)?;
    checked(context, &hub)?;
    by_browser(context, &hub)?;
    states(context, &hub)?;
    rules(context, &hub)?;
    not_asked(context, &hub)?;
    modules(context, &hub)?;
    oracle(context, &hub)?;
    ldap::directory(context, &hub, LOGIN)?;
    said(context, &hub)
}

fn set_up(context: &Context, hub: &Hub) -> Result<()> {
    hub.sh(&format!(
        "groupadd physics
         for name in cara dora emil fay oda zoe max opal; do useradd --no-create-home --shell /bin/bash $name; done
         useradd --system --shell /bin/bash clockd
         for name in cara dora emil fay oda zoe max opal clockd root; do echo \"$name:{UNIX_PASSWORD}\"; done | chpasswd
         chage --lastday 0 dora; chage --expiredate 1 emil; usermod --lock fay
         usermod --append --groups sudo max; usermod --append --groups physics zoe; usermod --comment 'Zoë Müller,,,' zoe"
    ))?;
    hub.hubctl(&["user", "add", "cara", "dora", "emil", "fay", "max", "opal", "clockd", "root"])?;
    hub.add_students(&["bob".to_owned()])?;
    hub.hubctl(&["config", "add", "roles.host_operators", "opal"])?;
    hub.write("/root/pam.toml", format!("\n[login.{LOGIN}]\ntype = \"pam\"\ntitle = \"University\"\n"), 0o600)?;
    hub.sh("cat /etc/hubd/config.toml /root/pam.toml >/root/new.toml && hubctl config apply /root/new.toml --yes")?;
    context.step("three lines in the configuration")
}

/// What is wrong is told before anybody tries.
fn checked(context: &Context, hub: &Hub) -> Result<()> {
    let check = |expected: &str, is_good: bool| -> Result<()> {
        let output = hub.command(["/usr/local/bin/hubctl", "login", "check", LOGIN]).timeout(DEADLINE).output()?;
        let said = format!("{}{}", output.text(), output.complaint());
        ensure!(output.success() == is_good && said.contains(expected), "expected {expected:?}: {said}");
        context.step(&format!("login check: {expected}"))
    };
    check("a name that nobody has is refused, after", true)?;
    check("No problems found", true)?;
    let own = hub.sh(&format!("cat {SERVICE}"))?;
    hub.write(SERVICE, format!("auth required pam_nothing.so\n{own}\n"), 0o644)?;
    check("these modules are not on this machine: pam_nothing.so", false)?;
    hub.write(SERVICE, format!("auth include nothing\n{own}\n"), 0o644)?;
    check("`/etc/pam.d/nothing` is included and not there", false)?;
    hub.write(SERVICE, format!("auth required pam_exec.so quiet /bin/sleep 7530\n{own}\n"), 0o644)?;
    check("PAM took more than 15 s", false)?;
    hub.write(SERVICE, format!("{own}\n"), 0o666)?;
    check("only root can change (mode 666)", false)?;
    hub.sh(&format!("rm {SERVICE}"))?;
    check("there is no `/etc/pam.d/hubd`", false)?;
    hub.write(SERVICE, format!("{own}\n"), 0o644)?;
    hub.sh(&format!("hubctl config set login.{LOGIN}.allow_groups nothing"))?;
    check("the machine has no group `nothing`", false)?;
    hub.sh(&format!("hubctl config unset login.{LOGIN}.allow_groups")).and_then(|_| check("No problems found", true))
}

/// With the button that says so, up to a notebook.
fn by_browser(context: &Context, hub: &Hub) -> Result<()> {
    let cara = context.browser("cara")?;
    cara.goto(&format!("{}/hub/login", hub.url()))?;
    cara.screenshot("login")?;
    cara.fill("#username", "cara")?;
    cara.fill("#password", "another password")?;
    cara.click_text("Log in with University")?;
    cara.wait_for_text("#problem", "University: wrong name or password", DEADLINE)?;
    cara.screenshot("wrong")?;
    cara.fill("#password", UNIX_PASSWORD)?;
    cara.click_text("Log in with University")?;
    hub.wait_for_lab(&cara)?;
    let listed = hub.hubctl(&["login", "list"])?.to_string();
    ensure!(listed.contains("\"issuer\":\"pam\"") && listed.contains("\"subject\":\"cara\""), "{listed}");
    context.step("cara is in JupyterLab with her password of the machine")
}

/// Tries, and holds the answer against what it should be; `who`: is logged in then.
fn expect(hub: &Hub, (login, name, password): (&str, &str, &str), status: u16, told: &str, who: Option<&str>) -> Result<Tried> {
    let tried = try_in(hub.url(), login, name, password)?;
    ensure!(
        tried.status == status && tried.text.contains(told) && tried.who.as_deref() == who,
        "{name}: expected {status} {told:?} {who:?}, got {} {:?}: {}",
        tried.status,
        tried.who,
        tried.text
    );
    Ok(tried)
}

/// Right, wrong, of another kind, and right with something against it.
fn states(context: &Context, hub: &Hub) -> Result<()> {
    let wrong = "University: wrong name or password";
    expect(hub, (LOGIN, "cara", UNIX_PASSWORD), 303, "", Some("cara"))?;
    expect(hub, (LOGIN, " Cara ", UNIX_PASSWORD), 303, "", Some("cara"))?;
    for (name, password) in
        [("cara", "wrong password"), ("cara", ""), ("", "x"), ("bob", PASSWORD), ("no-such-account", "x"), ("../x", "x")]
    {
        expect(hub, (LOGIN, name, password), 401, wrong, None)?;
    }
    expect(hub, ("", "cara", UNIX_PASSWORD), 401, "Wrong name or password", None)?;
    expect(hub, ("", "bob", PASSWORD), 303, "", Some("bob"))?;
    expect(hub, ("other", "cara", UNIX_PASSWORD), 404, "", None)?;
    expect(hub, (LOGIN, "dora", UNIX_PASSWORD), 403, "your password has expired", None)?;
    expect(hub, (LOGIN, "dora", "wrong password"), 401, wrong, None)?;
    expect(hub, (LOGIN, "emil", UNIX_PASSWORD), 403, "is locked or has expired", None)?;
    expect(hub, (LOGIN, "fay", UNIX_PASSWORD), 401, wrong, None)?;
    hub.sh("echo 'Back at noon' >/etc/nologin")?;
    expect(hub, (LOGIN, "cara", UNIX_PASSWORD), 403, "Back at noon", None)?;
    hub.sh("rm /etc/nologin")?;
    context.step("wrong, expired, locked, nologin: each in words; the hub's own passwords are apart")
}

/// Who gets in is a rule.
fn rules(context: &Context, hub: &Hub) -> Result<()> {
    expect(hub, (LOGIN, "oda", UNIX_PASSWORD), 403, "You are not enrolled here", None)?;
    hub.hubctl(&["user", "block", "cara"])?;
    expect(hub, (LOGIN, "cara", UNIX_PASSWORD), 403, "Your access is switched off", None)?;
    hub.hubctl(&["user", "unblock", "cara"])?;
    // The administrator's name, with a password of the machine.
    hub.sh(&format!("id ada >/dev/null 2>&1 || useradd --no-create-home ada; echo 'ada:{UNIX_PASSWORD}' | chpasswd"))?;
    let tried = try_in(hub.url(), LOGIN, "ada", UNIX_PASSWORD)?;
    ensure!(tried.who.is_none(), "an account of the machine is the administrator: {}", tried.text);
    hub.sh(&format!("hubctl config set login.{LOGIN}.allow_groups physics && hubctl config set login.{LOGIN}.enrol true"))?;
    expect(hub, (LOGIN, "cara", UNIX_PASSWORD), 403, "This hub is not for your account", None)?;
    expect(hub, (LOGIN, "zoe", UNIX_PASSWORD), 303, "", Some("zoe"))?;
    let people = hub.hubctl(&["user", "list"])?.to_string();
    ensure!(people.contains("Zoë Müller"), "{people}");
    hub.sh(&format!("hubctl config unset login.{LOGIN}.enrol && hubctl config unset login.{LOGIN}.allow_groups"))?;
    expect(hub, (LOGIN, "cara", UNIX_PASSWORD), 303, "", Some("cara"))?;
    context.step("enrolled people, or a unix group; nobody is an administrator by being called so")
}

/// Accounts with rights on the machine: their right password gets the answer of a wrong one, and PAM does not hear of it.
fn not_asked(context: &Context, hub: &Hub) -> Result<()> {
    let wrong = expect(hub, (LOGIN, "cara", "wrong password"), 401, "University: wrong name or password", None)?;
    let body = |tried: &Tried| {
        let text = tried.text.split("id=\"problem\">").nth(1).and_then(|rest| rest.split("</p>").next());
        text.map(str::to_owned).with_context(|| tried.text.clone())
    };
    for name in ["root", "clockd", "max", "opal"] {
        let tried = expect(hub, (LOGIN, name, UNIX_PASSWORD), 401, "University: wrong name or password", None)?;
        ensure!(body(&tried)? == body(&wrong)?, "{name}: {}", tried.text);
    }
    wait::for_journal(hub)?;
    let journal = hub.sh("journalctl -o cat -t hubd-pam")?;
    for name in ["root", "clockd", "max", "opal"] {
        ensure!(!journal.contains(&format!("user={name}")), "PAM was asked about {name}: {journal}");
    }
    ensure!(journal.contains("user=cara") && journal.contains("max is in the group `sudo`"), "{journal}");
    hub.hubctl(&["config", "add", &format!("login.{LOGIN}.allow_privileged"), "max"])?;
    expect(hub, (LOGIN, "max", UNIX_PASSWORD), 303, "", Some("max"))?;
    context.step("root, services, members of sudo, operators: not asked about, and not to be told from others; one is named")
}

/// Modules that do what modules should not.
fn modules(context: &Context, hub: &Hub) -> Result<()> {
    let module = context.artefacts().join("pam_test.so");
    let source = context.repository().join("tests/src/scenario/pam/module.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&module).arg(&source).output()?;
    ensure!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    hub.copy_in(&module, "/usr/local/lib/pam_test.so", 0o644)?;
    let own = hub.sh(&format!("cat {SERVICE}"))?;
    let stack = |first: &str| hub.write(SERVICE, format!("{first}\n{own}\n"), 0o644);
    let cant = "can&#39;t be asked at the moment";

    stack("auth required /usr/local/lib/pam_test.so print")?;
    expect(hub, (LOGIN, "cara", UNIX_PASSWORD), 303, "", Some("cara"))?;
    context.step("a module that prints: nothing of it gets to the hub")?;

    stack("auth required /usr/local/lib/pam_test.so ada")?;
    hub.sh(&format!("echo 'ada:{UNIX_PASSWORD}' | chpasswd"))?;
    expect(hub, (LOGIN, "cara", UNIX_PASSWORD), 401, "wrong name or password", None)?;
    context.step("a module that answers for somebody else: nobody is logged in")?;

    stack("auth required /usr/local/lib/pam_test.so crash")?;
    expect(hub, (LOGIN, "cara", UNIX_PASSWORD), 503, cant, None)?;
    expect(hub, ("", "bob", PASSWORD), 303, "", Some("bob"))?;
    context.step("a module that crashes: told in words, and other logins work")?;

    stack("auth required pam_exec.so quiet /bin/sleep 7531")?;
    std::thread::scope(|scope| -> Result<()> {
        let hanging: Vec<_> =
            (0..4).map(|_| scope.spawn(|| expect(hub, (LOGIN, "cara", UNIX_PASSWORD), 503, cant, None))).collect();
        wait::for_shell(hub, "a module that hangs", "pgrep -f '[s]leep 7531' >/dev/null")?;
        expect(hub, ("", "bob", PASSWORD), 303, "", Some("bob"))?;
        ensure!(hanging.iter().all(|one| !one.is_finished()), "the hanging module was not waited for");
        for one in hanging {
            one.join().map_err(|_| anyhow::anyhow!("a try panicked"))??;
        }
        Ok(())
    })?;
    wait::for_shell(hub, "the end of what hung", "! pgrep -f '[s]leep 7531' >/dev/null")?;
    context.step("a module that hangs: told in words, others get in meanwhile, and nothing of it is left")?;

    hub.sh(&format!("mv {SERVICE} /root/pam-service"))?;
    expect(hub, (LOGIN, "cara", UNIX_PASSWORD), 503, cant, None)?;
    hub.write(SERVICE, format!("{own}\n"), 0o644)?;
    expect(hub, (LOGIN, "cara", UNIX_PASSWORD), 303, "", Some("cara"))?;
    context.step("no service file: nobody gets in by another one")
}

/// What somebody does who has taken over the web front: asks without its throttle. Prints what came, and how often.
const GUESS: &str = r#"
import collections, json, socket, struct, sys, threading, time
def ask(name, password):
    with socket.socket(socket.AF_UNIX) as pam:
        pam.connect("/run/hubd-pam/pam.sock")
        body = json.dumps({"name": name, "password": password, "source": None}).encode()
        try:
            pam.sendall(struct.pack(">I", len(body)) + body)
            said = pam.makefile("rb").read()[4:]
        except OSError:
            said = b""
        verdict = json.loads(said)["verdict"] if said else "hung up"
        return verdict if isinstance(verdict, str) else list(verdict)[0]
def many(count):
    for _ in range(count):
        came[ask("cara", "guess")] += 1
came, begun = collections.Counter(), time.monotonic()
if sys.argv[1] == "guess":
    threads = [threading.Thread(target=many, args=(5,)) for _ in range(30)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    print(json.dumps(dict(came, seconds=int(time.monotonic() - begun))))
else:
    print(json.dumps({name: ask(name, sys.argv[1]) for name in ("cara", "oda", "root")}))
"#;

fn oracle(context: &Context, hub: &Hub) -> Result<()> {
    hub.write("/tmp/guess.py", GUESS, 0o644)?;
    let run = |account: &str, what: &str| {
        let asked = ["/usr/sbin/runuser", "-u", account, "--", "python3", "/tmp/guess.py", what];
        hub.command(asked).timeout(Duration::from_secs(300)).output()
    };
    for account in ["nobody", "hubd-outside"] {
        let output = run(account, UNIX_PASSWORD)?;
        ensure!(!output.success() && output.complaint().contains("PermissionError"), "{account}: {}", output.text());
    }
    let said: serde_json::Value = serde_json::from_str(&run("hubd", "guess")?.checked()?.text())?;
    let count = |key: &str| said[key].as_u64().unwrap_or_default();
    let (wrong, late) = (count("wrong"), count("too_many"));
    // One is free again after each ten seconds.
    ensure!(wrong <= 101 + count("seconds") / 10 && wrong + late == 150 && late > 0, "{said}");
    // As when all are used up, and no time passes.
    hub.sh(r#"echo '{"cara":{"free":-1e12,"at":0.0}}' >/run/hubd-pam-attempts/attempts"#)?;
    let said: serde_json::Value = serde_json::from_str(&run("hubd", UNIX_PASSWORD)?.checked()?.text())?;
    ensure!(said == serde_json::json!({"cara": "too_many", "oda": "allowed", "root": "wrong"}), "{said}");
    expect(hub, (LOGIN, "cara", UNIX_PASSWORD), 429, "Too many wrong passwords", None)?;
    hub.sh("rm /run/hubd-pam-attempts/attempts")?;
    expect(hub, (LOGIN, "cara", UNIX_PASSWORD), 303, "", Some("cara"))?;
    context.step(&format!("without the front's throttle: {wrong} guesses, then none, for one account alone"))
}

/// What was typed is nowhere.
fn said(context: &Context, hub: &Hub) -> Result<()> {
    wait::for_journal(hub)?;
    let journal = hub.sh("journalctl -o cat")?;
    ensure!(!journal.contains(UNIX_PASSWORD), "the journal has a password");
    let failed = hub.sh("systemctl list-units --failed --no-legend 'hubd*'")?;
    ensure!(failed.is_empty(), "{failed}");
    context.step("no password is in the journal, and no failed unit is left")
}
