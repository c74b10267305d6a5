//! The server verbs: list, start and wait, stop and wait, logs.

use std::time::Duration;

use hub_core::accounts::Username;
use hub_core::control::{ACT_PATIENCE, MemoryKills, RefusalKind, Reply, ServerInfo, ServerPhase};
use hub_core::wire::LARGEST_FRAME;
use tokio::sync::watch;
use tokio::time::timeout;

use super::{ControlContext, Refusal, not_enrolled};
use crate::servers::{NOT_RUNNING, Remedy, View};

/// Less than hubctl waits, so that it hears what became of its wish.
const START_PATIENCE: Duration = Duration::from_secs(ACT_PATIENCE.as_secs() - 20);
/// systemd gives a server its time to end, and kills it then; this is longer than both together.
const STOP_PATIENCE: Duration = Duration::from_secs(150);
/// Most lines of a log in one answer.
const MOST_LINES: u32 = 10_000;
/// Most bytes of a log in one answer: in JSON a character can take six.
const MOST_LOG_BYTES: usize = LARGEST_FRAME / 8;

pub(super) fn all(context: &ControlContext) -> Vec<ServerInfo> {
    context.servers.list().into_iter().map(|(name, view)| describe(context, name, &view)).collect()
}

pub(super) fn list(context: &ControlContext) -> Reply {
    Reply::Servers { servers: all(context) }
}

pub(super) async fn start(context: &ControlContext, name: &Username, without_own: bool) -> Result<Reply, Refusal> {
    may_have_one(context, name).await?;
    let server = if without_own { context.servers.ensure_plain(name) } else { context.servers.ensure(name) };
    let view = until_up(name, server).await?;
    if without_own && !view.without_own {
        let hint = format!("hubctl server restart {name} --without-own");
        let message = format!("{name}'s server already runs, with {name}'s own packages and settings");
        return Err(Refusal::new(RefusalKind::Invalid, message).hint(hint));
    }
    Ok(Reply::Servers { servers: vec![describe(context, name.clone(), &view)] })
}

pub(super) async fn restart(context: &ControlContext, name: &Username, without_own: bool) -> Result<Reply, Refusal> {
    may_have_one(context, name).await?;
    let view = until_up(name, context.servers.restart(name, without_own)).await?;
    Ok(Reply::Servers { servers: vec![describe(context, name.clone(), &view)] })
}

async fn may_have_one(context: &ControlContext, name: &Username) -> Result<(), Refusal> {
    match context.people.find(name).await? {
        None => Err(not_enrolled(name)),
        Some(person) if person.blocked => {
            let hint = format!("hubctl user unblock {name}");
            Err(Refusal::new(RefusalKind::Invalid, format!("{name} is blocked")).hint(hint))
        }
        Some(_) => Ok(()),
    }
}

/// The view of a server that was asked for, once it runs.
async fn until_up(name: &Username, mut server: watch::Receiver<View>) -> Result<View, Refusal> {
    let settled = |view: &View| matches!(view.phase, ServerPhase::Running | ServerPhase::Failed | ServerPhase::Stopped);
    let view = until(&mut server, START_PATIENCE, settled).await?;
    match view.phase {
        ServerPhase::Running => Ok(view),
        ServerPhase::Failed => Err(failed(name, &view)),
        ServerPhase::Stopped if view.message == NOT_RUNNING => {
            Err(Refusal::new(RefusalKind::Failed, "somebody stopped the server while it was starting"))
        }
        ServerPhase::Stopped => {
            Err(Refusal::new(RefusalKind::Failed, format!("the server was not started: {}", view.message.trim_end_matches('.'))))
        }
        ServerPhase::Queued | ServerPhase::Starting | ServerPhase::Stopping => {
            let message = format!("the server does not run after {} s: {}", START_PATIENCE.as_secs(), view.message);
            Err(Refusal::new(RefusalKind::Busy, message).hint("it keeps its place; hubctl server list shows how it goes"))
        }
    }
}

pub(super) async fn stop(context: &ControlContext, name: &Username) -> Result<Reply, Refusal> {
    let known = context.people.find(name).await?.is_some();
    let view = match stop_and_wait(context, name).await? {
        Some(view) => view,
        None if known => context.servers.watch(name).borrow().clone(),
        None => return Err(not_enrolled(name)),
    };
    Ok(Reply::Servers { servers: vec![describe(context, name.clone(), &view)] })
}

/// Returns when nothing of the server runs any more, nor of what they started beside it. `None`: nothing of it ran before either.
pub(super) async fn stop_and_wait(context: &ControlContext, name: &Username) -> Result<Option<View>, Refusal> {
    context.apps.stop(name);
    let ended = stop_jupyter(context, name).await;
    context.apps.settled(name).await;
    ended
}

