//! Whether all that was installed is there, unchanged, and nobody's but who should have it. What was installed the installer
//! knows; what is below its directories is looked at here.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fs_err as fs;
use hub_core::accounts::lookup;
use hub_core::health::Finding;
use hub_core::paths::Paths;
use hub_system::command::Command;
use serde::Deserialize;

use crate::look::Look;

const DEADLINE: Duration = Duration::from_secs(60);
const OTHERS_WRITE: u32 = 0o022;
/// Set-user-id and set-group-id.
const SPECIAL: u32 = 0o6000;
/// Of a tree that is wide open.
const MOST_NAMED: usize = 5;

/// What `hub-installer status --json` says, as far as it counts here.
#[derive(Debug, Deserialize)]
struct Installed {
    edited: Vec<PathBuf>,
    misplaced: Vec<Misplaced>,
}

#[derive(Debug, Deserialize)]
struct Misplaced {
    path: PathBuf,
    user: String,
    group: String,
    mode: u32,
}

fn ask(paths: &Paths) -> Result<Installed> {
    let installer = paths.binaries().join("hub-installer");
    let output = Command::new(&installer, DEADLINE).args(["status", "--json"]).output()?;
    serde_json::from_str(&output.stdout)
        .with_context(|| format!("reading what `{}` says: {}", installer.display(), output.stderr))
}

/// Gives what was installed at `path` back to whom it belongs.
///
/// # Errors
/// When the installer names no such place, or it can't be changed.
pub(crate) fn give_back(paths: &Paths, path: &Path) -> Result<String> {
    let installed = ask(paths)?;
    let Some(Misplaced { user, group, mode, .. }) = installed.misplaced.iter().find(|place| place.path == path) else {
        bail!("the installer says nothing of `{}`", path.display());
    };
    if path.symlink_metadata()?.is_symlink() {
        bail!("`{}` is a link; remove it, then: sudo /opt/hubd/bin/hub-installer install", path.display());
    }
    let uid = lookup::account_by_name(user)?.with_context(|| format!("account `{user}` is missing"))?.uid;
    let gid = lookup::group_by_name(group)?.with_context(|| format!("group `{group}` is missing"))?;
    lchown(path, Some(uid), Some(gid)).with_context(|| format!("giving `{}` to {user}:{group}", path.display()))?;
    fs::set_permissions(path, Permissions::from_mode(*mode))?;
    Ok(format!("gave `{}` to {user}:{group} with mode {mode:04o}", path.display()))
}

pub(super) fn check(look: &Look<'_>, found: &mut Vec<Finding>) -> Result<()> {
    let installed = ask(look.paths)?;
    found.extend(installed.edited.iter().map(|path| drifted(path, path.starts_with(look.paths.program_directory()))));
    found.extend(installed.misplaced.iter().map(misplaced));
    let mut open = Vec::new();
    walk(&look.paths.program_directory(), &mut open)?;
    open.retain(|path| !installed.misplaced.iter().any(|known| known.path == *path));
    found.extend(open.iter().take(MOST_NAMED).map(|path| {
        let finding = Finding::problem("writable", format!("`{}` is not root's alone to change", path.display()));
        finding
            .about(path.display().to_string())
            .because("whoever changes it changes what everybody runs")
            .remedy("find out who did that; a new environment is made from scratch: sudo hubctl env upgrade")
            .command(format!("sudo chown -h root:root '{0}' && sudo chmod go-w,ug-s '{0}'", path.display()))
    }));
    Ok(())
}

fn drifted(path: &Path, is_program: bool) -> Finding {
    let (name, again) = (path.display().to_string(), "sudo /opt/hubd/bin/hub-installer install");
    if path.symlink_metadata().is_err() {
        let finding = Finding::problem("missing", format!("`{name}` is gone")).about(name);
        let remedy =
            if is_program { "install the same release again; its files bring it back" } else { "the installer puts it back" };
        return finding.because("a part of the hub does not work, or not after a reboot").remedy(remedy).command(again);
    }
    let what = format!("`{name}` is not as it was installed");
    if is_program {
        let finding = Finding::problem("changed", what).about(name);
        let why = "the disk is damaged, or somebody changed a program that runs with the hub's rights";
        return finding.because(why).remedy("find out why, then install the same release again").command(again);
    }
    let finding = Finding::warning("changed", what).about(&name).because("an upgrade puts a newer one in its place");
    let base = path.file_name().unwrap_or_default().display().to_string();
    finding.remedy("keep what you want in a drop-in, which outlives upgrades").command(format!("sudo systemctl edit {base}"))
}

fn misplaced(Misplaced { path, user, group, mode }: &Misplaced) -> Finding {
    let name = path.display().to_string();
    Finding::problem("permissions", format!("`{name}` should be {user}:{group} with mode {mode:04o}, and is not"))
        .about(&name)
        .because("others may read or change what is not theirs, or the hub can't read what it needs")
        .remedy("--fix puts it right")
        .command(format!("sudo chown {user}:{group} '{name}' && sudo chmod {mode:04o} '{name}'"))
}

/// What below `directory` somebody else than root can change, or that gives rights to whoever runs it. Links lead to what is
/// looked at where it is.
fn walk(directory: &Path, open: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        // What is built or removed meanwhile is not there any more.
        let Ok(about) = path.symlink_metadata() else { continue };
        if about.is_symlink() {
            continue;
        }
        if about.uid() != 0 || about.mode() & OTHERS_WRITE != 0 || (about.is_file() && about.mode() & SPECIAL != 0) {
            open.push(path.clone());
        }
        if about.is_dir() {
            walk(&path, open)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_change_is_found_wherever_it_is() {
        let root = tempfile::tempdir().unwrap();
        let place = |name: &str| root.path().join(name);
        std::fs::create_dir(place("deep")).unwrap();
        for (name, mode) in [("fine", 0o644), ("deep/open", 0o666), ("deep/special", 0o4755), ("program", 0o755)] {
            std::fs::write(place(name), "").unwrap();
            std::fs::set_permissions(place(name), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        std::os::unix::fs::symlink("/dev/null", place("link")).unwrap();
        let mut open = Vec::new();
        walk(root.path(), &mut open).unwrap();
        open.sort();
        assert_eq!(open, [place("deep/open"), place("deep/special")]);
    }

    #[test]
    fn a_program_that_changed_is_worse_than_a_unit() {
        let here = Path::new("/proc/self/exe");
        assert!(drifted(here, true).is_problem() && !drifted(here, false).is_problem());
        assert_eq!(drifted(Path::new("/nonexistent/unit"), false).id, "missing");
    }
}
