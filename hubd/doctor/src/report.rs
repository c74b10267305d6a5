//! One text for somebody who helps from afar: what is installed, what was found, what is configured, what was logged, without who is
//! on the hub and where it is.

mod redact;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use hub_core::config::Config;
use hub_core::control::{self, Reply, Request};
use hub_core::paths::Paths;
use hub_core::quantity::format_bytes;
use hub_core::sys::figures::Figures;
use hub_system::accounts::table::TableFile;
use hub_system::command::Command;
use hub_system::distribution::os_release_field;
use nix::sys::utsname::uname;

use crate::examine;
use crate::look::Look;
use redact::Redactor;

const DEADLINE: Duration = Duration::from_secs(30);
/// Of each unit's log.
const LOG_LINES: &str = "100";
/// Whose logs are the hub's; what people's servers say is theirs.
const LOGS: [&str; 10] = [
    "hubd.service",
    "hubd-launcher.service",
    "hubd-environment.service",
    "hubd-config.service",
    "hubd-config-guard.service",
    "hubd-certificates.service",
    "hubd-outside.service",
    "hubd-upgrade.service",
    "hubd-backup.service",
    "hubd-doctor.service",
];

/// The report. What can't be found out is said in its place.
pub fn report(paths: &Paths) -> String {
    let look = Look::at(paths);
    let mut text = String::new();
    for (title, part) in [
        ("Machine", machine(paths)),
        ("What was found", found(paths)),
        ("How the hub is", status(&look)),
        ("Configuration", look.config.as_ref().map_or_else(Clone::clone, Config::to_toml)),
        ("Units", units(&look)),
        ("Log", logs(paths)),
    ] {
        // Writing to a text can't fail.
        let _: std::fmt::Result = writeln!(text, "## {title}\n\n{}\n", part.trim_end());
    }
    redactor(&look).redact(&text)
}

/// With all names that the hub and its configuration know.
fn redactor(look: &Look<'_>) -> Redactor {
    let mut people: BTreeSet<String> = BTreeSet::new();
    let mut called = Vec::new();
    if let Ok(Reply::Users { users }) = control::call(&look.paths.control_socket(), &Request::UserList) {
        for user in users {
            people.insert(user.name.to_string());
            called.extend([user.full_name, user.email].into_iter().flatten());
        }
    }
    if let Ok(table) = TableFile::new(look.paths.accounts()).read() {
        people.extend(table.records().map(|record| record.name.to_string()));
    }
    let mut redactor = Redactor::default();
    let (mut hosts, mut operators, mut groups) = (vec![hostname()], Vec::new(), Vec::new());
    if let Ok(config) = &look.config {
        let roles = &config.roles;
        let named = [&roles.admins, &roles.teachers, &roles.helpers, &roles.blocked];
        people.extend(named.into_iter().flatten().map(ToString::to_string));
        people.extend(config.users.keys().map(ToString::to_string));
        people.extend(config.groups.values().flat_map(|group| &group.members).map(ToString::to_string));
        operators.extend(roles.host_operators.iter().filter(|name| *name != "root").cloned());
        groups.extend(config.groups.keys().map(ToString::to_string));
        hosts.extend(config.hub.url.as_deref().map(host));
    }
    // `localhost` is everywhere, and says nothing.
    hosts.retain(|host| host != "localhost" && host.parse::<std::net::IpAddr>().is_err());
    redactor.names("person", people);
    redactor.names("name", called);
    redactor.names("operator", operators);
    redactor.names("group", groups);
    redactor.names("host", hosts);
    redactor
}

/// `https://hub.example.org:8443/x` is at hub.example.org.
fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let place = rest.split('/').next().unwrap_or_default();
    place.rsplit_once(':').map_or(place, |(host, _)| host).to_owned()
}

fn hostname() -> String {
    uname().map(|name| name.nodename().to_string_lossy().into_owned()).unwrap_or_default()
}

fn machine(paths: &Paths) -> String {
    let release = std::fs::read_to_string(paths.below("etc/os-release")).unwrap_or_default();
    let system = os_release_field(&release, "PRETTY_NAME").unwrap_or_else(|| "an unknown system".to_owned());
    let kernel = uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default();
    let systemd = said(&Command::new(paths.systemctl(), DEADLINE).arg("--version"));
    let Figures { memory, swap, cores } = Figures::probe(paths);
    let unknown = || "unknown".to_owned();
    let (memory, swap) = (memory.map_or_else(unknown, format_bytes), swap.map_or_else(unknown, format_bytes));
    let cores = cores.map_or_else(unknown, |cores| cores.to_string());
    format!(
        "hubctl {}\n{system}, Linux {kernel}, {}\n{}\nmemory {memory}, swap {swap}, processors {cores}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        systemd.lines().next().unwrap_or_default()
    )
}

fn found(paths: &Paths) -> String {
    let examination = examine(paths);
    let findings = examination
        .findings
        .iter()
        .map(|finding| (finding, if finding.is_problem() { "problem" } else { "warning" }))
        .map(|(finding, weight)| format!("{weight} {} {}: {}", finding.id, finding.about, finding.what));
    let unchecked = examination.unchecked.iter().map(|unchecked| format!("not checked: {}: {}", unchecked.what, unchecked.why));
    let lines: Vec<String> = findings.chain(unchecked).collect();
    if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") }
}

fn status(look: &Look<'_>) -> String {
    match &look.hub {
        Ok(status) => serde_json::to_string_pretty(status).unwrap_or_else(|error| error.to_string()),
        Err(error) => format!("it does not answer: {error}"),
    }
}

fn units(look: &Look<'_>) -> String {
    match look.systemctl.reports(["hubd*"]) {
        Ok(units) => units.iter().map(|unit| format!("{}: {}, {}\n", unit.unit, unit.words(), unit.file)).collect(),
        Err(error) => format!("{error:#}"),
    }
}

fn logs(paths: &Paths) -> String {
    let log = |unit: &str| {
        let journal = Command::new(paths.journalctl(), DEADLINE).args([
            "--no-pager",
            "--quiet",
            "--no-hostname",
            "--output=short-iso",
            "--lines",
            LOG_LINES,
            "--unit",
            unit,
        ]);
        format!("--- {unit}\n{}\n", said(&journal).trim_end())
    };
    LOGS.into_iter().map(log).collect()
}

fn said(command: &Command) -> String {
    command.run().unwrap_or_else(|error| format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_in_an_address() {
        for (url, expected) in [
            ("https://hub.example.org", "hub.example.org"),
            ("http://hub.example.org:8000/class", "hub.example.org"),
            ("hub", "hub"),
        ] {
            assert_eq!(host(url), expected);
        }
    }
}
