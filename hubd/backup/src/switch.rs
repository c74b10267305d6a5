//! The moment in which a backup takes its place: hub and servers stop, everything that was fetched is put where it belongs, the hub
//! starts. A unit does it, which neither a lost terminal nor the end of hubctl cuts short, and which systemd starts again when it is
//! killed: it goes on where it was.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hub_core::config;
use hub_core::paths::Paths;
use hub_core::units::{LAUNCHER, SERVE, SERVE_SOCKETS};
use hub_system::lock::{LockGuard, try_lock};
use hub_system::systemctl::Systemctl;
use hub_system::transient::{Attachment, TransientRun};

use crate::restore::{self, Progress};
use crate::{Problem, place};

const UNIT: &str = "hubd-backup-switch.service";
/// Homes on another disk are copied.
const DEADLINE: Duration = Duration::from_secs(24 * 3600);
const LAUNCHER_SOCKET: &str = "hubd-launcher.socket";
/// Everybody's servers and apps.
const SERVERS: &str = "hubd-user-*.service";

/// Has the unit do it, and waits for it; says what came of it.
///
/// # Errors
/// When something could not be put in its place.
pub fn start(paths: &Paths) -> Result<Progress> {
    let output = TransientRun::new(Attachment::Waited, "hubd: a backup takes its place")
        .unit(UNIT)
        // Killed, it goes on; what went wrong would do so again.
        .properties(["Restart=on-abnormal", "RestartSec=100ms", "NoNewPrivileges=yes"])
        .command(DEADLINE, &paths.binaries().join("hubctl"), ["backup", "switch"])
        .output()?;
    let progress = Progress::load(paths)?.context("what is known of the restore is gone")?;
    match (&progress.problem, progress.placed) {
        (None, true) => Ok(progress),
        (Some(problem), _) => bail!("{problem}"),
        (None, false) => bail!("{UNIT} did not do it: {}; journalctl --unit {UNIT} says more", output.stderr.trim()),
    }
}

/// Held while things take their places.
///
/// # Errors
/// When they do already.
pub fn alone(paths: &Paths) -> Result<LockGuard> {
    let lock = paths.backup_state().join("switch.lock");
    try_lock(&lock)?.ok_or_else(|| {
        let hint = format!("wait until that is done: systemctl status {UNIT}");
        Problem::new("a backup is taking its place", hint).into()
    })
}

/// What the unit does.
///
/// # Errors
/// When something could not be put in its place; it is remembered, and the hub runs.
pub fn perform(paths: &Paths) -> Result<()> {
    let _alone = alone(paths)?;
    let mut progress = Progress::load(paths)?.filter(|progress| progress.fetched && progress.configured);
    let Some(progress) = progress.as_mut() else { bail!("nothing was fetched that could take its place") };
    let systemctl = Systemctl::new(paths);
    stop(&systemctl)?;
    let placed = if progress.placed { Ok(()) } else { put(paths, progress) };
    progress.problem = placed.as_ref().err().map(|error| format!("{error:#}"));
    progress.save(paths)?;
    // Whatever came of it, nobody is kept out.
    start_hub(paths)?;
    placed
}

fn put(paths: &Paths, progress: &mut Progress) -> Result<()> {
    let (parts, config) = (restore::parts_fetched_before(paths)?, config::read(&paths.config_file())?.config);
    let accounts = restore::accounts(paths, &parts, &config)?;
    if !progress.database {
        place::database(paths, &parts, &progress.begun)?;
        progress.database = true;
        progress.save(paths)?;
    }
    let mut aside: Vec<PathBuf> = place::homes(paths, &parts, &accounts, &config, &progress.begun)?;
    aside.extend(place::class_folder(paths, &parts, &config, &progress.begun)?);
    progress.aside.extend(aside);
    progress.placed = true;
    Ok(())
}

fn stop(systemctl: &Systemctl) -> Result<()> {
    let units = SERVE_SOCKETS.into_iter().chain([SERVE, LAUNCHER_SOCKET, LAUNCHER, SERVERS]);
    systemctl.job(std::iter::once("stop").chain(units)).context("stopping the hub and everybody's servers")
}

/// Starts the hub, where it does not run.
///
/// # Errors
/// When it does not start.
pub fn start_hub(paths: &Paths) -> Result<()> {
    let units = std::iter::once(LAUNCHER_SOCKET).chain(SERVE_SOCKETS).chain([LAUNCHER, SERVE]);
    Systemctl::new(paths).job(std::iter::once("start").chain(units)).context("starting the hub again")
}
