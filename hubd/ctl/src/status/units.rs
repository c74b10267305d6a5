//! What systemd says about the hub's own units, for the case that the hub itself says nothing.

use std::time::Duration;

use hub_core::units::{ENABLED, LAUNCHER, SERVE};
use hub_system::command::Command;
use hub_system::systemctl::{Systemctl, UnitReport};

use super::super::World;

/// In the order in which somebody would look at them.
fn looked_at() -> impl Iterator<Item = &'static str> {
    let sockets = ENABLED.into_iter().filter(|unit| unit.ends_with(".socket"));
    [SERVE, LAUNCHER].into_iter().chain(sockets)
}

/// The journal answers in milliseconds, or something is badly wrong.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of the log helps without burying the rest.
const LOG_LINES: &str = "8";

/// Asks systemd about every unit of the hub, and the journal about the first that is not well. Empty where systemd does
/// not answer either; why is then the only line of the log.
pub(super) fn probe(world: &World) -> (Vec<UnitReport>, Vec<String>) {
    let units = match Systemctl::new(&world.paths).reports(looked_at()) {
        Ok(units) => units,
        Err(error) => return (Vec::new(), format!("{error:#}").lines().map(str::to_owned).collect()),
    };
    let suspect = units.iter().find(|unit| !unit.is_well()).or_else(|| units.first());
    let Some(suspect) = suspect else { return (units, Vec::new()) };
    let journal = Command::new(world.paths.journalctl(), PATIENCE)
        .args(["--no-pager", "--quiet", "--output=cat", "--lines", LOG_LINES, "--unit", &suspect.unit])
        .run();
    let text = journal.unwrap_or_else(|error| format!("{error:#}"));
    let log = text.lines().map(super::super::text::printable).collect();
    (units, log)
}
