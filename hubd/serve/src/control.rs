//! The hub's end of the control socket (root's `hubctl` on the host), of the operator socket (`hubctl` of operators on the
//! host), of the admin socket (`hubctl` in an administrator's server), and of the pages on which people are looked after. Who
//! asks is what the kernel says about the peer, or whose session it is; what they may is looked up anew for each request.

mod access;
mod audit;
mod backup;
mod configuration;
mod environment;
mod https;
mod logins;
mod people;
mod reload;
mod roster;
mod servers;
#[cfg(test)]
mod tests;
mod tokens;
mod upgrade;

use std::io;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::FutureExt;
use hub_core::accounts::Username;
use hub_core::config::Config;
use hub_core::control::usage::Span;
use hub_core::control::{HubStatus, Refusal, RefusalKind, Reply, Request};
use hub_core::paths::Paths;
use hub_core::wire::{self, Intake};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

pub use access::Access;
use access::Actor;
use audit::Through;
use hub_core::launcher::client::Client;
use hub_core::peers::{Most, Peers};
pub(crate) use roster::named;

use crate::apps::Apps;
use crate::auth::{Holder, People};
use crate::listen::Tls;
use crate::live::Live;
use crate::servers::Servers;
use crate::usage::Usage;

/// What one account may have at a time on one socket: whoever connects and says nothing is in nobody else's way.
const MOST: Most = Most { open: 64, talking: 8 };
/// How long a caller may take to say what it wants, and to take the answer.
const TALK_DEADLINE: Duration = Duration::from_secs(10);
/// Pause after a connection could not be accepted (no more descriptors): asking again at once would only burn time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What the requests are about. Cheap to clone.
#[derive(Clone)]
pub struct ControlContext {
    /// Policy: who is an administrator, where the hub is.
    pub config: Live<Config>,
    /// What this process began with.
    pub initial: Arc<Config>,
    /// Held while the configuration is read again: one after the other.
    pub reloading: Arc<tokio::sync::Mutex<()>>,
    /// Where this process should listen and does not, for people.
    pub listen_problem: Option<String>,
    /// Where things are on the machine.
    pub paths: Paths,
    /// Who is enrolled.
    pub people: People,
    /// Everybody's server.
    pub servers: Arc<dyn Servers>,
    /// What they start beside Jupyter.
    pub apps: Apps,
    /// What servers use of the machine.
    pub usage: Usage,
    /// The door to privilege.
    pub launcher: Client,
    /// When this process started.
    pub started: Instant,
    /// What encrypts; `None` without https.
    pub tls: Option<Tls>,
    /// What the hub answers to whoever wants to know whether it is this one.
    pub check: String,
}

