//! One file of one person, as it was: root takes it out of the backup, and a unit that is that person writes it.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hub_core::accounts::{Username, lookup};
use hub_core::paths::Paths;
use hub_system::accounts::homes;
use hub_system::accounts::table::TableFile;
use hub_system::command::Command;
use hub_system::sandbox::SHARED;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::receive::is_below_a_home;
use crate::{Problem, Restic, unit};

const SYSTEMD_RUN: &str = "/usr/bin/systemd-run";
/// A large file, to a slow disk.
const DEADLINE: Duration = Duration::from_secs(3600);

/// Brings the file at `path` below the home of `name` back from a backup; returns where it is, below the home.
///
/// # Errors
/// When there is no such person or file, or it can't be written.
pub fn bring(paths: &Paths, restic: &Restic, snapshot: &str, name: &Username, path: &Path, zone: &TimeZone) -> Result<PathBuf> {
    if !is_below_a_home(path) {
        let what = format!("`{}` is not the path of a file below a home", path.display());
        return Err(Problem::new(what, "name it as seen from the home: notebooks/x.ipynb").into());
    }
    let table = TableFile::new(paths.accounts()).read()?;
    let account = table.find(name).map(|record| lookup::account_by_name(&record.account)).transpose()?.flatten();
    let uid = table.find(name).map(|record| record.uid);
    let Some(account) = account.filter(|account| Some(account.uid) == uid) else {
        let hint = format!("it has one when {name} has started a server: sudo hubctl server start {name}");
        return Err(Problem::new(format!("{name} has no account on this machine"), hint).into());
    };
    let (Some(parent), Some(leaf)) = (account.home.parent(), account.home.file_name()) else {
        bail!("`{}` is not a home", account.home.display());
    };
    let home = homes::resolve(parent)?.join(leaf);
    let text = home.join(path).to_str().context("hubctl can't handle this name: it is not UTF-8")?.to_owned();
    let file = tempfile::tempfile_in(paths.large_temporary()).context("making a temporary file")?;
    restic.dump(snapshot, &text, file.as_fd().try_clone_to_owned().context("handing over a file")?.into())?;
    std::io::Seek::rewind(&mut &file).context("reading what the backup had")?;
    let date = Timestamp::now().to_zoned(zone.clone()).strftime("%Y-%m-%d").to_string();
    let mut command = Command::new(SYSTEMD_RUN, DEADLINE)
        .args(["--quiet", "--wait", "--pipe", "--collect", "--service-type=exec"])
        .arg("--description=hubd: a file of a backup");
    for property in properties(account.uid, account.gid, &home) {
        command = command.arg("--property").arg(property);
    }
    let program = paths.binaries().join("hubctl").display().to_string();
    let command = command
        .args(["--".to_owned(), program, "backup".to_owned(), "receive".to_owned()])
        .args([home.display().to_string(), date])
        .arg("--")
        .arg(unit::literal(path.to_str().unwrap_or_default()))
        .input_file(file);
    let output = command.output()?;
    if !output.success() {
        let said = output.stderr.trim().trim_start_matches("error: ").to_owned();
        return Err(Problem::new(format!("it could not be written: {said}"), "is the disk full? hubctl status").into());
    }
    Ok(PathBuf::from(output.stdout.trim_end_matches('\n')))
}

/// The person, with their home and nothing else to write to.
fn properties(uid: u32, gid: u32, home: &Path) -> Vec<String> {
    let mut properties: Vec<String> = SHARED.iter().map(|&text| text.to_owned()).collect();
    properties.extend([
        format!("User={uid}"),
        format!("Group={gid}"),
        "CapabilityBoundingSet=".to_owned(),
        "PrivateNetwork=yes".to_owned(),
        "RestrictAddressFamilies=AF_UNIX".to_owned(),
        "ProtectHome=tmpfs".to_owned(),
        "TemporaryFileSystem=/run:ro".to_owned(),
        "InaccessiblePaths=-/srv -/var/lib/hubd -/etc/hubd".to_owned(),
        format!("BindPaths={}", home.display()),
        format!("ReadWritePaths={}", home.display()),
        "UMask=0077".to_owned(),
        "TasksMax=8".to_owned(),
        "MemoryMax=256M".to_owned(),
    ]);
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_writes_is_the_person_and_sees_one_home() {
        let properties = properties(20_000, 20_000, Path::new("/home/hubd/jupyter-ada"));
        for property in ["User=20000", "Group=20000", "CapabilityBoundingSet=", "NoNewPrivileges=yes", "ProtectSystem=strict"] {
            assert!(properties.iter().any(|one| one == property), "{property}");
        }
        let writes: Vec<&String> = properties.iter().filter(|one| one.starts_with("BindPaths=")).collect();
        assert_eq!(writes, ["BindPaths=/home/hubd/jupyter-ada"]);
    }
}
