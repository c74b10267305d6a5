//! A server in an environment that nobody has yet: started as a student's is, by an account that exists for as long as
//! it runs, without a network.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use super::BASE;
use super::build::{Listener, Said};
use super::requirement::Requirement;
use crate::paths::Paths;
use crate::sys::command::Command;

pub(super) const UNIT: &str = "hubd-canary.service";
const SCRIPT: &str = include_str!("assets/canary.py");
const SYSTEMD_RUN: &str = "/usr/bin/systemd-run";
/// A server's start and a few imports, on a machine that a whole class is busy with.
const DEADLINE: Duration = Duration::from_secs(480);
/// systemd ends it at its deadline by itself; this only covers systemd not answering.
const GRACE: Duration = Duration::from_secs(60);
/// Lines that an error repeats.
const LAST_LINES: usize = 40;

/// Tries out the environment at `environment`; see `assets/canary.py`.
///
/// # Errors
/// With what does not work.
pub(super) fn prove(
    paths: &Paths,
    environment: &Path,
    service: Option<&str>,
    asked: &[Requirement],
    listener: Listener<'_>,
) -> Result<()> {
    let mut command = Command::new(SYSTEMD_RUN, DEADLINE + GRACE)
        .args(["--quiet", "--wait", "--pipe", "--collect", "--service-type=exec"])
        .arg(format!("--unit={UNIT}"))
        .arg("--description=Trial of a Python environment of the hub")
        .arg(format!("--setenv=HUBD_SHARE={}", paths.share().display()));
    for property in properties(paths, environment, service) {
        command = command.arg("--property").arg(property);
    }
    let python = paths.environment_mount().join("bin/python");
    let command = command
        // The environment's own program does not exist outside the sandbox, where systemd-run looks.
        .args(["--", "/usr/bin/env", &python.display().to_string(), "-I", "-", &floors()])
        .args(asked.iter().filter(|requirement| !requirement.as_str().contains(';')).map(Requirement::name))
        .input(SCRIPT);
    let output = command.output_with(|line| listener(Said::Detail(line)))?;
    if output.success() {
        return Ok(());
    }
    let said = output.stderr.trim_end();
    let lines: Vec<&str> = said.lines().collect();
    let (last, before) = lines.split_last().unwrap_or((&"it ended without a word", &[]));
    let before = before[before.len().saturating_sub(LAST_LINES)..].join("\n");
    bail!("{last}\n{before}")
}

/// The oldest versions that are safe, as the script reads them.
fn floors() -> String {
    let floors = BASE.lines().filter(|line| line.contains(">=") && !line.starts_with('#'));
    floors.collect::<Vec<_>>().join(",")
}

fn properties(paths: &Paths, environment: &Path, service: Option<&str>) -> Vec<String> {
    let mut properties: Vec<String> = [
        // An account that exists as long as the unit, can write to its own /tmp and nowhere else.
        "DynamicUser=yes",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "PrivateDevices=yes",
        "PrivateNetwork=yes",
        "ProtectProc=invisible",
        "ProtectKernelTunables=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelLogs=yes",
        "ProtectControlGroups=yes",
        "ProtectClock=yes",
        "ProtectHostname=yes",
        "RestrictNamespaces=yes",
        "RestrictRealtime=yes",
        "LockPersonality=yes",
        "SystemCallFilter=@system-service",
        "SystemCallArchitectures=native",
        "SystemCallErrorNumber=EPERM",
        "KeyringMode=private",
        "RemoveIPC=yes",
        "UMask=0077",
        "TasksMax=512",
        "LimitCORE=0",
        "MemoryMax=50%",
        "OOMScoreAdjust=800",
        "CPUWeight=20",
        "IOWeight=20",
        "TemporaryFileSystem=/run:ro",
        "WorkingDirectory=/tmp",
    ]
    .map(str::to_owned)
    .into();
    properties.push(format!("RuntimeMaxSec={}", DEADLINE.as_secs()));
    properties.push(format!("BindReadOnlyPaths={}:{}", environment.display(), paths.environment_mount().display()));
    properties.push(format!("InaccessiblePaths={}", paths.environments().display()));
    if let Some(service) = service {
        properties.push(format!("BindsTo={service}"));
        properties.push(format!("After={service}"));
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floors_are_those_of_the_shipped_requirements() {
        let floors = floors();
        assert!(floors.contains("jupyterlab>=") && floors.contains("jupyter-server>="), "{floors}");
        assert!(!floors.contains([' ', '\n', '#']), "{floors}");
    }

    #[test]
    fn it_has_no_network_and_nothing_to_write_to() {
        let properties = properties(&Paths::default(), Path::new("/opt/hubd/envs/2.sealed"), None);
        for expected in ["PrivateNetwork=yes", "DynamicUser=yes", "BindReadOnlyPaths=/opt/hubd/envs/2.sealed:/opt/hubd/env"] {
            assert!(properties.iter().any(|property| property == expected), "{expected}");
        }
        assert!(!properties.iter().any(|property| property.starts_with("ReadWritePaths=")));
    }
}