async fn stop_jupyter(context: &ControlContext, name: &Username) -> Result<Option<View>, Refusal> {
    if context.servers.watch(name).borrow().phase == ServerPhase::Stopped {
        return Ok(None);
    }
    let mut server = context.servers.stop(name);
    let settled = |view: &View| matches!(view.phase, ServerPhase::Stopped | ServerPhase::Failed);
    let view = until(&mut server, STOP_PATIENCE, settled).await?;
    match view.phase {
        ServerPhase::Stopped => Ok(Some(view)),
        ServerPhase::Failed => Err(failed(name, &view)),
        ServerPhase::Queued | ServerPhase::Starting | ServerPhase::Running | ServerPhase::Stopping => {
            let message = format!("the server is not down after {} s: {}", STOP_PATIENCE.as_secs(), view.message);
            Err(Refusal::new(RefusalKind::Failed, message).hint(format!("on the host: systemctl status '{}'", view.unit)))
        }
    }
}

pub(super) async fn logs(context: &ControlContext, name: &Username, lines: u32) -> Result<Reply, Refusal> {
    if context.people.find(name).await?.is_none() {
        return Err(not_enrolled(name));
    }
    let mut lines = context.launcher.logs(name, lines.clamp(1, MOST_LINES)).await?;
    let kept = newest_that_fit(&lines, MOST_LOG_BYTES);
    let view = context.servers.watch(name).borrow().clone();
    let lines = lines.split_off(lines.len() - kept);
    Ok(Reply::Logs { lines, memory_kills: memory_kills(&view), memory_limit_bytes: view.memory_limit_bytes })
}

/// How many of the last lines have at most `room` bytes together, quotes and commas counted.
fn newest_that_fit(lines: &[String], room: usize) -> usize {
    let mut used = 0;
    lines
        .iter()
        .rev()
        .take_while(|line| {
            used += line.len() + 3;
            used <= room
        })
        .count()
}

/// The view once it is `settled`, or the last one when `patience` has run out.
async fn until(server: &mut watch::Receiver<View>, patience: Duration, settled: fn(&View) -> bool) -> Result<View, Refusal> {
    match timeout(patience, server.wait_for(settled)).await {
        Ok(Ok(view)) => return Ok(view.clone()),
        Ok(Err(_)) => return Err(Refusal::new(RefusalKind::Failed, "the hub is shutting down")),
        Err(_) => {}
    }
    Ok(server.borrow().clone())
}

pub(super) fn failed(name: &Username, view: &View) -> Refusal {
    let why = view.failure.as_ref().map_or(view.message.as_str(), |failure| failure.summary.as_str());
    let mut hint = format!("hubctl server logs {name}");
    if may_be_own(view) {
        hint += &format!("; start without {name}'s own packages and settings: hubctl server start {name} --without-own");
    }
    Refusal::new(RefusalKind::Failed, why).hint(hint)
}

fn may_be_own(view: &View) -> bool {
    view.phase == ServerPhase::Failed && Remedy::of(view) != Remedy::Pointless
}

fn describe(context: &ControlContext, name: Username, view: &View) -> ServerInfo {
    let quota = context.config.get().limits_of(&name).cpu_quota;
    let cores = context.usage.cores() as f64;
    ServerInfo {
        cpu_cores: context.usage.cpu_of(&name),
        cpu_limit_cores: Some(quota.map_or(cores, |quota| quota.min(cores))),
        name,
        phase: view.phase,
        unit: view.unit.clone(),
        memory_bytes: view.memory_bytes,
        memory_limit_bytes: view.memory_limit_bytes,
        uptime_seconds: view.uptime.map(|uptime| uptime.as_secs()),
        memory_kills: memory_kills(view),
        problem: view.failure.as_ref().map(|failure| failure.summary.clone()),
        without_own: view.without_own,
        own_may_be_why: may_be_own(view),
    }
}

fn memory_kills(view: &View) -> MemoryKills {
    let kills = view.memory_kills;
    let age = kills.latest.and_then(|latest| latest.elapsed().ok());
    MemoryKills { count: kills.count, seconds_since_latest: age.map(|age| age.as_secs()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_log_the_newest_lines_are_kept() {
        let lines = ["first".to_owned(), "second".to_owned(), "third".to_owned()];
        for (room, kept) in [(1000, 3), (17, 2), (16, 1), (0, 0)] {
            assert_eq!(newest_that_fit(&lines, room), kept, "{room}");
        }
    }
}
