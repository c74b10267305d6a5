//! One student against another and against the machine: everything is tried from inside her own server, as a notebook
//! would, and what came back of each attempt is in the log.

mod attacks;
mod outside;
mod services;
mod shared;

use anyhow::{Context as _, Result, ensure};
use hub_machine::{BaseSpec, Release};

use super::{Group, Scenario};
use crate::context::Context;
use crate::hub::{ADMIN, Hub};
use crate::{kernel, login, wait};
use attacks::Attempt;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "isolation",
    about: "with polkit, sudo, cron, at, sshd and exim installed: a student reaches neither another's things nor more of the machine",
    group: Group::Default,
    needs_programs: true,
    run,
};

const PROBE: &str = include_str!("isolation/probe.py");
/// Stands in bob's notebook, and nowhere else.
const SECRET: &str = "canary-5731";
/// Run by eve; waits for the end of her kernel.
const LINK: &str = "
import os, sys, time
while os.path.exists('/proc/' + sys.argv[1]):
    time.sleep(0.1)
os.rename('/run/hubd-servers/eve/server.sock', '/run/hubd-servers/eve/own.sock')
os.symlink('/run/hubd-servers/bob/server.sock', '/run/hubd-servers/eve/server.sock')
";
/// Run by bob: lines into the log of his server, by the descriptor that it got from systemd.
const FLOOD: &str = "
import os
device, inode = map(int, os.environ['JOURNAL_STREAM'].split(':'))
def is_log(descriptor):
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (device, inode)
log = next(descriptor for descriptor in range(256) if is_log(descriptor))
for number in range(20000):
    line = b'<0>' + b'x' * 45000 + b'\\n'
    while line:
        line = line[os.write(log, line):]
print('said', number)
";
const JAR: &str = "/root/eve.cookies";

fn run(context: &Context) -> Result<()> {
    let spec = ["polkitd", "pkexec", "sudo", "cron", "at", "openssh-server", "openssh-client", "exim4-daemon-light"]
        .iter()
        .fold(BaseSpec::new(Release::Bookworm), |spec, name| spec.with(name));
    let hub = Hub::install_on(context, &spec)?;
    hub.sh("systemctl start polkit.service && systemctl is-active polkit.service cron.service atd.service")?;
    hub.add_students(&["bob".to_owned(), "eve".to_owned()])?;
    let started = hub.hubctl(&["server", "start", "bob", "eve", ADMIN])?;
    ensure!(started["problems"].as_array().is_some_and(Vec::is_empty), "starting servers: {started}");
    leave_traces(&hub)?;
    outside::set_traps(&hub)?;

    let failures: Vec<String> = [
        attempts(context, &hub, "eve", attacks::STUDENT)?,
        attempts(context, &hub, ADMIN, attacks::ADMIN)?,
        secrets_on_the_machine(context, &hub)?,
        kernel::ports(context, &hub, "bob", "python3")?,
        outside::attempts(context, &hub)?,
        all_inside_her_slice(context, &hub)?,
        services::attempts(context, &hub)?,
        shared::attempts(context, &hub)?,
        flood(context, &hub)?,
        through_the_hub(context, &hub)?,
        outside::mended(context, &hub)?,
    ]
    .concat();
    ensure!(failures.is_empty(), "{} attempts did not end as they should:\n{}", failures.len(), failures.join("\n"));
    Ok(())
}

/// What bob leaves around; that it can be found is what makes the other student's failure mean something.
fn leave_traces(hub: &Hub) -> Result<()> {
    let code = format!(
        "import pathlib, subprocess
for place in ['{{}}/secret.txt', '/tmp/{{}}', '/dev/shm/{{}}', '/var/tmp/{{}}']:
    pathlib.Path(place.format(pathlib.Path.home() if 'secret' in place else '{SECRET}')).write_text('{SECRET}')
subprocess.Popen(['/bin/sleep', '86399'], env={{'SECRET': '{SECRET}'}}, start_new_session=True)
print(subprocess.run(['ipcmk', '--shmem', '4096', '--mode', '0666'], stdout=subprocess.PIPE, text=True).stdout)"
    );
    let ran = kernel::run(hub, "bob", &code)?;
    ensure!(ran.error.is_none() && ran.printed.contains("Shared memory id"), "bob's traces: {ran:?}");
    hub.sh(&format!(
        "grep -q {SECRET} $(getent passwd jupyter-bob | cut -d: -f6)/secret.txt; pgrep -u jupyter-bob -f 'sleep 86399'"
    ))?;
    Ok(())
}

