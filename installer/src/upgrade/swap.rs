//! From one version to the other, and back.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fs_err as fs;
use hub_core::paths::Paths;
use hub_core::sys::atomic::{self, Access};
use hub_core::units::{LAUNCHER, SERVE};
use hub_system::command::Command;
use serde_json::Value;

use super::stage::Staged;
use super::{Work, before, installed};
use crate::action::{self, World, bring_up, disable};
use crate::network::Network;
use crate::receipt::{self, Receipt};
use crate::undo::Undo;
use crate::{systemctl, verify};

/// Packages and environments may have to be downloaded.
const INSTALL_DEADLINE: Duration = Duration::from_secs(30 * 60);

/// Copies everything aside; from here on a kill or a power cut leads back. When that fails, as on a full disk, nothing is
/// under way and nothing has to be gone back from.
pub(super) fn begin(paths: &Paths, receipt: &Receipt) -> Result<()> {
    before::keep(paths, receipt).context("copying the installed version aside")?;
    let begun = mark(paths);
    if begun.is_err() {
        remove_drop_in(paths)?;
        if paths.upgrade_pending().exists() {
            fs::remove_file(paths.upgrade_pending())?;
        }
    }
    begun
}

fn mark(paths: &Paths) -> Result<()> {
    atomic::replace(&paths.upgrade_pending(), b"", Access::mode(0o600))?;
    let drop_in = paths.upgrade_drop_in();
    if let Some(directory) = drop_in.parent() {
        fs::create_dir_all(directory)?;
    }
    atomic::replace(&drop_in, before::database_drop_in(paths).as_bytes(), Access::mode(0o644))?;
    systemctl::reload()
}

/// The new version is in charge.
pub(super) fn end(paths: &Paths) -> Result<()> {
    remove_drop_in(paths)?;
    systemctl::reload()?;
    Ok(fs::remove_file(paths.upgrade_pending())?)
}

fn remove_drop_in(paths: &Paths) -> Result<()> {
    if paths.upgrade_drop_in().exists() {
        fs::remove_file(paths.upgrade_drop_in())?;
    }
    Ok(())
}

/// Has the new version install itself, and looks at it from outside.
pub(super) fn forth(work: &Work<'_>, staged: &Staged) -> Result<()> {
    let servers = servers()?;
    let installer = Command::new(staged.programs.join("hub-installer"), INSTALL_DEADLINE).args(["install", "--yes", "--json"]);
    let output = installer.output_with(|line| work.say(line)).context("installing the new version")?;
    let report: Value = serde_json::from_str(&output.stdout).unwrap_or_default();
    let problem = report["problem"].as_str();
    if let Some(problem) = problem {
        bail!("the hub failed its health check with the new version: {problem}");
    }
    // Limits that do not hold are the machine's fault, and were so before.
    if !output.success() && report["verification"].is_null() {
        let said: Vec<&str> = output.stderr.lines().filter(|line| !line.starts_with("hint: ")).collect();
        let errors = said.iter().position(|line| line.starts_with("error: ")).map_or(&said[..0], |first| &said[first..]);
        bail!("the new version could not be installed: {}", errors.join("\n").trim_start_matches("error: "));
    }
    verify::answers(work.paths)?;
    let (_, version) = installed(work.paths)?;
    if version != staged.version {
        bail!("version {version} is installed, expected {}", staged.version);
    }
    let after = self::servers()?;
    let kept = servers.iter().filter(|(unit, pid)| after.get(*unit) == Some(pid)).count();
    work.say(&format!("{kept} of {} servers that ran before run on.", servers.len()));
    Ok(())
}

/// People's servers that run, with the number of their process.
fn servers() -> Result<HashMap<String, String>> {
    let output = systemctl::ask(["show", "--property=Id", "--property=MainPID", "hubd-user-*.service"])?;
    let mut found = HashMap::new();
    for block in output.stdout.split("\n\n") {
        let value = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        if let (Some(unit), Some(pid)) = (value("Id="), value("MainPID="))
            && pid != "0"
        {
            found.insert(unit.to_owned(), pid.to_owned());
        }
    }
    Ok(found)
}

