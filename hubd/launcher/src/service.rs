//! The launcher's socket: who asks, may they, one request and one reply per connection, one audit line per act.

use std::os::unix::net::UnixListener as StdListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hub_core::accounts::lookup;
use hub_core::launcher::protocol::{Refusal, RefusalKind, Reply, Request};
use hub_core::paths::Paths;
use hub_core::peers::{Most, Peers};
use hub_core::text::shortened;
use hub_core::wire::{self, Intake, Received};
use hub_daemon::NotifyState;
use hub_daemon::health::{keep_alive, tell};
use hub_system::systemd::Manager;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use super::access::Peer;
use super::accounts::{Machine, ThisMachine};
use super::verbs::Launcher;
use super::which::Which;

/// The account and the group that `hubd serve` runs as.
const HUB_ACCOUNT: &str = "hubd";
/// What `systemctl status` shows.
const STATUS: &str = "Listening to root and the hub";
/// How long a peer may take to say what it wants, and to take the answer.
const PEER_DEADLINE: Duration = Duration::from_secs(10);
/// What the hub, and root, may each have at a time. Together they leave room below the usual limit of 1,024 files.
const MOST: Most = Most { open: 400, talking: 400 };
/// How long requests under way may take when systemd ends the launcher.
const FAREWELL_DEADLINE: Duration = Duration::from_secs(20);
/// How long what was asked for, or why it was refused, may be in a line of the log; bytes.
const LONGEST_LOGGED: usize = 1000;
/// After an error of the listening socket itself, as when no descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers on the socket that systemd passed, until systemd says to stop.
///
/// # Errors
/// When there is no such socket, or the machine has no account `hubd`.
pub async fn run(paths: Paths) -> Result<()> {
    let listener = inherited_listener()?;
    let hub = lookup::account_by_name(HUB_ACCOUNT)?;
    let (Some(hub), Some(hub_gid)) = (hub, lookup::group_by_name(HUB_ACCOUNT)?) else {
        bail!("unix account or group `{HUB_ACCOUNT}` is missing\nhint: run hub-installer install again, it makes them");
    };
    if hub.uid == 0 {
        bail!("unix account `{HUB_ACCOUNT}` has uid 0; expected one without any privilege");
    }
    let launcher = Arc::new(Launcher::new(paths.clone(), Manager::system(), ThisMachine(paths), hub_gid));
    launcher.prepare().await;
    let mut end = signal(SignalKind::terminate()).context("waiting for signals")?;
    tell(&[NotifyState::Ready]);
    let peers = Peers::new(MOST);
    tokio::select! {
        () = accept(&listener, &launcher, hub.uid, &peers) => {}
        // Proves that this loop turns. Not that systemd answers: to end the launcher would not help against that.
        () = keep_alive(async || Ok(STATUS.to_owned())) => {}
        _ = end.recv() => {}
    }
    tell(&[NotifyState::Stopping]);
    // What is under way is finished, so that no account is left half made for no reason.
    if timeout(FAREWELL_DEADLINE, peers.gone()).await.is_err() {
        tracing::warn!("ending with requests under way: they took more than {} s", FAREWELL_DEADLINE.as_secs());
    }
    Ok(())
}

fn inherited_listener() -> Result<UnixListener> {
    let mut passed = listenfd::ListenFd::from_env();
    let listener: Option<StdListener> = if passed.len() == 0 { None } else { passed.take_unix_listener(0)? };
    let Some(listener) = listener else {
        bail!("systemd passed no socket\nhint: systemctl start hubd-launcher.socket");
    };
    listener.set_nonblocking(true).context("taking over the socket")?;
    UnixListener::from_std(listener).context("taking over the socket")
}

