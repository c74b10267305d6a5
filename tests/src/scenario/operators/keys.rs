//! The configuration, as far as it is an operator's: read and changed as an administrator inside the hub does it, and no further.

use anyhow::{Result, ensure};
use hub_core::config::keys::{TABLES, inside};

use super::{OPERATOR, as_user, said};
use crate::context::Context;
use crate::hub::Hub;
use crate::wait;

/// Stands in the place of systemctl and, when a configuration was saved of which nobody knows yet whether the hub is well with
/// it, stops whoever asks, once.
const HOLD: &str = r#"#!/bin/sh
if test -e /var/lib/hubd-installer/config-history/pending && mkdir /run/held 2>/dev/null; then echo $$ >/run/held/pid; exec sleep 600; fi
exec /usr/local/lib/hold/real "$@"
"#;
const DROP_IN: &str = "/etc/systemd/system/hubd-config.service.d/hold.conf";

/// Limits, the announcement and what is looked up, all in force and recorded.
pub(super) fn change(context: &Context, hub: &Hub) -> Result<()> {
    let does = |line: &str, words: &[&str]| {
        let output = as_user(hub, OPERATOR, line)?;
        let all = said(&output);
        ensure!(output.success() && words.iter().all(|word| all.contains(word)), "{line}: {all}");
        Ok(())
    };
    does("hubctl server start bob", &[])?;
    does("hubctl config set users.bob.limits.memory 900M", &["1 running server", "and in force."])?;
    does("hubctl config get users.bob.limits.memory", &["900M"])?;
    does("hubctl limits explain bob", &["900M", "bob's own"])?;
    does("hubctl user show bob", &["900M", "student"])?;
    let slice = hub.sh("systemctl show --property=Slice --value hubd-user-bob.service")?;
    let most = hub.sh(&format!("systemctl show --property=MemoryMax --value {}", slice.trim()))?;
    ensure!(most.trim() == (900_u64 << 20).to_string(), "MemoryMax of {}: {most}", slice.trim());
    does("hubctl config add groups.lab.members bob cleo", &["in force."])?;
    does("hubctl config remove groups.lab.members cleo", &["in force."])?;
    does("hubctl config unset groups.lab.members", &["in force."])?;
    does("hubctl config set hub.announcement 'Exam at noon.'", &["in force."])?;
    let page = hub.sh(&format!("curl -s {}/hub/login", hub.url()))?;
    ensure!(page.contains("Exam at noon."), "the announcement is on no page: {page}");
    recorded(hub, "opal, an operator")?;
    for (unit, line) in [
        ("hubd.service", "opal on the host did config change for users.bob.limits.memory"),
        ("hubd-launcher.service", "`users.bob.limits.memory` is changed for opal, an operator"),
    ] {
        wait::for_log(hub, &format!("--unit={unit}"), line)?;
    }
    context.step("an operator changed a student's memory, a group and the announcement, and read them")?;
    wrong(context, hub)?;
    at_once(context, hub)
}

/// Who the history says made the latest change.
fn recorded(hub: &Hub, who: &str) -> Result<()> {
    let history = hub.hubctl(&["config", "history"])?;
    let last = history["versions"].as_array().and_then(|versions| versions.last());
    ensure!(last.is_some_and(|version| version["who"] == who), "{history}");
    Ok(())
}

/// What is wrong is said in the same words as to root, who also sees the file's lines.
fn wrong(context: &Context, hub: &Hub) -> Result<()> {
    let mut shown = String::new();
    for line in [
        "hubctl config set users.bob.limits.memory banana",
        "hubctl config set limits.tasks many",
        "hubctl config set limits.memroy 2G",
        "hubctl config add limits.memory 2G",
        "hubctl config set users.bob.limits.memory 900M",
    ] {
        let (operator, root) = (as_user(hub, OPERATOR, line)?, as_user(hub, "root", line)?);
        let text = operator.complaint();
        let words = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        ensure!(root.complaint().contains(words), "{line}: {} and {}", said(&operator), said(&root));
        ensure!(operator.code == root.code && !text.contains("config.toml"), "{line}: {} and {}", said(&operator), said(&root));
        shown = format!("{shown}\n{line}: {}", said(&operator));
    }
    context.step(&format!("a bad value has the words that root gets:{shown}"))
}

/// One waits for the other, and neither is lost.
fn at_once(context: &Context, hub: &Hub) -> Result<()> {
    let output = as_user(
        hub,
        OPERATOR,
        "hubctl config set users.bob.limits.tasks 301 >one.txt 2>&1 & one=$!
         hubctl config set users.bob.limits.cpu_weight 77 >two.txt 2>&1 & two=$!
         wait $one; echo $?; wait $two; echo $?; cat one.txt two.txt",
    )?;
    ensure!(output.text().starts_with("0\n0\n"), "two at once: {}", said(&output));
    let explained = as_user(hub, OPERATOR, "hubctl limits explain bob")?;
    ensure!(explained.text().contains("301") && explained.text().contains("77"), "{}", said(&explained));
    context.step("two changes at the same time are both in force")
}

