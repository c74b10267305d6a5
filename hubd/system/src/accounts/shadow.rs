//! Making and deleting unix accounts with the machine's own tools, which own the locking of its files.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::command::Command;

const USERADD: &str = "/usr/sbin/useradd";
const USERMOD: &str = "/usr/sbin/usermod";
const USERDEL: &str = "/usr/sbin/userdel";
const GROUPADD: &str = "/usr/sbin/groupadd";
const GPASSWD: &str = "/usr/bin/gpasswd";
const GROUPDEL: &str = "/usr/sbin/groupdel";
/// The tools wait up to 15 s for each other's lock.
const DEADLINE: Duration = Duration::from_secs(60);
/// `userdel` says so when there is no such account.
const NO_SUCH_ACCOUNT: i32 = 6;
/// `groupdel` says so when there is no such group.
const NO_SUCH_GROUP: i32 = 6;
/// No way in but through the hub: no login shell, and `useradd` sets no password.
const SHELL: &str = "/usr/sbin/nologin";
/// Days after 1970 that the account was good for: whatever asks PAM, or the shadow file itself, lets nobody in and starts nothing
/// for it, be that sshd (a key needs no login shell), cron, at or `user@.service`. systemd asks neither for `User=` in a unit.
const EXPIRED: &str = "1";
/// The same for everybody: what a person typed has no place in the password file.
const COMMENT: &str = "hubd classroom account";

/// An account to make. It gets a group of its own name besides `group`, and no home: `accounts::home` makes that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its number.
    pub uid: u32,
    /// Where its home is, or will be.
    pub home: &'a Path,
    /// The group of all people of the hub.
    pub group: &'a str,
}

/// An account for a service of the hub, without a home and without a way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is for.
    pub comment: &'a str,
    /// What stands as its home; not made here.
    pub home: &'a Path,
    /// Its only group, which exists.
    pub group: &'a str,
}

/// Makes an account for a service, with a number from those of the system.
///
/// # Errors
/// When `useradd` refuses, with what it said.
pub fn add_service(account: &ServiceAccount<'_>) -> Result<()> {
    Command::new(USERADD, DEADLINE)
        .args(["--system", "--no-create-home", "--no-user-group", "--shell", SHELL])
        .args(["--gid", account.group, "--comment", account.comment])
        .args(["--home-dir", &account.home.to_string_lossy()])
        .args(["--", account.name])
        .run()?;
    Ok(())
}

/// Makes a group with a number from those of the system.
///
/// # Errors
/// When `groupadd` refuses, with what it said.
pub fn add_group(name: &str) -> Result<()> {
    Command::new(GROUPADD, DEADLINE).args(["--system", "--", name]).run()?;
    Ok(())
}

/// Takes `account` out of `group`.
///
/// # Errors
/// When `gpasswd` refuses, with what it said.
pub fn leave_group(account: &str, group: &str) -> Result<()> {
    Command::new(GPASSWD, DEADLINE).args(["--delete", account, group]).run()?;
    Ok(())
}

/// Deletes the group called `name`. One that is not there is deleted already.
///
/// # Errors
/// When `groupdel` refuses, with what it said.
pub fn remove_group(name: &str) -> Result<()> {
    let output = Command::new(GROUPDEL, DEADLINE).args(["--", name]).output()?;
    match output.code {
        Some(0 | NO_SUCH_GROUP) => Ok(()),
        code => bail!("`{GROUPDEL} -- {name}` ended with {code:?}: {}", output.stderr.trim()),
    }
}

/// Makes an account that nobody can log in to.
///
/// # Errors
/// When `useradd` refuses, with what it said.
pub fn add(account: &NewAccount<'_>) -> Result<()> {
    if account.uid < 1000 {
        bail!("uid {} is for the system; expected at least 1000", account.uid);
    }
    Command::new(USERADD, DEADLINE)
        .args(["--uid", &account.uid.to_string()])
        .args(["--user-group", "--groups", account.group])
        .args(["--home-dir", &account.home.to_string_lossy(), "--no-create-home"])
        .args(["--shell", SHELL, "--comment", COMMENT])
        .args(["--expiredate", EXPIRED])
        // The login log is as long as the highest uid in it.
        .arg("--no-log-init")
        // No range of subordinate ids: servers may not make user namespaces.
        .args(["--key", "SUB_UID_COUNT=0", "--key", "SUB_GID_COUNT=0"])
        .args(["--", account.name])
        .run()?;
    Ok(())
}

/// Lets the account called `name` expire, as those are that [`add`] makes.
///
/// # Errors
/// When `usermod` refuses, with what it said.
pub fn expire(name: &str) -> Result<()> {
    Command::new(USERMOD, DEADLINE).args(["--expiredate", EXPIRED, "--", name]).run()?;
    Ok(())
}

/// Deletes the account called `name` and its group; its files stay. One that is not there is deleted already.
///
/// # Errors
/// When `userdel` refuses, with what it said.
pub fn remove(name: &str) -> Result<()> {
    let output = Command::new(USERDEL, DEADLINE).args(["--", name]).output()?;
    match output.code {
        Some(0 | NO_SUCH_ACCOUNT) => Ok(()),
        code => bail!("`{USERDEL} -- {name}` ended with {code:?}: {}", output.stderr.trim()),
    }
}
