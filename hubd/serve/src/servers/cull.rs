//! When a server nobody uses is stopped.
//!
//! A server is idle when, for the configured time, nobody used it through the proxy *and* nothing happened inside: no
//! kernel is busy, none has put anything out, and no terminal has. So a long computation keeps its server although the
//! browser is closed, and so does a program in a terminal that prints its progress. A kernel that waits for input does
//! not, nor does a JupyterLab tab that is only left open: the proxy does not count what such a tab asks for by itself.
//! After a restart of the hub the time counts anew. A server that can't be asked is left alone for three rounds; one
//! that never answers is of no use to anybody.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::StatusCode;
use hub_core::accounts::Username;
use hub_core::launcher::protocol::Endpoint;
use jiff::Timestamp;
use serde::Deserialize;

use super::ready::ask;

/// Long enough to come back from another window.
const LONGEST_NOTICE: Duration = Duration::from_secs(300);
/// So many rounds may go without an answer before a server counts as idle all the same.
pub(super) const UNANSWERED_ROUNDS: u32 = 3;

/// What a server says of its own use.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Account {
    /// When a kernel or a terminal last did something; `None`: there is none.
    last_activity: Option<Timestamp>,
    is_busy: bool,
}

impl Account {
    /// For how long, at `now`, nothing has happened in the server; `None`: never anything has.
    pub(super) fn quiet_for(&self, now: Timestamp) -> Option<Duration> {
        if self.is_busy {
            return Some(Duration::ZERO);
        }
        self.last_activity.map(|last| Duration::try_from(now.duration_since(last)).unwrap_or_default())
    }
}

/// How long before its end the owner of a server that nobody uses is told, where `timeout` is the time that it may be unused.
pub(super) fn notice(timeout: Duration) -> Duration {
    LONGEST_NOTICE.min(timeout / 2)
}

/// Asks `name`'s server how it was used. The questions themselves don't count as use.
///
/// # Errors
/// When it gives no answer, or not one of a Jupyter server.
pub(super) async fn question(name: &Username, endpoint: &Endpoint, base: &str) -> Result<Account> {
    let kernels = list(name, endpoint, base, "kernels").await?.context("a server without kernels is none of Jupyter")?;
    let terminals = list(name, endpoint, base, "terminals").await?.unwrap_or_default();
    account(kernels.into_iter().chain(terminals))
}

/// A kernel, or a terminal, which has no state.
#[derive(Debug, Deserialize)]
struct Program {
    last_activity: String,
    execution_state: Option<String>,
}

/// `None`: the server has no such thing.
async fn list(name: &Username, endpoint: &Endpoint, base: &str, kind: &str) -> Result<Option<Vec<Program>>> {
    let doing = || format!("asking {name}'s server for its {kind}");
    let (status, body) = ask(name, endpoint, base, &format!("api/{kind}?no_track_activity=1")).await.with_context(doing)?;
    match status {
        StatusCode::OK => Ok(Some(serde_json::from_slice(&body).with_context(doing)?)),
        StatusCode::NOT_FOUND => Ok(None),
        other => bail!("{name}'s server answered {other} when asked for its {kind}"),
    }
}

fn account(programs: impl Iterator<Item = Program>) -> Result<Account> {
    let mut account = Account { last_activity: None, is_busy: false };
    for Program { last_activity, execution_state } in programs {
        let last: Timestamp = last_activity.parse().with_context(|| format!("reading {last_activity:?} as a time"))?;
        account.last_activity = account.last_activity.max(Some(last));
        account.is_busy |= execution_state.as_deref() == Some("busy");
    }
    Ok(account)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// As JupyterLab 4.6 answers.
    fn programs(json: &str) -> Vec<Program> {
        serde_json::from_str(json).unwrap()
    }

    fn kernel(last_activity: &str, state: &str) -> String {
        format!(
            r#"[{{"id":"1","name":"python3","last_activity":"{last_activity}","execution_state":"{state}","connections":1}}]"#
        )
    }

    fn is_idle(account: &Account, now: Timestamp) -> bool {
        account.quiet_for(now).is_none_or(|quiet| quiet >= HOUR)
    }

    #[test]
    fn only_a_quiet_server_without_a_busy_kernel_is_idle() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        for (json, idle) in [
            ("[]".to_owned(), true),
            (kernel("2026-11-20T11:00:00.000000Z", "idle"), true),
            (kernel("2026-11-20T11:00:00.000001Z", "idle"), false),
            (kernel("2026-11-20T09:00:00.000000Z", "busy"), false),
            (kernel("2026-11-20T09:00:00.000000Z", "starting"), true),
            (kernel("2026-11-20T09:00:00.000000Z", "dead"), true),
            (kernel("2026-11-21T09:00:00.000000Z", "idle"), false),
            (r#"[{"name":"1","last_activity":"2026-11-20T11:30:00Z"}]"#.to_owned(), false),
            (r#"[{"name":"1","last_activity":"2026-11-20T09:30:00Z"}]"#.to_owned(), true),
        ] {
            assert_eq!(is_idle(&account(programs(&json).into_iter()).unwrap(), now), idle, "{json}");
        }
    }

    #[test]
    fn the_latest_of_all_programs_counts() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let both = [kernel("2026-11-20T11:59:00Z", "idle"), kernel("2026-11-20T01:00:00Z", "idle")];
        let all = both.iter().flat_map(|json| programs(json));
        assert!(!is_idle(&account(all).unwrap(), now));
    }

    #[test]
    fn a_time_that_is_none_is_an_error() {
        let error = account(programs(&kernel("yesterday", "idle")).into_iter()).unwrap_err();
        assert!(error.to_string().starts_with("reading \"yesterday\" as a time"), "{error}");
    }
}
