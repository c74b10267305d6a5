//! What systemd says about the hub's units.

use anyhow::{Context, Result};
use hub_core::config::format_bytes;
use hub_core::health::Finding;
use hub_core::sys::figures::Figures;
use hub_core::units::ENABLED;
use hub_system::systemctl::UnitReport;

use crate::look::Look;

/// What holds all servers together.
const TOGETHER: &str = "hubd-users.slice";

pub(super) fn running(look: &Look<'_>, found: &mut Vec<Finding>) -> Result<()> {
    found.extend(look.systemctl.reports(ENABLED)?.iter().filter_map(judge));
    Ok(())
}

fn judge(unit: &UnitReport) -> Option<Finding> {
    let name = &unit.unit;
    if unit.load == "masked" {
        let finding = Finding::problem("unit-masked", format!("{name} is masked, so systemd never starts it"));
        return Some(
            finding.about(name).because("a part of the hub is missing").command(format!("sudo systemctl unmask {name}")),
        );
    }
    if !unit.is_well() {
        let finding = Finding::problem("unit-down", format!("{name} does not run: {}", unit.words())).about(name);
        let remedy = "--fix starts it; where it does not stay up, its log says why";
        return Some(finding.because(purpose(name)).remedy(remedy).command(format!("systemctl status {name}")));
    }
    if unit.file == "disabled" {
        let finding = Finding::warning("unit-disabled", format!("{name} runs, and will not after a reboot")).about(name);
        let command = format!("sudo systemctl enable {name}");
        return Some(finding.because(purpose(name)).remedy("--fix enables it").command(command));
    }
    None
}

/// What is missing without it.
fn purpose(unit: &str) -> &'static str {
    match unit {
        "hubd-certificates.timer" | "hubd-certificates.path" => "certificates for https run out",
        "hubd-backup.timer" => "no backups are made",
        "hubd-auto-upgrade.timer" => "the hub does not upgrade itself where the configuration wants that",
        "hubd-doctor.timer" => "nobody is told when something goes wrong",
        "hubd-launcher.socket" | "hubd-launcher.service" => "no server can start or stop",
        "hubd-outside.socket" => "nobody can log in with an account of the institution",
        "hubd-admin.socket" | "hubd-operator.socket" => "administrators inside the hub, or operators, can't use hubctl",
        "hubd-control.socket" => "hubctl on this machine reaches nobody",
        _ => "browsers reach nobody",
    }
}

pub(super) fn failed(look: &Look<'_>, found: &mut Vec<Finding>) -> Result<()> {
    // Whatever reads a configuration that is not valid fails, and that is told by itself.
    if look.config.is_err() {
        return Ok(());
    }
    let units = look.systemctl.reports(["hubd*.service"])?;
    // What is kept running is judged above, and people's own servers are theirs.
    let ours = |unit: &&UnitReport| !ENABLED.contains(&unit.unit.as_str()) && !unit.unit.starts_with("hubd-user-");
    for UnitReport { unit, .. } in units.iter().filter(ours).filter(|unit| unit.active == "failed") {
        found.push(
            Finding::problem("unit-failed", format!("{unit} failed the last time it ran"))
                .about(unit)
                .remedy(format!("its log says why; when that is mended: sudo systemctl reset-failed {unit}"))
                .command(format!("sudo journalctl --lines=30 --unit={unit}")),
        );
    }
    Ok(())
}

/// Whether the kernel is told what all servers together may have.
pub(super) fn together(look: &Look<'_>, found: &mut Vec<Finding>) -> Result<()> {
    let Ok(config) = &look.config else { return Ok(()) };
    let total = Figures::probe(look.paths).memory.context("the kernel does not say how much memory there is")?;
    // Memory may come and go; the launcher sets the limit at its start.
    let wanted = config.users_memory(total);
    let set = look.systemctl.property(TOGETHER, "MemoryMax")?;
    if set.parse() != Ok(wanted) {
        let is = set.parse().map_or_else(|_| "no limit".to_owned(), format_bytes);
        found.push(
            Finding::problem(
                "limit-together",
                format!("all servers together have {is} of memory, not the {} of the configuration", format_bytes(wanted)),
            )
            .because("students may take the memory that the hub and the machine need")
            .remedy("--fix sets it")
            .command("sudo hubctl config apply"),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(load: &str, active: &str, file: &str) -> UnitReport {
        let text = |text: &str| text.to_owned();
        UnitReport {
            unit: text("hubd.socket"),
            load: text(load),
            active: text(active),
            file: text(file),
            ..UnitReport::default()
        }
    }

    #[test]
    fn a_unit_that_runs_and_will_is_well() {
        for (load, active, file, id) in [
            ("loaded", "active", "enabled", None),
            ("loaded", "active", "disabled", Some("unit-disabled")),
            ("loaded", "failed", "enabled", Some("unit-down")),
            ("masked", "inactive", "masked", Some("unit-masked")),
            ("not-found", "inactive", "", Some("unit-down")),
        ] {
            assert_eq!(judge(&unit(load, active, file)).as_ref().map(|finding| &*finding.id), id, "{load} {active} {file}");
        }
    }
}
