//! The hub's units: enabled, running, and running what is on disk.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hub_core::config::HttpsMethod;
use hub_core::control::{self, HttpsStatus, Reply, Request};
use hub_core::paths::Paths;
use hub_core::units::{CERTIFICATES, ENABLED, LAUNCHER, OUTSIDE, OUTSIDE_SOCKET, SERVE, SERVE_SOCKETS};
use hub_system::command::Command;

use super::{Check, World};
use crate::facts::{self, ConfigFact, certificate};
use crate::finding::Finding;
use crate::receipt::Receipt;
use crate::systemctl;
use crate::undo::Undo;

/// Sockets with one service behind them, which would keep them from being started again.
const BEHIND: [(&str, &str); 2] = [("hubd-launcher.socket", LAUNCHER), (OUTSIDE_SOCKET, OUTSIDE)];

/// From started to answering. Opening the database and its sockets takes milliseconds; this is for a machine in trouble.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);
/// From the hub's first answer to one of the launcher, which was ready before the hub was started.
const LAUNCHER_DEADLINE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(50);

/// Every name, every address it leads to and the authority get some seconds each.
const CHECK_DEADLINE: Duration = Duration::from_secs(120);
/// An authority looks at every name before it signs.
const CERTIFICATE_DEADLINE: Duration = Duration::from_secs(150);
const CERTIFICATE_POLL: Duration = Duration::from_millis(500);

const SYSTEMD_TMPFILES: &str = "/usr/bin/systemd-tmpfiles";
const SYSTEMD_SYSCTL: &str = "/usr/lib/systemd/systemd-sysctl";
const TMPFILES_DEADLINE: Duration = Duration::from_secs(30);

pub(super) fn check(receipt: &Receipt) -> Result<Check> {
    let undo = Undo::DisableUnits { units: ENABLED.map(str::to_owned).to_vec() };
    if receipt.restarts.is_empty() {
        let mut well = true;
        for unit in ENABLED {
            let status = systemctl::status(unit)?;
            well &= status.active == "active" && status.enabled == "enabled";
        }
        if well {
            return Ok(Check::Satisfied(None));
        }
    }
    Ok(Check::Needed { exists: false, undo: Some(undo) })
}

/// Starts what does not run and restarts what is out of date. Running user servers are left alone, and connections wait
/// in the sockets meanwhile, unless the sockets themselves change.
///
/// # Errors
/// When one does not start or the hub does not answer.
pub(crate) fn bring_up(world: &mut World<'_>, restarts: &[String]) -> Result<()> {
    systemctl::reload()?;
    (world.progress)("enabling units");
    systemctl::job(["enable", "--quiet"].into_iter().chain(ENABLED)).context("enabling the hub's units")?;
    let out_of_date = |unit: &str| restarts.iter().any(|name| name == unit);
    let sockets: Vec<&str> = ENABLED.into_iter().filter(|unit| unit.ends_with(".socket")).collect();
    for group in to_stop(&sockets, out_of_date) {
        systemctl::job(["stop"].into_iter().chain(group)).context("stopping the hub")?;
    }
    Command::new(SYSTEMD_TMPFILES, TMPFILES_DEADLINE)
        .arg("--create")
        .arg(world.paths.tmpfiles().display().to_string())
        .run()
        .context("making the directories of the hub's sockets")?;
    Command::new(SYSTEMD_SYSCTL, TMPFILES_DEADLINE)
        .arg(world.paths.kernel_settings().display().to_string())
        .run()
        .context("telling the kernel what it is to say less of")?;
    systemctl::job(["reset-failed".to_owned()].into_iter().chain(known(ENABLED)?)).context("forgetting old failures")?;
    for unit in &sockets {
        (world.progress)(&format!("starting {unit}"));
        start(unit, "start")?;
    }
    for unit in [LAUNCHER, SERVE] {
        (world.progress)(&format!("starting {unit}"));
        start(unit, if out_of_date(unit) { "restart" } else { "start" })?;
    }
    (world.progress)("waiting for the hub to answer");
    wait_until_it_answers(world.paths)?;
    let triggers = ENABLED.into_iter().filter(|unit| unit.ends_with(".path") || unit.ends_with(".timer"));
    for unit in triggers {
        start(unit, if out_of_date(unit) { "restart" } else { "start" })?;
    }
    get_certificate(world)
}

