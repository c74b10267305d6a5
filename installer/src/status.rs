//! `status`: what is installed, and whether it is as it should be. Changes nothing.

use std::fmt::Write;

use anyhow::Result;
use hub_core::control::{Reply, Request};
use hub_core::paths::Paths;
use hub_core::units::ENABLED;

use crate::action::ask;
use crate::files;
use crate::receipt;
use crate::report::{StatusReport, UnitReport};
use crate::systemctl;

/// Looks at the installed hub.
///
/// # Errors
/// When the receipt can't be read or systemd does not answer.
pub fn look(paths: &Paths) -> Result<StatusReport> {
    let Some(receipt) = receipt::load(paths)? else {
        let (edited, units) = (Vec::new(), Vec::new());
        return Ok(StatusReport { version: None, complete: false, edited, units, hub: None });
    };
    let mut edited = Vec::new();
    for (path, left_with) in receipt.files() {
        if left_with.is_some() && files::digest(path)?.as_deref() != left_with {
            edited.push(path.to_owned());
        }
    }
    let mut units = Vec::new();
    for unit in ENABLED {
        let status = systemctl::status(unit)?;
        units.push(UnitReport { unit: unit.to_owned(), active: status.active, enabled: status.enabled });
    }
    let hub = match ask(paths, &Request::Status) {
        Ok(Reply::Status(status)) => Some(status),
        Ok(other) => {
            tracing::debug!(?other, "unexpected answer of the hub");
            None
        }
        Err(error) => {
            tracing::debug!(error = format!("{error:#}"), "the hub does not answer");
            None
        }
    };
    Ok(StatusReport { version: Some(receipt.product), complete: receipt.complete, edited, units, hub })
}

/// The same for people.
pub fn describe(report: &StatusReport) -> String {
    let Some(version) = &report.version else { return "No hub is installed on this machine.\n".to_owned() };
    let mut lines = Lines::default();
    lines.add(format_args!("hubd {version} is installed"));
    if !report.complete {
        lines.add(format_args!("  its install (or uninstall) was interrupted: run it again to complete it"));
    }
    for path in &report.edited {
        lines.add(format_args!("  changed since: {}", path.display()));
    }
    for unit in &report.units {
        lines.add(format_args!("  {:<24} {}, {}", unit.unit, unit.active, unit.enabled));
    }
    match &report.hub {
        Some(hub) => {
            let place = hub.url.as_deref().unwrap_or("(no address configured)");
            lines.add(format_args!("  {place}: {} people, {} servers", hub.users, hub.servers.len()));
            if let Some(problem) = &hub.launcher_problem {
                lines.add(format_args!("  the launcher: {problem}"));
            }
        }
        None => lines.add(format_args!("  the hub does not answer: journalctl --unit hubd.service")),
    }
    lines.text
}

#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    fn add(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a text can't fail.
        let _: std::fmt::Result = writeln!(self.text, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_hub_is_not_well() {
        let root = tempfile::tempdir().unwrap();
        let report = look(&Paths::under(root.path())).unwrap();
        assert_eq!(report.version, None);
        assert!(!report.is_well());
        assert_eq!(describe(&report), "No hub is installed on this machine.\n");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let unit = UnitReport { unit: "hubd.service".into(), active: "failed".into(), enabled: "enabled".into() };
        let report = StatusReport {
            version: Some("0.1.0".into()),
            complete: false,
            edited: vec!["/etc/systemd/system/hubd.service".into()],
            units: vec![unit],
            hub: None,
        };
        let text = describe(&report);
        for part in ["was interrupted", "changed since: /etc/systemd/system/hubd.service", "failed, enabled", "does not answer"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!report.is_well());
    }
}