/// Every key is an administrator's, and then also an operator's, or root's.
pub(super) fn every(context: &Context, hub: &Hub) -> Result<()> {
    let (mut script, mut own) = (String::new(), Vec::new());
    let mut count = 0;
    for table in TABLES {
        for key in table.keys {
            let name = format!("{}.{}", table.name.replace("NAME", "bob"), key.name);
            let value = key.example.trim_matches(&['"', '[', ']'][..]).replace("\", \"", "' '");
            // Only what could be changed is not.
            let dry_run = if inside::may_change(&name).is_some() { "--dry-run" } else { "" };
            script.push_str(&format!(
                "hubctl config set {name} '{value}' {dry_run} >said.txt 2>&1; echo {name} $? $(cat said.txt)\n"
            ));
            own.extend((!dry_run.is_empty()).then_some(name));
            count += 1;
        }
    }
    let config = hub.sh("sha256sum /etc/hubd/config.toml")?;
    let output = as_user(hub, OPERATOR, &script)?;
    let text = output.text();
    let refused =
        |line: &&str| line.contains(" 7 ") && line.contains("needs full root on this machine hint: an account with full sudo");
    let refused = text.lines().filter(refused).count();
    ensure!(refused == count - own.len(), "of {count} keys {refused} need full root:\n{text}");
    for name in &own {
        ensure!(text.lines().any(|line| line.starts_with(&format!("{name} 0 "))), "{name} is an administrator's:\n{text}");
    }
    ensure!(hub.sh("sha256sum /etc/hubd/config.toml")? == config, "the configuration changed");
    context.step(&format!("{count} keys: {refused} need full root, {} are an operator's, too", own.len()))
}

/// Whatever a taken-over hub makes the launcher leave, root's side judges by root's file.
pub(super) fn forged(context: &Context, hub: &Hub) -> Result<()> {
    let config = hub.sh("sha256sum /etc/hubd/config.toml")?;
    for (operator, key, value, said) in [
        ("sten", "\"limits\",\"memory\"", "2G", "sten is not an operator of this hub"),
        (OPERATOR, "\"roles\",\"admins\"", "bob", "changing `roles.admins` needs full root on this machine"),
    ] {
        let result = hub.sh(&format!(
            "cd /var/lib/hubd-launcher/config-change
             printf '%s' '{{\"requester\":{{\"operator\":\"{operator}\"}},\"change\":{{\"verb\":\"set\",\"key\":[{key}],\"values\":[\"{value}\"],\"manner\":{{\"dry_run\":false,\"allow_lockout\":true,\"json\":false}}}}}}' >request.json
             systemctl start hubd-config.service; cat result.json; rm request.json result.json"
        ))?;
        let ended: serde_json::Value = serde_json::from_str(&result)?;
        let is_refused = ended["code"] == 7 && ended["messages"].as_str().is_some_and(|messages| messages.contains(said));
        ensure!(is_refused, "{operator}, {key}: {result}");
    }
    ensure!(hub.sh("sha256sum /etc/hubd/config.toml")? == config, "the configuration changed");
    context.step("requests in the name of others, and for keys of root's, are refused by root's side")
}

/// Killed after saving and before anybody was told: what was before is the configuration again, in the file and in what runs.
pub(super) fn cut_short(context: &Context, hub: &Hub) -> Result<()> {
    hub.write("/usr/local/lib/hold/systemctl", HOLD, 0o755)?;
    hub.write(DROP_IN, "[Service]\nBindReadOnlyPaths=/usr/local/lib/hold/systemctl:/usr/bin/systemctl\n", 0o644)?;
    hub.sh("cp /usr/bin/systemctl /usr/local/lib/hold/real; systemctl daemon-reload")?;
    let set = "hubctl config set users.bob.limits.memory 800M";
    // By the unit that does it for others, and in a shell of root's, of which the next start of the launcher finds the rest.
    let ends = [
        (
            format!("runuser -u {OPERATOR} -- {set}"),
            "systemctl kill --signal=KILL hubd-config.service
             while systemctl is-active hubd-config.service | grep -q ivating; do sleep 0.1; done",
        ),
        (
            format!("unshare --mount sh -c 'mount --bind /usr/local/lib/hold/systemctl /usr/bin/systemctl; exec {set}'"),
            "kill -KILL $changing $(cat /run/held/pid); systemctl restart hubd-launcher.service",
        ),
    ];
    for (changes, kill) in ends {
        let during = hub.sh(&format!(
            "{changes} >/root/said.txt 2>&1 & changing=$!
             until test -s /run/held/pid; do sleep 0.1; done
             hubctl config get users.bob.limits.memory
             {kill}
             wait $changing || true; rm -r /run/held; cat /root/said.txt"
        ))?;
        ensure!(during.starts_with("800M\n"), "it was not killed after saving: {during}");
        let file = hub.hubctl(&["config", "get", "users.bob.limits.memory"])?;
        ensure!(file["value"] == "900M", "the file after {kill}: {file}; {during}");
        let running = as_user(hub, OPERATOR, "hubctl config get users.bob.limits.memory")?;
        ensure!(running.text().trim() == "900M", "the hub after {kill}: {}", said(&running));
        let history = hub.hubctl(&["config", "history"])?;
        let last = history["versions"].as_array().and_then(|versions| versions.last());
        ensure!(last.is_some_and(|version| version["state"] == "rolled_back"), "{history}");
        hub.sh("test ! -e /var/lib/hubd-installer/config-history/pending")?;
        context.step(&format!("a change that was killed after saving is taken back: {during}"))?;
    }
    hub.sh(&format!("rm -r $(dirname {DROP_IN}) /usr/local/lib/hold; systemctl daemon-reload"))?;
    let output = as_user(hub, OPERATOR, set)?;
    ensure!(output.success(), "after killed changes: {}", said(&output));
    Ok(())
}
