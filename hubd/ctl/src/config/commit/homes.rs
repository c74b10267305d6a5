//! Where homes are made: judged before anything is saved, then opened to the launcher, whose sandbox allows no other place.

use anyhow::{Context, Result};
use hub_core::config::Config;
use hub_core::sys::atomic::{self, Access};
use hub_core::units::LAUNCHER;
use hub_system::accounts::homes;
use hub_system::systemctl::Systemctl;

use super::super::super::World;
use super::super::super::failure::{Cause, Failure};

/// Refuses a place that can't hold homes on this machine, when it is a new one.
///
/// # Errors
/// Why it can't.
pub(super) fn check(old: Option<&Config>, new: &Config) -> Result<()> {
    if old.is_some_and(|old| old.accounts.homes == new.accounts.homes) {
        return Ok(());
    }
    homes::place(&new.accounts.homes).map(drop).map_err(|error| {
        let text = format!("{error:#}");
        let (problem, hint) =
            text.split_once("\nhint: ").map_or((text.as_str(), None), |(text, hint)| (text, Some(hint.to_owned())));
        Failure::new(Cause::Failed, format!("`accounts.homes`: {problem}\nNothing was changed."), hint).into()
    })
}

/// Makes the directory and tells the launcher's unit of it. `false`: that knew already.
///
/// # Errors
/// When something on the way is not root's alone, or nothing can be written.
pub(super) fn write(world: &World, config: &Config) -> Result<bool> {
    // Nothing starts where nothing is installed.
    if !world.paths.units().join(LAUNCHER).is_file() {
        return Ok(false);
    }
    let path = world.paths.homes_drop_in();
    let real = homes::resolve(&config.accounts.homes)?;
    let wanted = homes::drop_in(&real);
    match fs_err::read_to_string(&path) {
        Ok(found) if found == wanted => return Ok(false),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).context("reading where homes are made"),
        _ => {}
    }
    homes::make(&real)?;
    if let Some(directory) = path.parent() {
        fs_err::create_dir_all(directory)?;
    }
    atomic::replace(&path, wanted.as_bytes(), Access::mode(0o644)).context("writing where homes are made")?;
    Ok(true)
}

/// Lets the launcher run with what its unit says by now. Servers are not its children and go on.
///
/// # Errors
/// When it does not start.
pub(super) fn restart(systemctl: &Systemctl) -> Result<()> {
    systemctl.reload()?;
    systemctl
        .job(["try-restart", LAUNCHER])
        .with_context(|| format!("restarting {LAUNCHER}; its last log lines:\n{}", systemctl.last_words(LAUNCHER).trim_end()))
}