/// Answers on `listener` until the task is dropped; each request in a task of its own.
///
/// # Errors
/// When `listener` can't be used at all. What goes wrong with one caller is that caller's.
pub async fn serve(listener: StdUnixListener, access: Access, context: ControlContext) -> Result<()> {
    listener.set_nonblocking(true).context("preparing the control socket")?;
    let listener = UnixListener::from_std(listener).context("preparing the control socket")?;
    let peers = Peers::new(MOST);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => welcome(stream, access, &context, &peers),
            Err(error) => {
                tracing::warn!(%error, ?access, "accepting a caller of the control socket");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Has a caller answered, in its turn, unless its account has too much open already: then it is told so, as far as the socket
/// takes that at once.
fn welcome(stream: UnixStream, access: Access, context: &ControlContext, peers: &Peers) {
    let Ok(uid) = stream.peer_cred().map(|peer| peer.uid()) else { return };
    let Some(place) = peers.place(uid) else {
        tracing::debug!(uid, ?access, "closed a connection of an account that has {} already", MOST.open);
        let message = format!("this account has {} connections to the hub open already", MOST.open);
        let busy = Refusal::new(RefusalKind::Busy, message).hint("end what it has running, or try again in a minute");
        drop(wire::send_async(&mut { stream }, &Reply::from(busy)).now_or_never());
        return;
    };
    let context = context.clone();
    tokio::spawn(async move {
        let turn = place.turn().await;
        if let Err(error) = receive(stream, access, uid, &context, place.intake()).await {
            tracing::debug!(%error, ?access, "a caller of the control socket went away");
        }
        drop((turn, place));
    });
}

async fn receive(mut stream: UnixStream, access: Access, uid: u32, context: &ControlContext, intake: &Intake) -> io::Result<()> {
    let reply = attend(&mut stream, access, uid, context, intake).await?;
    talk(wire::send_async(&mut stream, &reply)).await
}

/// Reads the request of the peer that is `uid`, unless it has no business here at all, and does it.
async fn attend(
    stream: &mut UnixStream,
    access: Access,
    uid: u32,
    context: &ControlContext,
    intake: &Intake,
) -> io::Result<Reply> {
    let actor = match access::admit(access, uid, context).await {
        Ok(actor) => actor,
        Err(refusal) => {
            tracing::warn!(uid, ?access, "refused a caller of the control socket: {refusal}");
            return Ok(refusal.into());
        }
    };
    // With its place, which it keeps until it is answered.
    let received = match talk(intake.receive::<Request>(stream)).await {
        Ok(Some(received)) => received,
        Ok(None) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            tracing::debug!(%error, %actor, "a request that this hub does not know");
            let message = "this hub does not understand the request; it and hubctl may be of different versions";
            return Ok(Refusal::new(RefusalKind::Invalid, message).hint("on the host: systemctl restart hubd").into());
        }
        Err(error) => return Err(error),
    };
    Ok(carry_out(&actor, Through::Account(uid), &received.message, context).await)
}

/// What `name` gets who asks on a page of the hub: what the admin socket would say, and acts are recorded alike.
pub async fn ask_as(context: &ControlContext, name: &Username, request: &Request) -> Reply {
    let actor = match access::person(context, name).await {
        Ok(actor) => actor,
        Err(refusal) => return refusal.into(),
    };
    carry_out(&actor, Through::Page, request, context).await
}

/// What whoever holds an API token gets: what its maker would at this moment, and acts are recorded with the token's number.
/// What the token itself may do is for the caller to ask before.
pub async fn ask_by_token(context: &ControlContext, holder: &Holder, request: &Request) -> Reply {
    let actor = match access::maker_of(context, holder).await {
        Ok(actor) => actor,
        Err(refusal) => return refusal.into(),
    };
    carry_out(&actor, Through::Token(holder.id), request, context).await
}

/// Does what `actor` asks for, if they may; acts leave a line in the journal.
async fn carry_out(actor: &Actor, through: Through, request: &Request, context: &ControlContext) -> Reply {
    let result = match access::allow(actor, request, &context.config.get()) {
        Ok(()) => execute(actor, request, context).await,
        Err(refusal) => Err(refusal),
    };
    audit::record(actor, through, request, result.as_ref().err());
    result.unwrap_or_else(Reply::from)
}

async fn execute(actor: &Actor, request: &Request, context: &ControlContext) -> Result<Reply, Refusal> {
    match request {
        Request::Status => status(context, actor).await,
        Request::Shortages => Ok(Reply::Shortages { shortages: backup::with_shortage(context, actor).await }),
        Request::CopyDatabase => backup::copy_database(context).await,
        Request::CheckDatabase => check_database(context).await,
        Request::Reload => reload::reload(context).await,
        Request::UserAdd { users } => people::add(context, users, &actor.maker()).await,
        Request::Roster { ask } => roster::roster(context, ask, actor).await,
        Request::UserList => people::list(context).await,
        Request::UserShow { name } => people::show(context, name).await,
        Request::UserRemove { name } => people::remove(context, name, actor).await,
        Request::UserPassword { name, password } => people::set_password(context, name, password, &actor.maker()).await,
        Request::UserLink { name } => people::new_link(context, name, &actor.maker()).await,
        Request::UserLinkAs { name, token } => people::link_as(context, name, token).await,
        Request::UserLogout { name } => people::log_out(context, name).await,
        Request::UserBlock { name, blocked } => people::set_blocked(context, name, *blocked, actor).await,
        Request::UserResetPackages { name, settings } => people::reset_packages(context, name, *settings).await,
        Request::TokenCreate { scopes, note, lifetime_seconds } => {
            tokens::create(context, actor, scopes, note, *lifetime_seconds).await
        }
        Request::LoginList => logins::list(context).await,
        Request::LoginUnlink { name } => logins::unlink(context, actor, name).await,
        Request::TokenList => tokens::list(context).await,
        Request::TokenRevoke { id } => tokens::revoke(context, *id).await,
        Request::UsageHistory { span } => usage_history(context, *span).await,
        Request::ServerList => Ok(servers::list(context)),
        Request::ServerStart { name, without_own } => servers::start(context, name, *without_own).await,
        Request::ServerRestart { name, without_own } => servers::restart(context, name, *without_own).await,
        Request::ServerStop { name } => servers::stop(context, name).await,
        Request::ServerLogs { name, lines } => servers::logs(context, name, *lines).await,
        Request::ConfigGet { key } => configuration::get(context, key),
        Request::ConfigChange { change } => configuration::change(context, actor, change).await,
        Request::Limits { name } => Ok(configuration::limits(context, name)),
        Request::Https => Ok(Reply::Https(https::status(context))),
        Request::Environment { ask } => environment::ask(context, actor, ask).await,
        Request::Upgrade { ask } => upgrade::ask(context, actor, ask).await,
    }
}

async fn check_database(context: &ControlContext) -> Result<Reply, Refusal> {
    let problem = context.people.check_database().await?;
    Ok(Reply::Database { problem })
}

async fn usage_history(context: &ControlContext, span: Span) -> Result<Reply, Refusal> {
    match context.usage.history(span).await {
        Ok(history) => Ok(Reply::UsageHistory { history }),
        Err(error) => Err(Refusal::new(RefusalKind::Failed, format!("what was used can't be read: {error:#}"))
            .hint("on the host, to begin anew: sudo rm /var/lib/hubd/usage")),
    }
}

async fn status(context: &ControlContext, actor: &Actor) -> Result<Reply, Refusal> {
    let users = context.people.count().await?;
    let (launcher_version, environment, accounts_problem, launcher_problem) = match context.launcher.ping().await {
        Ok(pong) => (Some(pong.version), pong.environment, pong.accounts_problem, None),
        Err(error) => (None, None, None, Some(Refusal::from(error).message)),
    };
    let backups = backup::look(context).await;
    Ok(Reply::Status(HubStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        url: context.config.get().hub.url.clone(),
        uptime_seconds: context.started.elapsed().as_secs(),
        launcher_version,
        launcher_problem,
        environment,
        users,
        sessions: context.people.session_count(),
        memory: context.usage.memory_of_all_servers(),
        servers: servers::all(context),
        shortages: match access::allow(actor, &Request::Shortages, &context.config.get()) {
            Ok(()) => context.usage.shortages(),
            Err(_) => Vec::new(),
        },
        accounts_problem,
        https_problem: context.tls.as_ref().and_then(|_| https::status(context).problem),
        backup_problem: backups.problem,
        backup: backups.latest,
        listen_problem: context.listen_problem.clone(),
    }))
}

fn not_enrolled(name: &Username) -> Refusal {
    Refusal::new(RefusalKind::NotEnrolled, format!("nobody named {name} is enrolled"))
        .hint("hubctl user list shows who is; hubctl user add enrols somebody")
}

/// Within the time that a caller gets.
async fn talk<T>(conversation: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match timeout(TALK_DEADLINE, conversation).await {
        Ok(result) => result,
        Err(_) => {
            let message = format!("the caller took longer than {} s to say or to hear something", TALK_DEADLINE.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, message))
        }
    }
}