/// Makes each attempt from a kernel of `name`'s server; returns those that did not end as they should.
fn attempts(context: &Context, hub: &Hub, name: &str, attempts: &[Attempt]) -> Result<Vec<String>> {
    let facts = hub
        .sh("printf '%s %s %s' \"$(id -u jupyter-eve)\" \"$(id -g jupyter-eve)\" \"$(pgrep -u jupyter-bob -f 'sleep 86399')\"")?;
    let facts: Vec<&str> = facts.split(' ').collect();
    let [uid, gid, pid] = facts[..] else { anyhow::bail!("uid, gid and a process: {facts:?}") };
    let fill = |text: &str| text.replace("EVE_UID", uid).replace("EVE_GID", gid).replace("BOB_PID", pid);
    let expressions: Vec<String> = attempts.iter().map(|attempt| fill(attempt.expression)).collect();
    let code = format!("ATTACKS = {}\n{PROBE}", serde_json::to_string(&expressions)?);
    let ran = kernel::run(hub, name, &code)?;
    let answers: Vec<String> = serde_json::from_str(ran.printed.trim()).with_context(|| format!("{ran:?}"))?;
    ensure!(answers.len() == attempts.len(), "{} answers to {} attempts", answers.len(), attempts.len());
    let mut failures = Vec::new();
    for ((attempt, expression), answer) in attempts.iter().zip(expressions).zip(answers) {
        let line = format!("{name}: {expression} -> {}", answer.replace('\n', " | "));
        context.step(&line)?;
        if answer.contains(SECRET) || !attempt.expected.iter().any(|expected| format!("{answer}END").contains(&fill(expected))) {
            failures.push(format!("{line} (expected {:?})", attempt.expected));
        }
    }
    Ok(failures)
}

/// What everybody with a shell of the machine may read of units holds no secret; the canary in bob's environment is one.
fn secrets_on_the_machine(context: &Context, hub: &Hub) -> Result<Vec<String>> {
    let shown = hub.sh("systemctl show hubd-user-bob.service; cat /run/systemd/transient/hubd-user-*")?;
    ensure!(shown.contains("hubd-user-bob"), "nothing to look through: {shown}");
    let words = ["password", "token", "secret", "cookie", SECRET];
    let found: Vec<String> = shown
        .lines()
        .filter(|line| words.iter().any(|word| line.to_lowercase().contains(word)))
        .map(|line| format!("a unit shows: {line}"))
        .collect();
    context.step(&format!("{} lines about units, {} with a word like a secret", shown.lines().count(), found.len()))?;
    Ok(found)
}

/// Bob says more than any journal keeps. The machine's and the hub's first lines are still there, and what the administrator's
/// server said is as it was.
fn flood(context: &Context, hub: &Hub) -> Result<Vec<String>> {
    let others = || -> Result<[String; 3]> {
        wait::for_journal(hub)?;
        Ok([
            hub.sh("journalctl --quiet -o short-unix | sed -n 1,5p")?,
            hub.sh("journalctl --quiet -u hubd -o short-unix | sed -n 1,5p")?,
            hub.hubctl(&["server", "logs", ADMIN, "--lines", "2000"])?["lines"].to_string(),
        ])
    };
    let before = others()?;
    ensure!(before.iter().all(|text| text.len() > 100), "there is nothing to be pushed out: {before:?}");
    let ran = kernel::run(hub, "bob", FLOOD)?;
    ensure!(ran.error.is_none() && ran.printed.contains("said"), "flooding: {ran:?}");
    let kept = hub.sh("journalctl --namespace=hubd-users --sync; du -sm /var/log/journal/*.hubd-users /run/log/journal/*.hubd-users 2>/dev/null | cut -f1")?;
    context.step(&format!("bob {}; MB kept of what servers say: {kept}", ran.printed.trim()))?;
    let log = hub.hubctl(&["server", "logs", "bob", "--lines", "5"])?["lines"].to_string();
    ensure!(log.contains("xxxx"), "bob's own log: {log}");
    let kept: u64 = kept.trim().parse().context("the size of the journal")?;
    // Each is 8 MB at least, so a hundred of them would be all that the journal may have.
    let own =
        hub.sh("find /var/log/journal/*.hubd-users /run/log/journal/*.hubd-users -name 'user-*' 2>/dev/null | head -n 1")?;
    ensure!(own.is_empty(), "people have files of their own in the journal: {own}");
    // More may have been said.
    let lost = before.iter().zip(others()?).filter(|(before, now)| !now.starts_with(before.trim_end_matches(']')));
    let lost = lost.map(|(before, now)| format!("of other logs something is lost: {before} became {now}"));
    Ok(lost.chain((kept > 100).then(|| format!("{kept} MB of bob's words were kept"))).collect())
}

