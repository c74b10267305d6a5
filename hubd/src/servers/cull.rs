//! When a server nobody uses is stopped.
//!
//! A server is idle when nothing went through the proxy to it for the configured time *and* its own account of itself
//! agrees: no kernel is busy, and its last activity (requests, kernels' output, terminals' input) is that long ago.
//! So a long computation keeps its server although the browser is closed; a kernel that waits for input does not, nor
//! does an open terminal that nobody types in. An open JupyterLab tab asks every few seconds and so counts as use, as
//! in JupyterHub. After a restart of the hub the time counts anew. A server that can't be asked is left alone three
//! times; one that never answers is of no use to anybody.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use hub_core::accounts::Username;
use jiff::Timestamp;
use serde::Deserialize;

use super::ready::ask;
use crate::launcher::protocol::Endpoint;

/// So many rounds may go without an answer before a server counts as idle all the same.
pub(super) const UNANSWERED_ROUNDS: u32 = 3;

/// What a server says of its own use.
#[derive(Debug, PartialEq)]
pub(super) struct Account {
    last_activity: Timestamp,
    busy_kernels: usize,
}

impl Account {
    /// Whether, at `now`, nothing has happened in the server for `timeout`.
    pub(super) fn is_idle(&self, now: Timestamp, timeout: Duration) -> bool {
        let quiet = Duration::try_from(now.duration_since(self.last_activity)).unwrap_or_default();
        self.busy_kernels == 0 && quiet >= timeout
    }
}

/// Asks `name`'s server how it was used. The questions themselves don't count as use.
///
/// # Errors
/// When it gives no answer, or not one of a Jupyter server.
pub(super) async fn question(name: &Username, endpoint: &Endpoint) -> Result<Account> {
    let mut answers = Vec::new();
    for path in ["api/status?no_track_activity=1", "api/kernels?no_track_activity=1"] {
        let (status, body) = ask(name, endpoint, path).await.with_context(|| format!("asking {name}'s server for `{path}`"))?;
        if !status.is_success() {
            bail!("{name}'s server answered `{path}` with {status}");
        }
        answers.push(body);
    }
    parse(&answers[0], &answers[1])
}

fn parse(status: &[u8], kernels: &[u8]) -> Result<Account> {
    #[derive(Deserialize)]
    struct Status {
        last_activity: String,
    }
    #[derive(Deserialize)]
    struct Kernel {
        execution_state: String,
    }
    let status: Status = serde_json::from_slice(status).context("reading a server's status")?;
    let kernels: Vec<Kernel> = serde_json::from_slice(kernels).context("reading a server's kernels")?;
    let busy_kernels = kernels.iter().filter(|kernel| !matches!(kernel.execution_state.as_str(), "idle" | "dead")).count();
    let last_activity =
        status.last_activity.parse().with_context(|| format!("reading {:?}, a server's last activity", status.last_activity))?;
    Ok(Account { last_activity, busy_kernels })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// What JupyterLab 4.6 answers.
    fn account(last_activity: &str, states: &[&str]) -> Account {
        let kernels: Vec<String> = states
            .iter()
            .map(|state| {
                format!(
                    r#"{{"id":"1","name":"python3","last_activity":"{last_activity}","execution_state":"{state}","connections":1}}"#
                )
            })
            .collect();
        parse(
            format!(
                r#"{{"connections":1,"kernels":{},"last_activity":"{last_activity}","started":"2026-11-20T08:00:00.000000Z"}}"#,
                states.len()
            )
            .as_bytes(),
            format!("[{}]", kernels.join(",")).as_bytes(),
        )
        .unwrap()
    }

    #[test]
    fn only_a_quiet_server_without_a_busy_kernel_is_idle() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        for (last_activity, kernels, idle) in [
            ("2026-11-20T11:00:00.000000Z", vec![], true),
            ("2026-11-20T11:00:00.000001Z", vec![], false),
            ("2026-11-20T09:00:00.000000Z", vec!["idle", "idle"], true),
            ("2026-11-20T09:00:00.000000Z", vec!["idle", "busy"], false),
            ("2026-11-20T09:00:00.000000Z", vec!["starting"], false),
            ("2026-11-20T09:00:00.000000Z", vec!["dead"], true),
            ("2026-11-21T09:00:00.000000Z", vec![], false),
        ] {
            assert_eq!(account(last_activity, &kernels).is_idle(now, HOUR), idle, "{last_activity} {kernels:?}");
        }
    }

    #[test]
    fn an_answer_of_something_else_is_no_account() {
        assert!(parse(b"<html>", b"[]").is_err());
        assert!(parse(br#"{"last_activity":"yesterday"}"#, b"[]").is_err());
        assert!(parse(br#"{"last_activity":"2026-11-20T09:00:00Z"}"#, b"{}").is_err());
    }
}
