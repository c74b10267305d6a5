//! Accounts of the machine that are operators: the hub looks them up at each request, so nothing has to be told to anybody. Those
//! who are none any more may have root from before (earlier versions gave operators a sudo rule, the machine's owner may have
//! given them more): a root shell is in a login session, so the session ends with everything in it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use hub_core::accounts::lookup::{self, Account};
use hub_core::config::Config;
use hub_system::command::Command;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::super::super::World;
use super::applied::Applied;

const LOGIND_DEADLINE: Duration = Duration::from_secs(15);
/// Groups that sudo gives everything to, on one distribution or another. They are the machine owner's affair.
const MIGHTY_GROUPS: [&str; 3] = ["sudo", "wheel", "admin"];

/// Ends the sessions of those who were operators under `old` and are none under `new`.
pub(super) fn apply(world: &World, old: Option<&Config>, new: &Config, applied: &mut Applied) -> Result<()> {
    let former = old.into_iter().flat_map(|old| &old.roles.host_operators);
    for name in former.filter(|name| !new.roles.host_operators.contains(name)) {
        match lookup::account_by_name(name)? {
            Some(account) => end(world, &account, applied)?,
            None => tracing::debug!(account = name, "a former operator has no account, so nothing of it runs"),
        }
    }
    Ok(())
}

/// Ends everything that runs in login sessions of `account`, as whoever it runs.
fn end(world: &World, account: &Account, applied: &mut Applied) -> Result<()> {
    let name = &account.name;
    if is_in_session_of(world, account)? {
        applied.warnings.push(format!(
            "{name} is no longer an operator, but this command runs in their session: it stays until you end it \
             (loginctl terminate-user {name})"
        ));
    } else {
        for arguments in [["kill-user", "--signal=KILL", name], ["terminate-user", "--", name]] {
            let output = Command::new(world.paths.loginctl(), LOGIND_DEADLINE).args(arguments).output()?;
            if !output.success() {
                // What logind says when nobody of that name is logged in.
                tracing::debug!(account = name, "{}", output.stderr.trim());
            }
        }
        let left = sweep(world, account)?;
        applied.done.push(match left {
            0 => format!("{name} is no longer an operator; login sessions ended, with everything in them."),
            left => format!("{name} is no longer an operator; login sessions ended, and {left} processes outside of them."),
        });
    }
    let groups = lookup::groups_of(account);
    if let Some(group) = groups.iter().find(|group| MIGHTY_GROUPS.contains(&group.as_str())) {
        applied
            .warnings
            .push(format!("{name} is in group {group}, so sudo may still give root to {name}: deluser {name} {group}"));
    }
    Ok(())
}

/// Whether this very program runs in a login session of `account`.
fn is_in_session_of(world: &World, account: &Account) -> Result<bool> {
    let own = fs_err::read_to_string(world.paths.kernel_figures().join("self/cgroup"))
        .context("finding out in which session this runs")?;
    Ok(own.contains(&format!("/user-{}.slice", account.uid)))
}

/// Kills what the kernel knows to have been begun by a login of `account`, wherever it is now and whoever it runs as.
/// Returns how many there were. Where the kernel keeps no such record, there are none.
fn sweep(world: &World, account: &Account) -> Result<usize> {
    let mut killed = 0;
    for process in fs_err::read_dir(world.paths.kernel_figures())? {
        let process = process?;
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        if login_of(&process.path()) == Some(account.uid) {
            // It may be gone by now.
            match kill(Pid::from_raw(pid), Signal::SIGKILL) {
                Ok(()) => killed += 1,
                Err(error) => tracing::debug!(pid, %error, "killing a process of a former operator"),
            }
        }
    }
    Ok(killed)
}

fn login_of(process: &Path) -> Option<u32> {
    std::fs::read_to_string(process.join("loginuid")).ok()?.trim().parse().ok()
}