/// Eve's own session at the hub, with which she asks for bob's server; then a link to bob's socket in place of hers.
fn through_the_hub(context: &Context, hub: &Hub) -> Result<Vec<String>> {
    let url = hub.url();
    ensure!(login::with_curl(&***hub, url, "eve", JAR)? == "303", "eve can't log in");
    // What a page of hers would send; the page has it.
    let key = hub.sh(&format!(
        "curl -fsS -b {JAR} -H 'Accept: text/html' {url}/user/eve/lab | sed -n 's/.*\"token\": \"\\([^\"]*\\)\".*/\\1/p'"
    ))?;
    let key = key.trim();
    ensure!(!key.is_empty(), "eve's page has no key");
    let ask = |path: &str| {
        hub.sh(&format!(
            "curl -sS -b {JAR} -H 'Authorization: token {key}' -H 'X-Hubd-User: bob' -w '\\n%{{http_code}}' {url}{path}"
        ))
    };
    let mut failures = Vec::new();
    let mut judge = |what: &str, answer: &str, codes: &[&str]| -> Result<()> {
        let said = answer.rsplit('\n').next().unwrap_or_default();
        let right = codes.contains(&said) && !answer.contains(SECRET);
        context.step(&format!("{what} -> {said}"))?;
        if !right {
            failures.push(format!("{what} -> {answer} (expected {codes:?})"));
        }
        Ok(())
    };
    judge("eve at her own server", &ask("/user/eve/api/contents/")?, &["200"])?;
    judge("eve at bob's server, header forged", &ask("/user/bob/api/contents/secret.txt")?, &["404"])?;
    put_link(hub)?;
    ensure!(hub.sh("readlink /run/hubd-servers/eve/server.sock")?.contains("bob"), "the link is not there");
    let kept = ask("/user/eve/api/contents/secret.txt")?;
    ensure!(!kept.contains(SECRET), "bob's secret behind a link: {kept}");
    let behind = |who: &str| {
        let path = "http://localhost/user/bob/api/contents/secret.txt";
        hub.sh(&format!(
            "curl -sS --unix-socket /run/hubd-servers/eve/server.sock -H 'X-Hubd-User: {who}' -w '\\n%{{http_code}}' {path}"
        ))
    };
    ensure!(behind("bob")?.contains(SECRET), "the link does not lead to bob's server");
    judge("bob's server, asked in eve's name through the link", &behind("eve")?, &["403"])?;
    // Connections to eve's true server that were kept are gone now. A hub that looks at her server for the first time
    // may stop it.
    hub.sh("systemctl restart hubd.service")?;
    judge(
        "eve at her own address, a link to bob's socket behind it",
        &ask("/user/eve/api/contents/secret.txt")?,
        &["502", "424"],
    )?;
    hub.hubctl(&["server", "stop", "eve"])?;
    hub.hubctl(&["server", "start", "eve"])?;
    judge("eve at her own server, started anew", &ask("/user/eve/api/contents/")?, &["200"])?;
    Ok(failures)
}

/// The link would cut off whoever runs the kernel, so a process that outlives the kernel puts it there.
fn put_link(hub: &Hub) -> Result<()> {
    let code = format!(
        "import os, subprocess, sys
subprocess.Popen([sys.executable, '-c', \"\"\"{LINK}\"\"\", str(os.getpid())], start_new_session=True)"
    );
    let ran = kernel::run(hub, "eve", &code)?;
    ensure!(ran.error.is_none(), "putting the link: {ran:?}");
    wait::for_shell(hub, "the link", "[ -L /run/hubd-servers/eve/server.sock ]")
}

/// After all of this, every process of hers is where her limits are.
fn all_inside_her_slice(context: &Context, hub: &Hub) -> Result<Vec<String>> {
    // One that ends meanwhile is nowhere.
    let places =
        hub.sh("for pid in $(pgrep -u jupyter-eve); do sed \"s/^/$pid /\" /proc/$pid/cgroup 2>/dev/null || true; done")?;
    let memory: Vec<&str> = places.lines().filter(|line| line.contains(":memory:") || line.contains(" 0::")).collect();
    ensure!(!memory.is_empty(), "eve has no process: {places}");
    context.step(&format!("{} lines about control groups of eve's processes", memory.len()))?;
    let outside = memory.iter().filter(|line| !line.contains("hubd-users-eve.slice/hubd-user-eve.service"));
    Ok(outside.map(|line| format!("a process of eve's outside of her slice: {line}")).collect())
}
