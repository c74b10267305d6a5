//! One connection: who asks, what, and the answer, within a time.

use std::fs::File;
use std::io::stdin;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hub_core::accounts::lookup;
use hub_core::config::{self, Config, Pam};
use hub_core::pam::{LONGEST_NAME, LONGEST_PASSWORD, Reply, Request, Verdict};
use hub_core::paths::Paths;
use hub_core::wire;
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::dup2_stdin;

use crate::ask::{Outcome, Question, ask};
use crate::attempts::{Attempts, since_boot};
use crate::standing::{Standing, standing};

/// The account that `hubd serve` runs as.
const HUB_ACCOUNT: &str = "hubd";
/// How long a peer may take to say what it wants, and to take the answer.
const PEER_DEADLINE: Duration = Duration::from_secs(5);
/// How long PAM may take. systemd ends the process a little later (`RuntimeMaxSec=`).
const DEADLINE: Duration = Duration::from_secs(15);
/// When a wrong password is answered at the earliest. libpam itself waits up to three seconds after one, but only for some modules and
/// accounts: nobody is to learn from the clock who has an account.
const WRONG_AFTER: Duration = Duration::from_millis(3500);
/// Who is asked about in place of an account that is not to be asked about: the modules do the same as for any name that nobody has.
const NOBODY: &str = "hubd-no-such-account";

/// Answers the one request that comes over the standard input.
///
/// # Errors
/// When that is no connection, or there is no account `hubd`.
pub fn run() -> Result<()> {
    let stream = UnixStream::from(stdin().as_fd().try_clone_to_owned().context("taking over the connection")?);
    // What modules start has no connection to the hub.
    dup2_stdin(File::open("/dev/null").context("opening /dev/null")?).context("closing the standard input")?;
    let peer = getsockopt(&stream, sockopt::PeerCredentials).context("asking who connected")?;
    let Some(hub) = lookup::account_by_name(HUB_ACCOUNT)? else { bail!("unix account `{HUB_ACCOUNT}` is missing") };
    if peer.uid() != 0 && peer.uid() != hub.uid {
        tracing::warn!(peer_uid = peer.uid(), "hung up on a peer that may ask nothing");
        return Ok(());
    }
    stream.set_read_timeout(Some(PEER_DEADLINE)).context("setting a time limit")?;
    stream.set_write_timeout(Some(PEER_DEADLINE)).context("setting a time limit")?;
    let line = Line { stream: Arc::new(Mutex::new(Some(stream))), is_root: peer.uid() == 0 };
    let paths = Paths::default();
    let reply = match config::read(&paths.config_file()) {
        Ok(loaded) => converse(&line, &paths, &loaded.config)?,
        Err(error) => Reply { detail: Some(format!("{error:#}")), ..Verdict::NotAllowed.into() },
    };
    line.answer(reply);
    Ok(())
}

/// The connection, on which one answer goes out.
#[derive(Clone)]
struct Line {
    stream: Arc<Mutex<Option<UnixStream>>>,
    is_root: bool,
}

impl Line {
    fn request(&self) -> std::io::Result<Request> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(stream) = stream.as_mut() else { return Err(std::io::ErrorKind::NotConnected.into()) };
        wire::receive(stream)
    }

    fn answer(&self, mut reply: Reply) {
        let Some(mut stream) = self.stream.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        if !self.is_root {
            reply.detail = None;
        }
        // Who does not wait for the answer has lost it.
        if let Err(error) = wire::send(&mut stream, &reply) {
            tracing::debug!(%error, "nobody waited for the answer");
        }
    }
}

fn converse(line: &Line, paths: &Paths, config: &Config) -> Result<Reply> {
    let Some(pam) = &config.login.pam else {
        return Ok(Reply { detail: Some("there is no login of the type \"pam\"".to_owned()), ..Verdict::NotAllowed.into() });
    };
    let begun = Instant::now();
    let request = match line.request() {
        Ok(request) => request,
        Err(error) => return Ok(refused(Verdict::NotAllowed, &format!("this is no request: {error}"))),
    };
    end_in_time(line.clone());
    let reply = judged(&request, pam, config, &Attempts::new(paths.pam_attempts()));
    if reply.verdict == Verdict::Wrong {
        thread::sleep(WRONG_AFTER.saturating_sub(begun.elapsed()));
    }
    Ok(reply)
}