/// What has to stop so that the sockets that are out of date can be made anew; what stands together is stopped together. systemd
/// refuses to start a socket whose service runs, and any other socket of the service would start it again meanwhile: a browser
/// needs only ask.
fn to_stop<'a>(sockets: &[&'a str], is_out_of_date: impl Fn(&str) -> bool) -> Vec<Vec<&'a str>> {
    let mut groups: Vec<Vec<&str>> = Vec::new();
    let (of_serve, others): (Vec<&str>, Vec<&str>) = sockets.iter().partition(|unit| SERVE_SOCKETS.contains(unit));
    if of_serve.iter().any(|unit| is_out_of_date(unit)) {
        groups.push(of_serve.into_iter().chain([SERVE]).collect());
    }
    for socket in others.into_iter().filter(|unit| is_out_of_date(unit)) {
        let service = BEHIND.iter().find(|(front, _)| *front == socket).map(|(_, service)| *service);
        groups.push(std::iter::once(socket).chain(service).collect());
    }
    groups
}

/// Has the certificate looked after now, where that is the hub's business, and waits for it. One that does not come is
/// no obstacle here: whether people can log in is looked at in the end. An authority that would refuse is not asked.
fn get_certificate(world: &mut World<'_>) -> Result<()> {
    let ConfigFact::Valid(_, config) = facts::read_config(world.paths) else { return Ok(()) };
    let domains = match config.https.map(|https| https.method) {
        Some(HttpsMethod::Acme { domains, .. }) => domains,
        Some(HttpsMethod::Lan { .. }) => Vec::new(),
        Some(HttpsMethod::Files { .. }) | None => return Ok(()),
    };
    if !domains.is_empty() && !has_certificate(world.paths, &domains) {
        (world.progress)("looking for what would prevent a certificate");
        match obstacles(world.paths) {
            Ok(found) if found.is_empty() => {}
            Ok(found) => {
                tracing::warn!(?found, "the authority is not asked for a certificate now");
                world.obstacles = found;
                return Ok(());
            }
            Err(error) => tracing::warn!("can't find out whether a certificate can be had: {error:#}"),
        }
    }
    (world.progress)("waiting for the certificate");
    systemctl::job(["start", "--no-block", CERTIFICATES]).context("starting what gets certificates")?;
    let deadline = Instant::now() + CERTIFICATE_DEADLINE;
    while Instant::now() < deadline {
        match control::call(&world.paths.control_socket(), &Request::Https) {
            Ok(Reply::Https(status)) if status.certificate.is_some() || status.failures > 0 => return Ok(()),
            other => tracing::debug!(?other, "no certificate yet"),
        }
        std::thread::sleep(CERTIFICATE_POLL);
    }
    tracing::warn!("waited {} s for a certificate", CERTIFICATE_DEADLINE.as_secs());
    Ok(())
}

/// Whether browsers get a certificate for all of `domains`, so that none is asked for before it is due.
fn has_certificate(paths: &Paths, domains: &[String]) -> bool {
    match control::call(&paths.control_socket(), &Request::Https) {
        Ok(Reply::Https(HttpsStatus { certificate: Some(certificate), problem: None, .. })) => {
            domains.iter().all(|domain| certificate.names.contains(domain))
        }
        other => {
            tracing::debug!(?other, "no certificate for {}", domains.join(", "));
            false
        }
    }
}

/// Why an authority would refuse, as far as this machine can tell.
fn obstacles(paths: &Paths) -> Result<Vec<Finding>> {
    let program = paths.binaries().join("hubctl");
    let output = Command::new(&program, CHECK_DEADLINE).args(["--json", "https", "check"]).output()?;
    refusals(&output.stdout).with_context(|| format!("asking `{} https check`: {}", program.display(), output.stderr.trim_end()))
}

fn refusals(answer: &str) -> Result<Vec<Finding>> {
    Ok(certificate::validate(answer)?.bad)
}

