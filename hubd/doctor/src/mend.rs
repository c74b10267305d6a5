//! What `--fix` does: starts and enables the hub's own units, gives what was installed back to its owners, and has the launcher set
//! limits. Nothing that a person made is changed or removed, and no server stops.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use hub_core::health::Finding;
use hub_core::launcher::protocol;
use hub_core::paths::Paths;
use hub_core::units::{ENABLED, LAUNCHER, SERVE, SERVE_SOCKETS};
use hub_core::wire;
use hub_system::systemctl::Systemctl;
use serde::Serialize;

use crate::check::installed;

const APPLY_DEADLINE: Duration = Duration::from_secs(60);
const LAUNCHER_SOCKET: &str = "hubd-launcher.socket";

/// What came of mending one finding.
#[derive(Debug, Serialize)]
pub struct Mended {
    /// Its id.
    pub id: String,
    /// Which of several.
    pub about: String,
    /// What was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<String>,
    /// Why it could not be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// One thing that is safe to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act<'a> {
    StartHub,
    Start(&'a str),
    Enable(&'a str),
    GiveBack(&'a str),
    Apply,
}

/// Mends those of `findings` where that is safe; what helps several is done once. The others are for a person to decide.
pub fn mend(paths: &Paths, findings: &[Finding]) -> Vec<Mended> {
    let mut acts: Vec<(Act<'_>, Result<String, String>)> = Vec::new();
    let mut mended = Vec::new();
    for finding in findings {
        let Some(act) = act(finding) else { continue };
        let known = acts.iter().find(|(done, _)| *done == act).map(|(_, ended)| ended.clone());
        let ended = known.unwrap_or_else(|| {
            let ended = perform(paths, act).map_err(|error| format!("{error:#}"));
            acts.push((act, ended.clone()));
            ended
        });
        let (id, about) = (finding.id.to_string(), finding.about.clone());
        mended.push(Mended { id, about, problem: ended.as_ref().err().cloned(), done: ended.ok() });
    }
    mended
}

fn act(finding: &Finding) -> Option<Act<'_>> {
    let about = finding.about.as_str();
    match &*finding.id {
        "hub" => Some(Act::StartHub),
        "unit-down" if about == SERVE || SERVE_SOCKETS.contains(&about) => Some(Act::StartHub),
        "launcher" => Some(Act::Start(LAUNCHER_SOCKET)),
        // It starts when its socket is asked.
        "unit-down" if about == LAUNCHER => Some(Act::Start(LAUNCHER_SOCKET)),
        "unit-down" if ENABLED.contains(&about) => Some(Act::Start(about)),
        "unit-disabled" if ENABLED.contains(&about) => Some(Act::Enable(about)),
        "limit-together" | "accounts" => Some(Act::Apply),
        "permissions" => Some(Act::GiveBack(about)),
        _ => None,
    }
}

fn perform(paths: &Paths, act: Act<'_>) -> Result<String> {
    let systemctl = Systemctl::new(paths);
    match act {
        // systemd opens no socket of a service that runs.
        Act::StartHub => {
            systemctl.job(["stop", SERVE])?;
            systemctl.job(["start"].into_iter().chain(SERVE_SOCKETS))?;
            systemctl.job(["start", SERVE])?;
            Ok(format!("started {SERVE} and its sockets"))
        }
        Act::Start(unit) => systemctl.job(["start", unit]).map(|()| format!("started {unit}")),
        Act::Enable(unit) => systemctl.job(["enable", unit]).map(|()| format!("enabled {unit}")),
        Act::GiveBack(path) => installed::give_back(paths, Path::new(path)),
        Act::Apply => match wire::ask(&paths.launcher_socket(), &protocol::Request::Apply, APPLY_DEADLINE)? {
            protocol::Reply::Applied(applied) if applied.problems.is_empty() => {
                Ok("had the launcher apply the configuration".to_owned())
            }
            protocol::Reply::Applied(applied) => bail!("{}", applied.problems.join("; ")),
            protocol::Reply::Refused(refusal) => bail!("{refusal}"),
            other => bail!("unexpected answer of the launcher: {other:?}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_safe_is_done() {
        let act_of = |id: &'static str, about: &str| act(&Finding::problem(id, "x").about(about)).map(|act| format!("{act:?}"));
        assert_eq!(act_of("unit-down", "hubd.socket").as_deref(), Some("StartHub"));
        assert_eq!(act_of("unit-down", "hubd-backup.timer").as_deref(), Some("Start(\"hubd-backup.timer\")"));
        assert_eq!(act_of("unit-down", "ssh.service"), None, "a unit of somebody else's");
        for id in ["writable", "changed", "missing", "config", "config-not-applied", "database", "disk-space", "port-taken"] {
            assert_eq!(act_of(id, "/etc/passwd"), None, "{id}");
        }
    }
}
