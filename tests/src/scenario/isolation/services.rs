//! What somebody could do who has taken over a service of the hub: the same attempts, from a unit with the same sandbox.

use anyhow::{Context as _, Result, ensure};

use super::attacks::{self, Attempt};
use super::{PROBE, SECRET};
use crate::context::Context;
use crate::hub::Hub;

/// What a logged-in account may ask of logind where polkit is: a session that outlives it, with units of its own.
const LINGER: &str = "busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager SetUserLinger";
/// In a sandbox that makes no executable memory, Python can't load what calls the kernel.
const LEFT_OUT: [&str; 1] = ["MemoryDenyWriteExecute="];

/// Makes each service's attempts; returns those that did not end as they should.
pub(super) fn attempts(context: &Context, hub: &Hub) -> Result<Vec<String>> {
    let uid = hub.sh("id -u hubd")?;
    // Without the sandbox it works, or what fails within it would show nothing.
    hub.sh(&format!("runuser -u hubd -- {LINGER} ubb {uid} true false; test -e /var/lib/systemd/linger/hubd"))?;
    hub.sh(&format!("runuser -u hubd -- {LINGER} ubb {uid} false false; systemctl stop user@{uid}.service"))?;
    let failures = [
        of(context, hub, "hubd.service", "hubd", &[attacks::SERVE, attacks::SERVICE].concat())?,
        of(context, hub, "hubd-certificates.service", "hubd-certificates", attacks::SERVICE)?,
        of(context, hub, "hubd-outside.service", "hubd-outside", attacks::SERVICE)?,
    ]
    .concat();
    let lingering = hub.sh("ls -A /var/lib/systemd/linger")?;
    ensure!(lingering.is_empty(), "these go on without a login: {lingering}");
    Ok(failures)
}

fn of(context: &Context, hub: &Hub, unit: &str, account: &str, attempts: &[Attempt]) -> Result<Vec<String>> {
    let text = fs_err::read_to_string(context.repository().join("units").join(unit))?;
    let (_, sandbox) = text.split_once("# --- Sandbox").context("it has no sandbox")?;
    let mut arguments: Vec<String> =
        ["--quiet", "--wait", "--pipe", "--collect", "--property=LogLevelMax=info"].map(str::to_owned).to_vec();
    arguments.push(format!("--property=User={account}"));
    let lines = sandbox.lines().skip(1).take_while(|line| !line.starts_with('['));
    let lines =
        lines.filter(|line| line.contains('=') && !line.starts_with('#') && !LEFT_OUT.iter().any(|out| line.starts_with(out)));
    arguments.extend(lines.map(|line| format!("--property={line}")));
    let expressions: Vec<&str> = attempts.iter().map(|attempt| attempt.expression).collect();
    let code = format!("ATTACKS = {}\n{PROBE}", serde_json::to_string(&expressions)?);
    let command = ["/usr/bin/systemd-run".to_owned()]
        .into_iter()
        .chain(arguments)
        .chain(["--", "/usr/bin/python3", "-c"].map(str::to_owned))
        .chain([code.replace('$', "$$")]);
    let said = hub.command(command).run()?.text();
    let answers: Vec<String> = serde_json::from_str(said.trim()).with_context(|| said.clone())?;
    ensure!(answers.len() == attempts.len(), "{} answers to {} attempts", answers.len(), attempts.len());
    let mut failures = Vec::new();
    for (Attempt { expression, expected }, answer) in attempts.iter().zip(answers) {
        let line = format!("{unit}: {expression} -> {}", answer.replace('\n', " | "));
        context.step(&line)?;
        if answer.contains(SECRET) || !expected.iter().any(|expected| format!("{answer}END").contains(expected)) {
            failures.push(format!("{line} (expected {expected:?})"));
        }
    }
    Ok(failures)
}