async fn accept<M: Machine + 'static>(listener: &UnixListener, launcher: &Arc<Launcher<M>>, hub_uid: u32, peers: &Peers) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let Some(place) = stream.peer_cred().ok().and_then(|peer| peers.place(peer.uid())) else {
                    tracing::warn!("hung up on a peer that the kernel can't name, or that has {} connections already", MOST.open);
                    continue;
                };
                let launcher = Arc::clone(launcher);
                tokio::spawn(async move {
                    converse(stream, &launcher, hub_uid, place.intake()).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::error!(%error, "can't accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One request, one reply. What goes wrong with the peer itself is its own problem.
async fn converse<M: Machine + 'static>(mut stream: UnixStream, launcher: &Arc<Launcher<M>>, hub_uid: u32, intake: &Intake) {
    let uid = match stream.peer_cred() {
        Ok(peer) => peer.uid(),
        Err(error) => {
            tracing::warn!(%error, "hung up on a peer that the kernel can't name");
            return;
        }
    };
    let peer = Peer::new(uid, hub_uid);
    let reply = match timeout(PEER_DEADLINE, intake.receive_strictly::<Request>(&mut stream)).await {
        Ok(Ok(Some(Received { message, .. }))) => answer(message, peer, uid, launcher).await,
        Ok(Ok(None)) => return,
        Ok(Err(error)) => {
            Reply::Refused(Refusal::new(RefusalKind::Failed, format!("this is not a request that the launcher knows: {error}")))
        }
        Err(_) => {
            tracing::debug!(peer_uid = uid, "hung up on a peer that said nothing for {} s", PEER_DEADLINE.as_secs());
            return;
        }
    };
    match timeout(PEER_DEADLINE, wire::send_async(&mut stream, &reply)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(peer_uid = uid, %error, "the peer did not wait for its answer"),
        Err(_) => tracing::debug!(peer_uid = uid, "the peer did not take its answer"),
    }
}

async fn answer<M: Machine + 'static>(request: Request, peer: Peer, uid: u32, launcher: &Arc<Launcher<M>>) -> Reply {
    let verb = request.verb();
    if !peer.may(&request) {
        tracing::warn!(peer_uid = uid, verb, "refused a request that this peer may not make");
        return not_allowed(&format!("only root may ask the launcher to {verb}"));
    }
    if let Request::Environment { asker, ask } = &request
        && let Some(act) = ask.act()
    {
        let (asker, act) = (asker.to_string(), shortened(&act, LONGEST_LOGGED));
        let asker = shortened(&asker, LONGEST_LOGGED);
        tracing::info!(%asker, peer_uid = uid, "environment: {asker} asks for {act}");
    }
    if let Request::Upgrade { asker, ask } = &request
        && let Some(act) = ask.act()
    {
        let (asker, act) = (asker.to_string(), shortened(&act, LONGEST_LOGGED));
        let asker = shortened(&asker, LONGEST_LOGGED);
        tracing::info!(%asker, peer_uid = uid, "upgrade: {asker} asks for {act}");
    }
    let acted = match &request {
        Request::Start { name, app } | Request::Restart { name, app, .. } | Request::Stop { name, app } => {
            Some((name.clone(), Which { name, app: app.as_ref() }.unit().to_string()))
        }
        Request::Ensure { name }
        | Request::StartPlain { name }
        | Request::Expel { name }
        | Request::MoveAside { name, .. }
        | Request::Remove { name, .. } => Some((name.clone(), Which::jupyter(name).unit().to_string())),
        _ => None,
    };
    let begun = Instant::now();
    let reply = launcher.answer(request).await;
    let duration_ms = begun.elapsed().as_millis();
    match (&acted, &reply) {
        (Some((name, unit)), Reply::Refused(refusal)) => {
            let refusal = shortened_refusal(refusal);
            tracing::warn!(user = %name, unit, peer_uid = uid, duration_ms, "could not {verb} for {name}: {refusal}");
        }
        (Some((name, unit)), _) => tracing::info!(user = %name, unit, peer_uid = uid, duration_ms, "{verb} for {name}: done"),
        (None, Reply::Refused(refusal)) => {
            tracing::warn!(peer_uid = uid, duration_ms, "could not answer {verb}: {}", shortened_refusal(refusal));
        }
        (None, _) => tracing::debug!(peer_uid = uid, duration_ms, "answered {verb}"),
    }
    reply
}

/// What was asked for may be in it, which has any length.
fn shortened_refusal(refusal: &Refusal) -> String {
    shortened(&refusal.to_string(), LONGEST_LOGGED).into_owned()
}

fn not_allowed(message: &str) -> Reply {
    Reply::Refused(Refusal::new(RefusalKind::NotAllowed, message))
}

#[cfg(test)]
mod tests;
