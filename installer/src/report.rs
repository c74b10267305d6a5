//! What the commands print: the declared types behind `--json`, and the same for people.

use std::fmt::Write;
use std::path::PathBuf;

use hub_core::config::format_bytes;
use hub_core::paths::Paths;
use serde::Serialize;

use crate::action::Invitation;
use crate::finding::Finding;
use crate::receipt::Outcome;
use crate::reverse_proxy::Snippet;
use crate::verify::{TriedLimit, Verification};

/// What `plan` found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanReport {
    /// What stands in the way.
    pub blockers: Vec<Finding>,
    /// What is worth knowing.
    pub warnings: Vec<Finding>,
    /// Steps that would change something; absent when they can't be told because of what stands in the way.
    pub steps: Vec<PlannedStep>,
}

/// One step that would change something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedStep {
    /// The same in every version.
    pub id: String,
    /// For people.
    pub title: String,
    /// `created` or `changed`.
    pub outcome: Outcome,
}

/// What `install` did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct InstallReport {
    /// What stood in the way; nothing was changed then.
    pub blockers: Vec<Finding>,
    /// What is worth knowing.
    pub warnings: Vec<Finding>,
    /// How many steps changed something.
    pub changed: usize,
    /// What the admin should know about single steps.
    pub notes: Vec<String>,
    /// The hub's address, as far as it can be told.
    pub url: Option<String>,
    /// What the web server in front of the hub is to be told, where one was named.
    pub behind: Option<Snippet>,
    /// What protects the machine and the students from each other.
    pub limits: Option<LimitsReport>,
    /// One-time links with which admins set their first password.
    pub invitations: Vec<Invitation>,
    /// The proof; absent when nothing was changed, or when there is a problem.
    pub verification: Option<Verification>,
    /// Why there is no certificate yet, so that nobody can log in; empty: there is one, or none is asked for.
    pub uncertified: Vec<Finding>,
    /// Why there is no proof that the hub, which is installed, works.
    pub problem: Option<String>,
    /// How long it took.
    pub seconds: f64,
}

/// The limits in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LimitsReport {
    /// Bytes of memory each student may use.
    pub memory_bytes: u64,
    /// Processes and threads each student may have.
    pub tasks: u64,
    /// Bytes of memory all students together may use.
    pub users_memory_bytes: u64,
    /// Bytes of memory of the machine.
    pub machine_memory_bytes: u64,
}

/// What `uninstall` did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UninstallReport {
    /// How many steps were taken back.
    pub removed: usize,
    /// What stays for the admin, closed to everybody but root.
    pub kept: Vec<PathBuf>,
    /// Homes that stay, closed to everybody but root.
    pub homes: Vec<PathBuf>,
    /// What else is not as it was before the install, and why.
    pub notes: Vec<String>,
}

/// What `status` found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatusReport {
    /// The version that is installed; absent: none.
    pub version: Option<String>,
    /// Whether its install came to its end.
    pub complete: bool,
    /// Files that are not as they were installed.
    pub edited: Vec<PathBuf>,
    /// Files and directories that belong to somebody else, or that others may do more with.
    pub misplaced: Vec<Misplaced>,
    /// The hub's units and how they are.
    pub units: Vec<UnitReport>,
    /// What the hub says about itself; absent: it does not answer.
    pub hub: Option<hub_core::control::HubStatus>,
}

/// Something whose owner or permission bits are not as they were installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Misplaced {
    /// Where.
    pub path: PathBuf,
    /// The account that it should belong to.
    pub user: &'static str,
    /// The group that it should belong to.
    pub group: &'static str,
    /// The permission bits that it should have.
    pub mode: u32,
}

/// One unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnitReport {
    /// Its name.
    pub unit: String,
    /// systemd's word for how it is.
    pub active: String,
    /// systemd's word for whether it starts at boot.
    pub enabled: String,
}

impl StatusReport {
    /// Whether everything is as it should be.
    pub fn is_well(&self) -> bool {
        self.version.is_some()
            && self.complete
            && self.units.iter().all(|unit| unit.active == "active")
            && self.hub.as_ref().is_some_and(|hub| hub.launcher_problem.is_none())
    }
}

/// Findings, each with its remedy, for people.
pub fn findings(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        push(&mut text, &format!("  * {}", finding.what.replace('\n', "\n    ")));
        push(&mut text, &format!("    -> {}", finding.remedy));
    }
    text
}

/// A verification, for people.
pub fn verified(verification: &Verification) -> String {
    let mut text = String::new();
    let proof = format!(
        "Verified: a temporary server started in {:.1} s (Jupyter Server {}) and was removed again.",
        verification.server_start_seconds, verification.jupyter_server
    );
    push(&mut text, &proof);
    for limit in &verification.limits {
        push(&mut text, &tried(limit));
    }
    if !verification.limits_not_held.is_empty() {
        push(&mut text, &format!("NOT ENFORCED on this machine: limits for {}.", verification.limits_not_held.join(", ")));
    }
    if !verification.reachable.is_empty() {
        text.push_str(&format!("Worth knowing:\n{}", findings(&verification.reachable)));
    }
    text
}

