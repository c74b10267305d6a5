//! The doctor says nothing of a healthy hub, and finds each of many faults with its remedy; what it mends is mended.

mod faults;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::{ADMIN, Hub, PASSWORD};
use crate::{login, wait};
use faults::{Fault, Mend, PORT, TOGETHER};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "doctor",
    about: "hubctl doctor: nothing on a healthy hub; each planted fault found with its remedy, mended, and gone",
    group: Group::Default,
    needs_programs: true,
    run,
};

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    healthy(&hub).context("a hub as it was installed")?;
    context.step("nothing is found on a healthy hub")?;
    hub.add_students(&["bob".to_owned()])?;
    hub.hubctl(&["server", "start", "bob"])?;
    hub.hubctl(&["server", "stop", "bob"])?;
    by_itself(context, &hub)?;
    report(context, &hub)?;
    let mut count = 0;
    for faults in TOGETHER {
        for fault in *faults {
            hub.sh(fault.plant).with_context(|| format!("planting: {}", fault.name))?;
        }
        found(&hub, faults)?;
        mend(&hub, faults)?;
        let names: Vec<&str> = faults.iter().map(|fault| fault.name).collect();
        healthy(&hub).with_context(|| format!("after mending: {}", names.join(", ")))?;
        context.step(&format!("found, mended, gone: {}", names.join(", ")))?;
        count += faults.len();
    }
    context.step(&format!("{count} faults"))
}

/// The timer's service says in the journal what begins and what ends, once each, and administrators see it on their page meanwhile.
fn by_itself(context: &Context, hub: &Hub) -> Result<()> {
    let look = || hub.sh("systemctl start hubd-doctor.service");
    let log = "--unit=hubd-doctor.service";
    hub.sh("systemctl is-enabled hubd-doctor.timer; systemctl is-active hubd-doctor.timer")?;
    hub.sh(&format!("echo '{PASSWORD}' | hubctl user password {ADMIN} --password-stdin"))?;
    let jar = "/root/ada.jar";
    ensure!(login::with_curl(&***hub, hub.url(), ADMIN, jar)? == "303", "{ADMIN} can't log in");
    let page = || hub.sh(&format!("curl --silent --fail -b {jar} {}/hub/home", hub.url()));
    look()?;
    ensure!(!page()?.contains("The hub needs attention"), "a healthy hub: {}", page()?);

    hub.sh("systemctl stop hubd-backup.timer")?;
    look()?;
    look()?;
    let begins = "unit-down: hubd-backup.timer does not run";
    let journal = wait::for_log(hub, log, begins)?;
    ensure!(page()?.contains("hubd-backup.timer does not run"), "the page of an administrator: {}", page()?);
    // Whoever mends it with hubctl has the service look at once.
    doctor(hub, &["--fix"])?;
    wait::until("the page to say nothing of it", || Ok(!page()?.contains("The hub needs attention")))?;
    let ended = wait::for_log(hub, log, "unit-down: this is over: hubd-backup.timer")?;
    ensure!(ended.matches(begins).count() == 1, "what begins is said more than once: {journal}{ended}");
    context.step("the service says what begins and what ends, and the page of an administrator shows it meanwhile")
}

/// The report has what helps, and nothing of who is here.
fn report(context: &Context, hub: &Hub) -> Result<()> {
    let token = hub.hubctl(&["token", "create", "read:metrics", "--note", "for bob"])?;
    let token = token["token"].as_str().with_context(|| format!("no token: {token}"))?;
    let link = hub.hubctl(&["user", "link", "bob"])?.to_string();
    hub.sh("hubctl config set hub.announcement 'Ask bob at 192.0.2.77 or bob@school.example'")?;
    // In the hub's log: somebody who is refused, with all of it.
    hub.sh(&format!(
        "curl --silent -o /dev/null -H 'Authorization: token {token}' {}/hub/api/users; hubctl user block bob",
        hub.url()
    ))?;
    let text = hub.sh("hubctl report")?;
    for (what, secret) in [
        ("a name", "bob"),
        ("the name of an administrator", ADMIN),
        ("a token", token),
        ("an address", "192.0.2.77"),
        ("a password", PASSWORD),
    ] {
        let line = text.lines().find(|line| {
            line.split(|c: char| !c.is_alphanumeric() && c != '.').any(|word| word == secret)
                || (secret.len() > 15 && line.contains(secret))
        });
        ensure!(line.is_none(), "{what} is in the report: {line:?}");
    }
    for link in link.split('/').filter(|part| part.len() > 20) {
        ensure!(!text.contains(link.trim_end_matches(['"', '}', ']'])), "a link is in the report");
    }
    for part in [
        "## What was found",
        "Debian GNU/Linux 12",
        "hubd-launcher.service: active",
        "announcement = \"Ask person-",
        "--- hubd.service",
    ] {
        ensure!(text.contains(part), "`{part}` is not in the report:\n{text}");
    }
    fs_err::write(context.artefacts().join("report.txt"), &text)?;
    context.step(&format!("a report of {} lines, without names, addresses and secrets", text.lines().count()))
}

