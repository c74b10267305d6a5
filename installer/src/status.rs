//! `status`: what is installed, and whether it is as it should be. Changes nothing.

use std::fmt::Write;

use anyhow::Result;
use hub_core::config;
use hub_core::control::{Reply, Request};
use hub_core::paths::Paths;
use hub_core::units::ENABLED;

use crate::action::ask;
use crate::facts;
use crate::files;
use crate::plan;
use crate::receipt;
use crate::report::{Misplaced, StatusReport, UnitReport};
use crate::systemctl;

/// Looks at the installed hub.
///
/// # Errors
/// When the receipt can't be read or systemd does not answer.
pub fn look(paths: &Paths) -> Result<StatusReport> {
    let Some(receipt) = receipt::load(paths)? else {
        let (edited, misplaced, units) = (Vec::new(), Vec::new(), Vec::new());
        return Ok(StatusReport { version: None, complete: false, edited, misplaced, units, hub: None });
    };
    let mut edited = Vec::new();
    for (path, left_with) in receipt.files() {
        // What is no plain file any more was replaced, and of what the hub rewrites only that it is there counts.
        let found = files::digest(path).ok().flatten();
        if found.is_none() || left_with.is_some_and(|left_with| found.as_deref() != Some(left_with)) {
            edited.push(path.to_owned());
        }
    }
    let misplaced = misplaced(paths)?;
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
    Ok(StatusReport { version: Some(receipt.product), complete: receipt.complete, edited, misplaced, units, hub })
}

/// What is there of an install, and not as it would be left. The class folder is for people to open to whom they like.
fn misplaced(paths: &Paths) -> Result<Vec<Misplaced>> {
    let config = facts::read_config(paths).config().cloned().map_or_else(|| config::parse("", "defaults"), Ok)?;
    let mut found = Vec::new();
    for (path, owner) in plan::places(paths, &config) {
        let wanted = owner.resolve()?;
        // A link in the place of a file is told of as one that changed.
        let is_link = path.symlink_metadata().is_ok_and(|there| there.is_symlink());
        if path != paths.class_folder() && !is_link && files::attributes(&path)?.is_some_and(|there| there != wanted) {
            found.push(Misplaced { path, user: owner.user, group: owner.group, mode: owner.mode });
        }
    }
    Ok(found)
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
    for Misplaced { path, user, group, mode } in &report.misplaced {
        lines.add(format_args!("  not {user}'s and {group}'s with mode {mode:04o}: {}", path.display()));
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
            misplaced: vec![Misplaced { path: "/etc/hubd/config.toml".into(), user: "root", group: "hubd", mode: 0o640 }],
            units: vec![unit],
            hub: None,
        };
        let text = describe(&report);
        for part in [
            "was interrupted",
            "changed since: /etc/systemd/system/hubd.service",
            "not root's and hubd's with mode 0640: /etc/hubd/config.toml",
            "failed, enabled",
            "does not answer",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!report.is_well());
    }
}