/// One limit and what was measured, for people.
fn tried(limit: &TriedLimit) -> String {
    let TriedLimit { what, allowed, got, holds, note } = limit;
    let measured = match (got.is_empty(), holds) {
        (true, _) => format!("Limit for {what}: {allowed}"),
        (false, true) => format!("Verified: the limit for {what} holds: {allowed} allowed, {got} got"),
        (false, false) => format!("Not enforced: the limit for {what}: {allowed} allowed, {got} got"),
    };
    if note.is_empty() { format!("{measured}.") } else { format!("{measured} ({note}).") }
}

/// The end of an install, for people.
pub fn installed(report: &InstallReport) -> String {
    let mut text = report.verification.as_ref().map(verified).unwrap_or_default();
    push(&mut text, "");
    match &report.url {
        Some(url) => push(&mut text, &format!("The hub is at  {url}")),
        None => push(&mut text, "The hub is running."),
    }
    if let Some(limits) = &report.limits {
        let each = format!(
            "Each student may use {} of memory and {} processes and threads; all together {} of this machine's {}.",
            format_bytes(limits.memory_bytes),
            limits.tasks,
            format_bytes(limits.users_memory_bytes),
            format_bytes(limits.machine_memory_bytes)
        );
        push(&mut text, &each);
    }
    if !report.invitations.is_empty() {
        push(&mut text, "");
        push(&mut text, "Each of these links sets a first password, once, within a day. Whoever opens it first gets in:");
        for Invitation { name, link } in &report.invitations {
            push(&mut text, &format!("  {name}  {link}"));
        }
    }
    push(&mut text, "");
    push(&mut text, "Next:  sudo hubctl user add NAME...     enrols students and prints their links");
    push(&mut text, "       sudo hubctl status               shows how the hub is doing");
    text
}

/// What is left to do where there is no certificate yet.
pub fn uncertified(found: &[Finding]) -> String {
    if found.is_empty() {
        return String::new();
    }
    let found = findings(found);
    format!(
        "\nNOBODY CAN LOG IN YET, because there is no certificate for https:\n{found}\
         Look again:         sudo hubctl https check\n\
         Then try at once:   sudo hubctl https renew\n\
         The hub also tries by itself, so seldom that no authority minds.\n"
    )
}

/// What is left to do where a web server stands in front of the hub.
pub fn behind(snippet: &Snippet) -> String {
    let Snippet { file, text, command } = snippet;
    format!("\nPut this into {file} by hand:\n\n{text}\nThen:  sudo sh -c '{command}'\n")
}

/// The end of an uninstall, for people.
pub fn uninstalled(report: &UninstallReport, paths: &Paths) -> String {
    let mut text = String::new();
    push(&mut text, "The hub is removed.");
    if !report.homes.is_empty() {
        let homes = format!("{} homes stay where they were, closed to everybody but root.", report.homes.len());
        push(&mut text, &homes);
        push(&mut text, &format!("Whose they are is in `{}`;", paths.uninstalled_manifest().display()));
        push(&mut text, "a new install gives them back, and the logins too.");
    }
    if !report.kept.is_empty() {
        let kept: Vec<_> = report.kept.iter().map(|path| path.display().to_string()).collect();
        push(&mut text, &format!("Also kept, closed to everybody but root: {}", kept.join(", ")));
    }
    if !report.homes.is_empty() || !report.kept.is_empty() {
        push(&mut text, "To delete all of this: hub-installer uninstall --purge, from the release it was installed with");
    }
    for note in &report.notes {
        push(&mut text, &format!("  * {note}"));
    }
    text
}

fn push(text: &mut String, line: &str) {
    // Writing to a text can't fail.
    let _: std::fmt::Result = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_do_not_hold_are_not_overlooked() {
        let verification = Verification {
            server_start_seconds: 1.25,
            jupyter_server: "2.17.0".into(),
            limits: vec![
                TriedLimit { what: "memory", allowed: "1 GB".into(), got: "1.1 GB".into(), holds: false, note: String::new() },
                TriedLimit {
                    what: "processor",
                    allowed: "0.5 cores".into(),
                    got: "0.50".into(),
                    holds: true,
                    note: String::new(),
                },
            ],
            limits_not_held: vec!["memory".into()],
            reachable: Vec::new(),
            uncertified: None,
        };
        let report = InstallReport { verification: Some(verification), ..InstallReport::default() };
        let text = installed(&report);
        for line in [
            "Not enforced: the limit for memory: 1 GB allowed, 1.1 GB got.",
            "Verified: the limit for processor holds: 0.5 cores allowed, 0.50 got.",
            "NOT ENFORCED on this machine: limits for memory.",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }

    #[test]
    fn a_finding_of_several_lines_stays_one_block() {
        let finding = Finding { what: "bad:\na\nb".into(), remedy: "mend".into() };
        assert_eq!(findings(&[finding]), "  * bad:\n    a\n    b\n    -> mend\n");
    }
}