/// Exactly what was planted is found, each with its remedy.
fn found(hub: &Hub, faults: &[Fault]) -> Result<()> {
    let (code, told) = doctor(hub, &[])?;
    ensure!(code == 1, "exit code {code}: {told:#}");
    let address = hub.url().trim_start_matches("http://");
    let place = |about| if about == PORT { address } else { about };
    let planted = faults.iter().flat_map(|fault| fault.finds);
    let mut expected: Vec<(&str, &str)> = planted.map(|(id, about)| (*id, place(*about))).collect();
    let findings = told["findings"].as_array().context("no findings")?;
    let text = |finding: &'_ Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let mut seen: Vec<(String, String)> = findings.iter().map(|finding| (text(finding, "id"), text(finding, "about"))).collect();
    expected.sort_unstable();
    seen.sort_unstable();
    let is_same = seen.iter().map(|(id, about)| (id.as_str(), about.as_str())).eq(expected.iter().copied());
    ensure!(is_same, "expected {expected:#?}, found {told:#}");
    for fault in faults {
        let (id, about) = (fault.finds[0].0, place(fault.finds[0].1));
        let finding = findings.iter().find(|finding| finding["id"] == id && text(finding, "about") == about);
        let finding = finding.with_context(|| format!("{} is not found", fault.name))?;
        let help = format!("{}; {}", text(finding, "remedy"), text(finding, "command"));
        ensure!(help.contains(fault.remedy), "{}: `{}` is not in `{help}`", fault.name, fault.remedy);
    }
    let problems = findings.iter().any(|finding| finding["severity"] == "problem");
    let words = hub.sh("hubctl doctor || test $? = 1")?;
    ensure!(words.contains("problem: ") == problems && words.contains("  command "), "in words: {words}");
    Ok(())
}

fn mend(hub: &Hub, faults: &[Fault]) -> Result<()> {
    let by_itself: Vec<&Fault> = faults.iter().filter(|fault| matches!(fault.mend, Mend::Fix)).collect();
    if !by_itself.is_empty() {
        let (_, told) = doctor(hub, &["--fix"])?;
        for fault in by_itself {
            let (id, about) = fault.finds[0];
            let mended = told["mended"].as_array().into_iter().flatten();
            let is = |one: &Value| one["id"] == id && one["about"].as_str().unwrap_or_default() == about;
            ensure!(mended.filter(|one| is(one)).any(|one| one["done"].is_string()), "{} was not mended: {told:#}", fault.name);
        }
    }
    for fault in faults {
        if let Mend::By(script) = fault.mend {
            hub.sh(script).with_context(|| format!("mending: {}", fault.name))?;
        }
    }
    Ok(())
}

fn healthy(hub: &Hub) -> Result<()> {
    let (code, told) = doctor(hub, &[])?;
    ensure!(code == 0 && told["findings"] == Value::Array(Vec::new()), "exit code {code}: {told:#}");
    Ok(())
}

fn doctor(hub: &Hub, arguments: &[&str]) -> Result<(i32, Value)> {
    let output = hub.hubctl_output(&[&["doctor"], arguments].concat())?;
    // It looks by itself, too, when it finds something else than before.
    wait::for_end(hub, "hubd-doctor.service")?;
    let told = serde_json::from_str(&output.text()).with_context(|| format!("{}{}", output.text(), output.complaint()))?;
    Ok((output.code, told))
}
