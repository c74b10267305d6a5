//! What systemd says about the hub's own units, for the case that the hub itself says nothing.

use std::time::Duration;

use hub_core::units::{ENABLED, LAUNCHER, SERVE};
use hub_system::command::Command;
use serde::Serialize;

use super::super::World;

/// In the order in which somebody would look at them.
fn looked_at() -> impl Iterator<Item = &'static str> {
    let sockets = ENABLED.into_iter().filter(|unit| unit.ends_with(".socket"));
    [SERVE, LAUNCHER].into_iter().chain(sockets)
}

/// systemd answers in milliseconds, or something is badly wrong.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of the log helps without burying the rest.
const LOG_LINES: &str = "8";

/// One unit, in systemd's words.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct UnitReport {
    pub(super) unit: String,
    load: String,
    active: String,
    sub: String,
    result: String,
}

impl UnitReport {
    /// A service that waits for its socket to be asked is well.
    pub(super) fn is_well(&self) -> bool {
        let waits = self.unit == LAUNCHER && self.active == "inactive";
        self.load == "loaded" && (self.active == "active" || waits)
    }

    pub(super) fn words(&self) -> String {
        match (self.load.as_str(), self.result.as_str()) {
            ("loaded", "success" | "") => format!("{} ({})", self.active, self.sub),
            ("loaded", result) => format!("{} ({}), {result}", self.active, self.sub),
            (load, _) => load.to_owned(),
        }
    }
}

/// Asks systemd about every unit of the hub, and the journal about the first that is not well. Empty where systemd does
/// not answer either; why is then the only line of the log.
pub(super) fn probe(world: &World) -> (Vec<UnitReport>, Vec<String>) {
    let show = Command::new(world.paths.systemctl(), PATIENCE)
        .args(["show", "--property=Id,LoadState,ActiveState,SubState,Result", "--"])
        .args(looked_at())
        .run();
    let units = match show {
        Ok(text) => parse(&text),
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

/// `systemctl show` prints `Key=value` lines, an empty line between units.
fn parse(text: &str) -> Vec<UnitReport> {
    let mut units = Vec::new();
    for block in text.split("\n\n") {
        let mut unit = UnitReport::default();
        for (key, value) in block.lines().filter_map(|line| line.split_once('=')) {
            let slot = match key {
                "Id" => &mut unit.unit,
                "LoadState" => &mut unit.load,
                "ActiveState" => &mut unit.active,
                "SubState" => &mut unit.sub,
                "Result" => &mut unit.result,
                _ => continue,
            };
            *slot = value.to_owned();
        }
        if !unit.unit.is_empty() {
            units.push(unit);
        }
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_systemctl_prints() {
        let units = parse(
            "Result=exit-code\nId=hubd.service\nLoadState=loaded\nActiveState=activating\nSubState=auto-restart\n\n\
             Result=success\nId=hubd-launcher.service\nLoadState=loaded\nActiveState=inactive\nSubState=dead\n\n\
             Id=hubd.socket\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n",
        );
        let told: Vec<_> = units.iter().map(|unit| (unit.unit.as_str(), unit.is_well(), unit.words())).collect();
        assert_eq!(
            told,
            [
                ("hubd.service", false, "activating (auto-restart), exit-code".to_owned()),
                ("hubd-launcher.service", true, "inactive (dead)".to_owned()),
                ("hubd.socket", false, "not-found".to_owned()),
            ]
        );
    }
}
