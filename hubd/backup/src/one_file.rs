//! One file of one person, as it was: root takes it out of the backup, and a unit that is that person writes it.

use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hub_core::accounts::{Username, lookup};
use hub_core::paths::Paths;
use hub_system::accounts::homes;
use hub_system::accounts::table::{Record, Table, TableFile};
use hub_system::sandbox::SHARED;
use hub_system::transient::{Attachment, TransientRun};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::manifest::{ACCOUNTS, MANIFEST, Manifest};
use crate::receive::is_below_a_home;
use crate::{Problem, Restic};

/// A large file, to a slow disk.
const DEADLINE: Duration = Duration::from_secs(3600);
/// More than a description of a hub has.
const LARGEST_PART: u64 = 64 << 20;

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
    let record = table.find(name).cloned();
    let account = record.as_ref().map(|record| lookup::account_by_name(&record.account)).transpose()?.flatten();
    let Some((record, account)) = record.zip(account).filter(|(record, account)| account.uid == record.uid) else {
        let hint = format!("it has one when {name} has started a server: sudo hubctl server start {name}");
        return Err(Problem::new(format!("{name} has no account on this machine"), hint).into());
    };
    let file = tempfile::tempfile_in(paths.large_temporary()).context("making a temporary file")?;
    let then = home_then(paths, restic, snapshot, &record)?;
    let text = then.join(path).to_str().context("hubctl can't handle this name: it is not UTF-8")?.to_owned();
    restic.dump(snapshot, &text, file.as_fd().try_clone_to_owned().context("handing over a file")?.into())?;
    std::io::Seek::rewind(&mut &file).context("reading what the backup had")?;
    let (Some(parent), Some(leaf)) = (account.home.parent(), account.home.file_name()) else {
        bail!("`{}` is not a home", account.home.display());
    };
    let home = homes::resolve(parent)?.join(leaf);
    let date = Timestamp::now().to_zoned(zone.clone()).strftime("%Y-%m-%d").to_string();
    let text = home.display().to_string();
    let arguments = ["backup", "receive", &text, &date, "--", path.to_str().unwrap_or_default()];
    let output = TransientRun::new(Attachment::Piped, "hubd: a file of a backup")
        .properties(properties(account.uid, account.gid, &home))
        .command(DEADLINE, &paths.binaries().join("hubctl"), arguments)
        .input_file(file)
        .output()?;
    if !output.success() {
        let said = output.stderr.trim().trim_start_matches("error: ").to_owned();
        return Err(Problem::new(format!("it could not be written: {said}"), "is the disk full? hubctl status").into());
    }
    Ok(PathBuf::from(output.stdout.trim_end_matches('\n')))
}

/// Where the home of the person with `record` was in a backup, by what that says of its hub: names and places may be others since.
fn home_then(paths: &Paths, restic: &Restic, snapshot: &str, record: &Record) -> Result<PathBuf> {
    let part = |name: &str| -> Result<String> {
        let file = tempfile::tempfile_in(paths.large_temporary()).context("making a temporary file")?;
        let path = paths.backup_stage().join(name).display().to_string();
        restic.dump(snapshot, &path, file.try_clone().context("handing over a file")?)?;
        std::io::Seek::rewind(&mut &file).context("reading what the backup had")?;
        let mut text = String::new();
        file.take(LARGEST_PART).read_to_string(&mut text).context("reading what the backup says of its hub")?;
        Ok(text)
    };
    let manifest: Manifest = serde_json::from_str(&part(MANIFEST)?).context("reading what the backup says of its hub")?;
    let then = Table::parse(&part(ACCOUNTS)?)?;
    refuse_another(record, &then)?;
    let home = manifest.homes.into_iter().find(|home| home.name == record.name);
    home.map(|home| home.path).ok_or_else(|| {
        let hint = "sudo hubctl backup list says which others there are";
        Problem::new(format!("the home of {} is not in this backup", record.name), hint).into()
    })
}

/// Whether who is called so now is who was called so `then`: somebody may be removed, and the name be given to somebody else.
fn refuse_another(now: &Record, then: &Table) -> Result<(), Problem> {
    let name = &now.name;
    match then.find(name) {
        Some(then) if then.uid == now.uid || then.created == now.created => Ok(()),
        Some(_) => Err(Problem::new(
            format!("who was called {name} in this backup is not who is called so now: that account was removed since"),
            "name a newer backup; sudo hubctl backup list says which there are",
        )),
        None => Err(Problem::new(
            format!("{name} had no account when this backup was made"),
            "name a newer backup; sudo hubctl backup list says which there are",
        )),
    }
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
    fn a_name_that_was_given_to_somebody_else_gets_nothing_of_who_had_it() {
        let record = |uid, created| Record { name: "bob".parse().unwrap(), account: format!("jupyter-bob-{uid}"), uid, created };
        let mut then = Table::default();
        let now = record(20_005, 900);
        assert!(refuse_another(&now, &then).unwrap_err().what.contains("had no account when this backup was made"));
        then.insert(record(20_001, 500)).unwrap();
        assert!(refuse_another(&now, &then).unwrap_err().what.contains("is not who is called so now"));
        // The same, and after a move to where the number was taken.
        for same in [record(20_001, 500), record(20_009, 500)] {
            refuse_another(&same, &then).unwrap();
        }
    }

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
