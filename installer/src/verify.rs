//! Proof that the hub works and that its limits hold: a throw-away person's server is really started, asked for its
//! status and stopped, and a probe that takes more than it may is really stopped by the kernel.

mod front;
mod http;
mod limits;
mod probe;
mod server;

use std::time::Instant;

use anyhow::Result;
use hub_core::config;
use hub_core::paths::Paths;
use hub_system::accounts::logins;
use hub_system::accounts::table::TableFile;
use serde::Serialize;

pub use limits::{PROBE_COMMAND, TriedLimit};
pub use probe::{Probe, probe};

use crate::action::wait_until_it_answers;
use crate::finding::Finding;
use crate::progress::Talk;

/// What was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verification {
    /// Seconds from asking for the throw-away server to its answer.
    pub server_start_seconds: f64,
    /// The version the server said it has.
    pub jupyter_server: String,
    /// Each limit that was tried, with what was measured.
    pub limits: Vec<TriedLimit>,
    /// Those of them that the machine did not enforce; empty is well.
    pub limits_not_held: Vec<String>,
    /// What people's programs reach although the configuration denies it, and ways in past the hub; empty is well.
    pub reachable: Vec<Finding>,
    /// Why there is no certificate from an authority yet, so that nobody can log in; `None` is well.
    pub uncertified: Option<String>,
}

/// Accounts of people's that can be logged in to.
fn open_accounts(paths: &Paths) -> Result<Option<Finding>> {
    let open = logins::open(paths, &TableFile::new(paths.accounts()).read()?)?;
    let problem = logins::problem(&open);
    let parts = problem.as_deref().and_then(|problem| problem.split_once("\nhint: "));
    Ok(parts.map(|(what, remedy)| Finding { what: what.to_owned(), remedy: remedy.to_owned() }))
}

/// Asks the hub, its launcher and its login page, and nothing more.
///
/// # Errors
/// When one of them does not answer.
pub(crate) fn answers(paths: &Paths) -> Result<()> {
    wait_until_it_answers(paths)?;
    front::check(paths)?.map_or(Ok(()), |problem| Err(front::uncertified(&problem)))
}

/// Verifies the running hub.
///
/// # Errors
/// When the server does not start, answer or stop; the error says which. Limits that do not hold are a finding, and so is a
/// certificate that an authority has not given yet.
pub fn run(paths: &Paths, talk: &Talk) -> Result<Verification> {
    let uncertified = front::check(paths)?;
    talk.detail("trying whether limits hold on this machine");
    let configured = config::read(&paths.config_file())?.config.limits;
    let limits = limits::check(paths, &configured)?;
    let limits_not_held = limits.iter().filter(|limit| !limit.holds).map(|limit| limit.what.to_owned()).collect();
    let mut reachable = limits::reachable(paths)?;
    reachable.extend(open_accounts(paths)?);
    talk.detail("starting a throw-away server");
    let started = Instant::now();
    let jupyter_server = server::try_out(paths)?;
    let server_start_seconds = (started.elapsed().as_secs_f64() * 100.0).round() / 100.0;
    Ok(Verification { server_start_seconds, jupyter_server, limits, limits_not_held, reachable, uncertified })
}
