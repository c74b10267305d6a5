//! Whether the package index that the admin named answers, and what time it thinks it is.

use hub_core::config::{Config, without_secret};
use hub_core::paths::Paths;
use hub_environment::pyenv::NetworkSettings;

use crate::fetch;
use crate::network::Network;

/// The package index the Python environment comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Where it is, without a password.
    pub address: String,
    /// Seconds by which this machine's clock is ahead of the index's, where it says; or why there was no answer.
    pub answer: Result<Option<i64>, String>,
}

/// `None` when no index is named: then pip and uv go to their usual one.
pub(super) fn probe(paths: &Paths, network: &Network, config: Option<&Config>) -> Option<Index> {
    let settings: NetworkSettings = network.variables().collect();
    settings.on(paths, config.map(|config| &config.environment)).index().map(|address| probe_at(network, address))
}

fn probe_at(network: &Network, address: &str) -> Index {
    let answer = ask(network, address).map_err(|error| format!("{error:#}"));
    Index { address: without_secret(address), answer }
}

fn ask(network: &Network, address: &str) -> anyhow::Result<Option<i64>> {
    if let Some(directory) = address.strip_prefix("file://") {
        return Ok(fs_err::read_dir(directory).map(|_| None)?);
    }
    let client = fetch::client(network)?;
    // The answer counts, whatever it is: some mirrors refuse HEAD, or this very page.
    let response = client.head(address).send().map_err(reqwest::Error::without_url)?;
    let date = response.headers().get(reqwest::header::DATE).and_then(|value| value.to_str().ok());
    Ok(date.and_then(seconds_ahead))
}

fn seconds_ahead(date: &str) -> Option<i64> {
    let there = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(jiff::Timestamp::now().as_second() - there.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_clocks() {
        let ahead = seconds_ahead("Fri, 20 Nov 2020 11:13:57 GMT").unwrap();
        assert!(ahead > 86_400, "{ahead}");
        assert_eq!(seconds_ahead("yesterday"), None);
    }

    #[test]
    fn an_index_that_is_not_there_says_why() {
        let index = probe_at(&Network::default(), "http://ada:secret@127.0.0.1:1/simple/");
        assert_eq!(index.address, "http://127.0.0.1:1/simple/");
        assert!(!index.answer.unwrap_err().contains("secret"));
    }
}
