//! Putting a saved configuration in force, step by step, from the host. What the launcher's and the hub's sandboxes forbid
//! is done here, where somebody is root anyway: login sessions, the listening socket.

use anyhow::{Context, Result, bail};
use hub_core::config::Config;
use hub_core::control::{Reloaded, Reply, Request};
use hub_core::launcher::protocol::{self, Applied as Followed};
use hub_core::units::{LAUNCHER, OUTSIDE, SERVE};
use hub_core::wire;
use hub_system::systemctl::Systemctl;

use super::super::super::World;
use super::super::super::text::counted;
use super::applied::Applied;
use super::{homes, listener, network, operators};
use std::time::Duration;

/// The hub has to read a file and to end sessions.
const RELOAD_DEADLINE: Duration = Duration::from_secs(30);
/// Every running server may have to be limited anew, or ended.
const FOLLOW_DEADLINE: Duration = Duration::from_secs(120);

/// Which way it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To a new configuration.
    Forth,
    /// Back to one with which the hub was running: it runs again afterwards, whatever state it was left in.
    Back,
}

/// Makes the machine follow from `old`, where that is known, to `new`, which is saved already. Every step may be done
/// again, and most find nothing to do.
pub(super) fn apply(world: &World, old: Option<&Config>, new: &Config, way: Way) -> Result<Applied> {
    let systemctl = Systemctl::new(&world.paths);
    let mut applied = Applied::default();
    // Rights first: they end even if the hub itself can't follow.
    operators::apply(world, old, new, &mut applied)?;
    if let Err(error) = network::write(world, new) {
        applied.warnings.push(format!("New servers are not told of the package index: {error:#}"));
    }
    // Those who have a home keep it, so this does not keep a hub from running.
    let elsewhere = homes::write(world, new).unwrap_or_else(|error| {
        applied.warnings.push(format!("New homes can't be made: {error:#}"));
        false
    });
    let is_other_login = old.is_none_or(|old| old.login != new.login || old.hub.url != new.hub.url);
    let moved = listener::write(world, new)?;
    let state = systemctl.status(SERVE)?.active;
    if state == "inactive" && way == Way::Forth {
        if moved || elsewhere {
            systemctl.reload()?;
        }
        return Ok(applied);
    }
    if elsewhere {
        homes::restart(&systemctl)?;
    }
    applied.is_running = true;
    // Before the hub follows: whatever it asks from then on is answered by the new configuration.
    if is_other_login && let Err(error) = systemctl.job(["stop", OUTSIDE]) {
        applied.warnings.push(format!("Logins at providers may go on as they were for some minutes: {error:#}"));
    }
    // One that is not up has nobody to take anything away from, and reads the file when it starts.
    let mut restart = state != "active";
    if state == "active" {
        let reloaded = reload(world).context("telling the hub")?;
        restart |= reloaded.restart_needed;
        tell(&mut applied, &reloaded);
    }
    let followed = follow(world).context("telling the launcher")?;
    if moved || way == Way::Back && restart {
        listener::restart(&systemctl)?;
        applied.done.push(format!("The hub listens at {} now.", listener::addresses(world, new)));
    } else if restart {
        systemctl
            .job(["restart", SERVE])
            .with_context(|| format!("restarting {SERVE}; its last log lines:\n{}", systemctl.last_words(SERVE).trim_end()))?;
        applied.done.push("The hub was restarted; running servers were not touched.".to_owned());
    }
    if !followed.limited.is_empty() {
        let servers = counted(followed.limited.len(), "running server", "running servers");
        applied.done.push(format!("The limits of {servers} were changed, and read back from the kernel."));
    }
    applied.warnings.extend(followed.problems);
    Ok(applied)
}

/// Has those who run follow the file that was put back. One that is just starting reads it anyhow, and is not waited for:
/// it may itself wait until the file is right.
pub(in crate::config) fn remind(world: &mut World) -> Result<()> {
    let systemctl = Systemctl::new(&world.paths);
    if systemctl.status(SERVE)?.active == "active" && reload(world).context("telling the hub")?.restart_needed {
        world.printer.say("The hub listens elsewhere than the configuration says: systemctl restart hubd.socket hubd.service")?;
    }
    if systemctl.status(LAUNCHER)?.active == "active" {
        follow(world).context("telling the launcher")?;
    }
    Ok(())
}

fn tell(applied: &mut Applied, reloaded: &Reloaded) {
    for name in &reloaded.demoted {
        applied.done.push(format!("{name} has a lower role now: sessions ended, server stopped."));
    }
    for name in &reloaded.promoted {
        applied.done.push(if reloaded.stopping.contains(name) {
            format!("{name} has a higher role now: sessions ended, server stopped. They have to log in again.")
        } else {
            format!(
                "{name} has a higher role now, and has to log in again. To apply it to a running server: hubctl server restart \
                 {name}"
            )
        });
    }
    for name in &reloaded.need_link {
        applied.warnings.push(format!(
            "{name} can't log in with the password they have: it came from somebody who may not give one to people of their \
             role. Make a new link: hubctl user link {name}"
        ));
    }
    for name in reloaded.blocked.iter().filter(|name| reloaded.stopping.contains(name)) {
        applied.done.push(format!("{name} is blocked: sessions ended, server stopped."));
    }
}

fn reload(world: &World) -> Result<Reloaded> {
    match wire::ask(&world.paths.control_socket(), &Request::Reload, RELOAD_DEADLINE)? {
        Reply::Reloaded(reloaded) => Ok(reloaded),
        Reply::Refused(refusal) => bail!("{refusal}"),
        other => bail!("unexpected answer: {other:?}"),
    }
}

fn follow(world: &World) -> Result<Followed> {
    match wire::ask(&world.paths.launcher_socket(), &protocol::Request::Apply, FOLLOW_DEADLINE)? {
        protocol::Reply::Applied(followed) => Ok(followed),
        protocol::Reply::Refused(refusal) => bail!("{}", refusal.text()),
        other => bail!("unexpected answer: {other:?}"),
    }
}
