//! What authorities say instead of doing what they are asked, and what it means.

use anyhow::{Context, Result};
use instant_acme::{Error, Problem};

/// An authority may call any request out of date; one that does so this often in a row is broken.
pub(super) const STALE_ATTEMPTS: u32 = 8;

/// What an authority answered instead of doing what it was asked.
#[derive(Debug)]
pub(super) struct Said(pub(super) Problem);

impl Said {
    pub(super) fn context(self, text: String) -> anyhow::Error {
        anyhow::Error::new(self).context(text)
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&say(&self.0))
    }
}

impl std::error::Error for Said {}

/// The authority's own words.
pub(super) fn say(problem: &Problem) -> String {
    let mut text = problem.detail.clone().unwrap_or_else(|| "it did not say why".to_owned());
    for part in problem.subproblems.iter().filter_map(|part| part.detail.as_ref()) {
        text = format!("{text}; {part}");
    }
    match problem.r#type.as_deref().map(|kind| kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(kind)) {
        Some(kind) => format!("{text} ({kind})"),
        None => text,
    }
}

pub(super) fn in_words(error: Error) -> anyhow::Error {
    match error {
        Error::Api(problem) => anyhow::Error::new(Said(problem)).context("the certificate authority refused the request"),
        other => anyhow::Error::new(other),
    }
}

fn is(error: &Problem, kind: &str) -> bool {
    error.r#type.as_deref().and_then(|found| found.strip_prefix("urn:ietf:params:acme:error:")) == Some(kind)
}

pub(super) fn is_stale(error: &Error) -> bool {
    matches!(error, Error::Api(problem) if is(problem, "badNonce"))
}

pub(super) fn is_unknown_account(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Said>().is_some_and(|Said(problem)| is(problem, "accountDoesNotExist"))
}

/// Asks once more, some times, when the authority says that the question is out of date.
pub(super) async fn patient<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<T, Error>) -> Result<T> {
    let mut attempt = 1;
    loop {
        match ask().await {
            Err(error) if is_stale(&error) && attempt < STALE_ATTEMPTS => attempt += 1,
            result => return result.map_err(in_words).with_context(|| what.to_owned()),
        }
    }
}

/// Whether an authority looked and said no, and did not just want to be left alone.
pub(crate) fn is_refusal(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Said>().is_some_and(|Said(problem)| !is(problem, "rateLimited"))
}
