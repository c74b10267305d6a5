//! What people bring as files: class lists of learning platforms, requirements as Windows writes them, projects that do not say
//! what they need, certificates in every shape; and settings that the machine or the people do not bear out. Each is understood,
//! or refused in words before anything is changed.

mod certificates;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::{Hub, record};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "files",
    about: "class lists, requirements, projects, certificates and settings as people have them: understood, or refused before anything changes",
    group: Group::Default,
    needs_programs: true,
    run,
};

const DEADLINE: Duration = Duration::from_secs(60);
/// The same password as two keyboards send it.
const DECOMPOSED: &str = "gru\u{308}\u{df}e an alle";
const COMPOSED: &str = "gr\u{fc}\u{df}e an alle";

fn run(context: &Context) -> Result<()> {
    let hub = Hub::install(context)?;
    class_lists(context, &hub)?;
    passwords(context, &hub)?;
    packages(context, &hub)?;
    settings(context, &hub)?;
    certificates::judged(context, &hub)
}

/// Runs `hubctl`, which must end with `code` and say all of `told`.
fn says(hub: &Hub, arguments: &str, code: i32, told: &[&str]) -> Result<String> {
    let output = hub.command(["/bin/sh", "-c", &format!("hubctl {arguments} </dev/null")]).timeout(DEADLINE).output()?;
    let said = format!("{}\n{}", output.text(), output.complaint());
    ensure!(output.code == code, "hubctl {arguments}: code {}, expected {code}\n{said}", output.code);
    for text in told {
        ensure!(said.contains(text), "hubctl {arguments}: {text:?} is not in\n{said}");
    }
    Ok(said)
}

