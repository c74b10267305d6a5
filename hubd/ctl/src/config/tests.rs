//! `hubctl config` as it is called, on a machine without a hub, with editors of two lines. There, what is saved is saved
//! and not in force, so the code of success is 3; where that matters, a commit of the test's own takes its place.

mod drafts;
mod edit;
mod inside;
mod lockout;
mod verbs;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use hub_core::config::history::How;
use hub_system::config_store::Turn;

use super::super::World;
use super::super::failure::exit_of;
use super::super::tests::{Machine, Ran};
use super::commit::Outcome;
use super::edit::edit_with;
use super::review::Consent;

pub(super) const VALID: &str = "# The class of Monday.\n[roles]\nadmins = [\"ada\"] # since 2019\n\n[limits]\nmemory = \"1G\"\n";

/// A machine with [`VALID`] in force, whose editor does something else at each turn.
pub(super) fn machine(turns: &[&str]) -> Machine {
    let mut machine = Machine::host();
    machine.write("etc/hubd/config.toml", VALID);
    set_mode(&live_path(&machine), 0o640);
    let place = machine.root.path().join("turns");
    for (index, turn) in turns.iter().enumerate() {
        machine.write(&format!("turns/{}", index + 1), turn);
    }
    let script = format!(
        "#!/bin/sh\ncd {}\nturn=$(($(cat turn 2>/dev/null || echo 0) + 1))\necho $turn >turn\n. ./$turn\n",
        place.display()
    );
    let editor = program(&machine, "turns/fake", &script);
    machine.variables =
        [("EDITOR", editor.as_str()), ("PATH", "/usr/bin:/bin")].map(|(name, value)| (name.into(), value.into())).into();
    machine
}

pub(super) fn program(machine: &Machine, name: &str, script: &str) -> String {
    let path = machine.write(name, script);
    set_mode(std::path::Path::new(&path), 0o755);
    path
}

pub(super) fn set_mode(path: &std::path::Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

pub(super) fn live_path(machine: &Machine) -> PathBuf {
    machine.paths().config_file()
}

pub(super) fn live(machine: &Machine) -> String {
    std::fs::read_to_string(live_path(machine)).unwrap()
}

pub(super) fn draft(machine: &Machine) -> PathBuf {
    machine.paths().drafts().join(nix::unistd::Uid::effective().to_string()).join("config.toml")
}

/// How often the editor was opened.
pub(super) fn turns_taken(machine: &Machine) -> usize {
    std::fs::read_to_string(machine.root.path().join("turns/turn")).map_or(0, |turns| turns.trim().parse().unwrap())
}

/// `hubctl config edit` with a commit that writes the file, and then says `outcome`.
pub(super) fn edit_to(machine: &Machine, outcome: impl Fn() -> anyhow::Result<Outcome>) -> Ran {
    machine.run_by(|world| {
        let mut commit = |world: &mut World, _: &Turn, text: &str, how: How| {
            assert_eq!(how, How::Edit);
            let outcome = outcome()?;
            std::fs::write(world.paths.config_file(), text)?;
            Ok(outcome)
        };
        match edit_with(world, Consent::default(), &mut commit) {
            Ok(exit) => exit as u8,
            Err(error) => {
                world.printer.error(&format!("{error:#}"), None).unwrap();
                exit_of(&error) as u8
            }
        }
    })
}