/// Puts everything back that [`begin`] copied, and starts that. Can be done again when it was interrupted.
pub(super) fn back(paths: &Paths) -> Result<()> {
    let before = before::load(paths)?;
    let old = before.receipt(paths)?;
    // One that a newer version wrote may be beyond this program; its files are then simply left.
    let new = receipt::load(paths).ok().flatten().unwrap_or_default();
    systemctl::job(["stop", SERVE, LAUNCHER]).context("stopping the hub")?;
    disable(&added_units(&old, &new))?;
    before::restore_database(paths).context("putting the database back")?;
    for record in new.steps.iter().rev().filter(|record| old.step(&record.id).is_none()) {
        if let Some(undo) = record.undo.as_ref().filter(|undo| undo.file().is_none_or(|(path, _)| !before.has(path))) {
            let undone = match undo {
                // The units that ran as it are stopped.
                Undo::DeleteUser { .. } | Undo::DeleteGroup { .. } => action::undo(undo).map(drop),
                undo => undo.files(false).map(drop),
            };
            undone.with_context(|| format!("taking back {}", record.title))?;
        }
    }
    let mut restarts = vec![LAUNCHER.to_owned(), SERVE.to_owned()];
    for path in before.restore(paths).context("putting the old files back")? {
        restarts.extend(unit_of(paths, &path));
    }
    remove_drop_in(paths)?;
    let network = Network::recall(paths, std::iter::empty())?;
    let mut ignore = |_: &str| ();
    let mut world = World::new(paths, &network, &mut ignore);
    bring_up(&mut world, &restarts).context("starting the old version")?;
    verify::answers(paths).context("asking the old version")?;
    Ok(fs::remove_file(paths.upgrade_pending())?)
}

/// Units that only the new version has.
fn added_units(old: &Receipt, new: &Receipt) -> Vec<String> {
    let units = |receipt: &Receipt| -> Vec<String> {
        let undo = receipt.steps.iter().filter_map(|step| step.undo.as_ref());
        undo.filter_map(|undo| if let Undo::DisableUnits { units } = undo { Some(units.clone()) } else { None })
            .flatten()
            .collect()
    };
    let old = units(old);
    units(new).into_iter().filter(|unit| !old.contains(unit)).collect()
}

/// The unit that a file below systemd's directory is about: `hubd.socket`, `hubd.socket.d/listen.conf`.
fn unit_of(paths: &Paths, path: &Path) -> Option<String> {
    let name = path.strip_prefix(paths.units()).ok()?.components().next()?.as_os_str().to_str()?;
    Some(name.strip_suffix(".d").unwrap_or(name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipt::{Outcome, State, StepRecord};

    #[test]
    fn a_file_of_systemd_belongs_to_a_unit() {
        let paths = Paths::default();
        for (path, unit) in [
            ("/etc/systemd/system/hubd.socket", Some("hubd.socket")),
            ("/etc/systemd/system/hubd.socket.d/listen.conf", Some("hubd.socket")),
            ("/etc/hubd/config.toml", None),
        ] {
            assert_eq!(unit_of(&paths, Path::new(path)).as_deref(), unit, "{path}");
        }
    }

    #[test]
    fn what_can_not_be_copied_aside_leaves_nothing_under_way() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        for path in [paths.config_file(), paths.binaries().join("hub-installer")] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "as it was").unwrap();
        }
        // As on a full disk, one of the copies fails.
        let (copies, kept) = (paths.upgrade_before(), paths.upgrade_before().with_extension("kept"));
        fs::create_dir_all(copies.parent().unwrap()).unwrap();
        fs::hard_link(paths.config_file(), &kept).unwrap();
        let error = begin(&paths, &Receipt::default()).unwrap_err();
        assert!(format!("{error:#}").starts_with("copying the installed version aside: "), "{error:#}");
        assert!(!paths.upgrade_pending().exists());
        fs::remove_file(&kept).unwrap();
        // There is no room for what systemd is to read.
        let units = paths.upgrade_drop_in().parent().unwrap().to_owned();
        fs::create_dir_all(units.parent().unwrap()).unwrap();
        fs::write(&units, "in the way").unwrap();
        begin(&paths, &Receipt::default()).unwrap_err();
        assert!(!paths.upgrade_pending().exists(), "the next start would go back from nothing");
        assert_eq!(fs::read_to_string(paths.config_file()).unwrap(), "as it was");
    }

    #[test]
    fn only_what_the_new_version_added_is_disabled() {
        let receipt = |units: &[&str]| {
            let units = units.iter().map(|&unit| unit.to_owned()).collect();
            let (id, title) = ("services".to_owned(), "services".to_owned());
            let undo = Some(Undo::DisableUnits { units });
            let step = StepRecord { id, title, state: State::Done, outcome: Outcome::Created, undo };
            Receipt { steps: vec![step], ..Receipt::default() }
        };
        assert_eq!(added_units(&receipt(&["a", "b"]), &receipt(&["a", "b", "c"])), ["c"]);
        assert!(added_units(&receipt(&["a"]), &Receipt::default()).is_empty());
    }
}