fn utf16(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn class_lists(context: &Context, hub: &Hub) -> Result<()> {
    hub.write("/root/mails.csv", "anna,anna.alexandra@school.example\nben,ben@school.example\n", 0o600)?;
    let said = says(hub, "user add --from /root/mails.csv", 1, &["more than one column", "only what is called `password`"])?;
    ensure!(!said.contains("anna.alexandra"), "what may be a password is shown: {said}");
    let class: String = (0..31).map(|number| format!("M\u{fc}ller{number};Anna;a{number}@school.example\r\n")).collect();
    hub.write("/root/excel.csv", format!("sep=;\r\nNachname;Vorname;E-Mail\r\n{class}"), 0o600)?;
    let said = says(hub, "user add --from /root/excel.csv", 1, &["no column `username`; it has Nachname, Vorname, E-Mail"])?;
    ensure!(said.matches("hint:").count() == 1, "one cause, told once: {said}");
    hub.write("/root/names.csv", utf16("Benutzername\tVorname\r\nM\u{fc}ller\tJo\r\nmueller\tJo\r\n"), 0o600)?;
    says(hub, "user add --from /root/names.csv", 1, &["`mueller2` would do"])?;
    let before = hub.hubctl(&["user", "list"])?;
    ensure!(before["users"].as_array().is_some_and(|users| users.len() == 1), "somebody was enrolled: {before}");
    let canvas = "Student,ID,SIS User ID,SIS Login ID,Section\n    Points Possible,,,,\n\"Schmidt, Anna\",7,s7,anna,Math\n\
                  \"Student, Test\",9,,0f1e,Math\n";
    hub.write("/root/canvas.csv", canvas, 0o600)?;
    says(hub, "user add --from /root/canvas.csv", 0, &["/hub/link/", "1 person added", "the test student"])?;
    context.step("lists of Canvas, Excel and mail addresses: understood, or one sentence, and nobody got a password by mistake")
}

/// Enrolled as macOS writes it, typed as Windows does.
fn passwords(context: &Context, hub: &Hub) -> Result<()> {
    hub.write("/root/list.csv", format!("username,password\nzoe,{DECOMPOSED}\n"), 0o600)?;
    says(hub, "user add --from /root/list.csv", 0, &["with the password given"])?;
    let zoe = context.browser("zoe")?;
    zoe.goto(&format!("{}/hub/login", hub.url()))?;
    zoe.fill("#username", "zoe")?;
    zoe.fill("#password", COMPOSED)?;
    zoe.click_text("Log in")?;
    hub.wait_for_lab(&zoe)?;
    context.step("a password that was enrolled in NFD is the one typed in NFC")
}

fn packages(context: &Context, hub: &Hub) -> Result<()> {
    let requirements = [utf16("cowsay\t# f\u{fc}r alle\r\n"), b"# caf\xe9 C:\\course\\\r\ncowsay\t# f\xfcr alle\r\n".to_vec()];
    for (text, state) in requirements.iter().zip(["done", "unchanged"]) {
        hub.write("/root/requirements.txt", text.clone(), 0o644)?;
        let applied = record(hub, &["env", "apply", "/root/requirements.txt"])?;
        ensure!(
            applied["state"] == state && applied["asked"] == serde_json::json!(["cowsay"]),
            "as Windows writes it: {applied}"
        );
    }
    for (name, text, told) in [
        ("pyproject.toml", "[project]\nname = \"x\"\ndynamic = [\"dependencies\"]\n", "`dynamic` under [project]"),
        ("pyproject.toml", "[tool.poetry.dependencies]\npandas = \"^2\"\n", "[tool.poetry.dependencies]"),
        ("pyproject.toml", "[project]\nname = \"x\"\n", "[project] has no `dependencies`"),
        ("requirements.txt", "# later\n", "lists no package"),
        ("environment.yml", "name: x\ndependencies:\n  - python=3.11\n", "lists no package but Python itself"),
        ("poetry.lock", "[[package]]\nname = \"x\"\n", "is a file of Poetry"),
    ] {
        hub.write(&format!("/root/{name}"), text, 0o644)?;
        says(hub, &format!("env apply /root/{name}"), 1, &[told])?;
    }
    hub.write("/root/pyproject.toml", "[project]\nname = \"x\"\ndependencies = []\n", 0o644)?;
    says(hub, "env apply /root/pyproject.toml", 7, &["takes 1 package out of everybody's environment: cowsay", "no terminal"])?;
    ensure!(hub.hubctl(&["env", "status"])?["asked"] == serde_json::json!(["cowsay"]), "something was taken away");
    context.step("a file that says nothing takes nothing away")
}

fn settings(context: &Context, hub: &Hub) -> Result<()> {
    says(hub, "config set roles.teachers zoe", 0, &["in force"])?;
    says(hub, "user list", 0, &["teacher"])?;
    says(hub, "config set users.anan.limits.memory 2G --dry-run", 0, &["anan is not enrolled; did you mean anna?"])?;
    says(hub, "config set limits.memory 4000G --dry-run", 0, &["warning: `limits.memory`", "all students together have"])?;
    says(hub, "config set machine.reserve 4000G", 7, &["so no server could start", "--allow-lockout"])?;
    says(hub, "config set hub.name 'Class\u{202e}A'", 1, &["the invisible character U+202E"])?;
    says(hub, "config set hub.announcement 'one\u{2028}two'", 1, &["the invisible character U+2028"])?;
    says(hub, "limits explain nobody", 1, &["nobody is not enrolled"])?;
    says(hub, "config set hub.announcement 'Exam at \u{1f551}'", 0, &["in force"])?;
    says(hub, "config set users.later.limits.memory 2G", 0, &["later is not enrolled"])?;
    says(hub, "config check", 0, &["warning: `users`: later is not enrolled", "is valid"])?;
    says(hub, "status", 0, &["warning: `users`: later is not enrolled"])?;
    let told = hub.hubctl(&["config", "check"])?;
    let key = told["findings"][0]["key"].as_str().with_context(|| format!("no finding: {told}"))?;
    ensure!(key == "users", "{told}");
    context.step("what the machine and the people do not bear out is said")
}