/// Units that systemd has loaded; it complains about others.
fn known(units: impl IntoIterator<Item = &'static str>) -> Result<Vec<String>> {
    let mut known = Vec::new();
    for unit in units {
        if !systemctl::status(unit)?.active.is_empty() {
            known.push(unit.to_owned());
        }
    }
    Ok(known)
}

fn start(unit: &str, verb: &str) -> Result<()> {
    systemctl::job([verb, unit])
        .with_context(|| format!("starting {unit}; its last log lines:\n{}", systemctl::last_words(unit).trim_end()))
}

/// Waits until the hub, with its launcher behind it, answers on the control socket.
///
/// # Errors
/// When the hub does not in a minute, or its launcher a while later; the error carries what it said last.
pub(crate) fn wait_until_it_answers(paths: &Paths) -> Result<()> {
    let begun = Instant::now();
    let mut deadline = begun + ANSWER_DEADLINE;
    loop {
        let problem = match control::call(&paths.control_socket(), &Request::Status) {
            Ok(Reply::Status(status)) => match status.launcher_problem {
                None => return Ok(()),
                Some(problem) => {
                    deadline = deadline.min(Instant::now() + LAUNCHER_DEADLINE);
                    problem
                }
            },
            Ok(other) => format!("it answered {other:?}"),
            Err(error) => format!("{error:#}"),
        };
        if Instant::now() >= deadline {
            bail!(
                "waited {} s for the hub to answer: {problem}\n{}",
                begun.elapsed().as_secs(),
                systemctl::last_words(SERVE).trim_end()
            );
        }
        std::thread::sleep(POLL);
    }
}

/// Stops units and starts them no more. Those that are gone are no error.
///
/// # Errors
/// When one can't be stopped.
pub(crate) fn disable(units: &[String]) -> Result<()> {
    let (mut enabled, mut loaded) = (Vec::new(), Vec::new());
    for unit in units {
        let status = systemctl::status(unit)?;
        if !status.enabled.is_empty() {
            enabled.push(unit.clone());
        }
        // One whose file is gone can still run.
        if !status.enabled.is_empty() || status.active != "inactive" {
            loaded.push(unit.clone());
        }
    }
    for (verb, units) in [("disable", enabled), ("stop", loaded)] {
        if !units.is_empty() {
            let names = units.join(", ");
            let words = [verb.to_owned(), "--quiet".to_owned()].into_iter().chain(units);
            systemctl::job(words).with_context(|| format!("asking systemd to {verb} {names}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_stops_together_with_all_that_would_start_its_service() {
        let sockets: Vec<&str> = ENABLED.into_iter().filter(|unit| unit.ends_with(".socket")).collect();
        let stopped = |changed: &[&str]| to_stop(&sockets, |unit| changed.contains(&unit));
        assert_eq!(stopped(&[]), Vec::<Vec<&str>>::new());
        let serve = vec!["hubd-control.socket", "hubd-admin.socket", "hubd-operator.socket", "hubd.socket", SERVE];
        assert_eq!(stopped(&["hubd.socket"]), std::slice::from_ref(&serve));
        assert_eq!(stopped(&["hubd-pam.socket"]), [["hubd-pam.socket"]]);
        assert_eq!(
            stopped(&["hubd-admin.socket", "hubd-launcher.socket", OUTSIDE_SOCKET]),
            [serve, vec!["hubd-launcher.socket", LAUNCHER], vec![OUTSIDE_SOCKET, OUTSIDE]]
        );
    }

    #[test]
    fn only_what_makes_an_authority_refuse_keeps_it_from_being_asked() {
        let looked = |weight: &str| format!(r#"{{"weight":"{weight}","what":"a {weight} thing","remedy":"mend it"}}"#);
        let answer = |all: &[&str]| {
            let findings: Vec<_> = all.iter().map(|weight| looked(weight)).collect();
            format!(r#"{{"method":"acme","ok":false,"findings":[{}]}}"#, findings.join(","))
        };
        assert_eq!(refusals(&answer(&["good", "doubtful"])).unwrap(), []);
        let found = refusals(&answer(&["good", "bad"])).unwrap();
        assert_eq!(found, [Finding { what: "a bad thing".to_owned(), remedy: "mend it".to_owned() }]);
        assert!(refusals("").is_err());
    }
}