/// Whether somebody could be called so, with such a password.
fn is_plain(request: &Request) -> bool {
    let (name, password) = (&request.name, request.password.reveal());
    let is_name =
        !name.starts_with('-') && !name.contains(|c: char| c.is_control() || c.is_whitespace() || matches!(c, '/' | ':'));
    (1..=LONGEST_NAME).contains(&name.len()) && is_name && password.len() <= LONGEST_PASSWORD && !password.contains('\0')
}

fn refused(verdict: Verdict, detail: &str) -> Reply {
    Reply { detail: Some(detail.to_owned()), ..verdict.into() }
}

/// A module that hangs keeps nobody waiting: the answer goes out, and the process ends with whatever runs in it.
fn end_in_time(line: Line) {
    thread::spawn(move || {
        thread::sleep(DEADLINE);
        let detail = format!("PAM took more than {} s", DEADLINE.as_secs());
        tracing::error!("{detail}; which module hangs is in its own log, or shows when others are taken out of /etc/pam.d/hubd");
        line.answer(refused(Verdict::Unavailable, &detail));
        std::process::exit(1);
    });
}

/// What PAM says, if it may be asked.
fn judged(request: &Request, pam: &Pam, config: &Config, attempts: &Attempts) -> Reply {
    let standing = match is_plain(request) {
        true => standing(&request.name, pam, &config.roles.host_operators),
        false => Ok(Standing::Refused("nobody can be called so, or have such a password".to_owned())),
    };
    let account = match standing {
        Err(error) => return unavailable(&format!("{error:#}")),
        Ok(Standing::Account(account)) => account,
        Ok(Standing::Refused(why)) => {
            tracing::info!("not asked: {why}");
            let same = ask(&Question { name: NOBODY, password: "", source: request.source });
            return match same.outcome {
                // As everybody is told then.
                Outcome::Unavailable(why) => unavailable(&why),
                Outcome::Allowed => unavailable("PAM lets in a name that nobody has: /etc/pam.d/hubd lets in everybody"),
                _ => refused(Verdict::Wrong, &why),
            };
        }
    };
    match attempts.spend(&account.name, since_boot()) {
        Err(error) => return unavailable(&format!("{error:#}")),
        Ok(Some(wait)) => {
            tracing::warn!(
                account = account.name,
                "too many attempts for {}; one more in {} s",
                account.name,
                wait.as_secs() + 1
            );
            return refused(Verdict::TooMany { seconds: wait.as_secs() + 1 }, "too many attempts of late");
        }
        Ok(None) => {}
    }
    let name = account.name.clone();
    let question = Question { name: &name, password: request.password.reveal(), source: request.source };
    let answer = ask(&question);
    let (verdict, detail) = match answer.outcome {
        Outcome::Allowed => (Verdict::Allowed(account), None),
        Outcome::Expired => (Verdict::Expired, None),
        Outcome::Locked(why) => (Verdict::Locked, Some(why)),
        Outcome::Wrong(why) => (Verdict::Wrong, Some(why)),
        Outcome::Unavailable(why) => {
            tracing::error!("PAM can't tell: {why}");
            (Verdict::Unavailable, Some(why))
        }
    };
    let is_wrong = verdict == Verdict::Wrong;
    if !is_wrong && let Err(error) = attempts.give_back(&name) {
        tracing::warn!("counting attempts: {error:#}");
    }
    tracing::info!(account = name, "{name}: {}", in_short(&verdict));
    Reply { verdict, messages: if is_wrong { Vec::new() } else { answer.messages }, detail }
}

fn unavailable(detail: &str) -> Reply {
    tracing::error!("{detail}");
    refused(Verdict::Unavailable, detail)
}

fn in_short(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Allowed(_) => "the password is right",
        Verdict::Wrong => "wrong password",
        Verdict::Expired => "the password is right and has to be changed first",
        Verdict::Locked => "the account is shut",
        Verdict::TooMany { .. } => "too many attempts",
        Verdict::Unavailable => "PAM can't tell",
        Verdict::NotAllowed => "not asked",
    }
}
