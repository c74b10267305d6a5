//! Asks an authority what it offers, over the proxy that an install was told of.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use hub_environment::pyenv::NetworkSettings;
use jiff::Timestamp;
use reqwest::blocking::Client;
use serde::Deserialize;

/// For an authority to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is known of an authority.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Offer {
    /// What time it is there, if it says so.
    pub(super) time: Option<Timestamp>,
    /// What it is called in CAA records; empty: it does not say.
    pub(super) identities: Vec<String>,
}

#[derive(Deserialize, Default)]
struct Directory {
    #[serde(default)]
    meta: Meta,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Meta {
    #[serde(default)]
    caa_identities: Vec<String>,
}

/// Asks at `directory`, where `root` vouches for it, or else what the machine trusts.
///
/// # Errors
/// When it can't be asked, or is no authority's directory.
pub(super) fn ask(directory: &str, root: Option<&Path>, network: &NetworkSettings) -> Result<Offer> {
    let mut builder = Client::builder().timeout(PATIENCE).https_only(true);
    if let Some(path) = root {
        let reading = || format!("reading certificates `{}` (https.directory_ca)", path.display());
        let bundle = std::fs::read(path).with_context(reading)?;
        builder = builder.tls_certs_only(reqwest::Certificate::from_pem_bundle(&bundle).with_context(reading)?);
    }
    // sudo drops what the administrator's shell knows of proxies.
    if let Some((address, exceptions)) = network.https_proxy() {
        let proxy = reqwest::Proxy::https(address).context("reading the address of the proxy in /etc/hubd/network.env")?;
        builder = builder.proxy(proxy.no_proxy(reqwest::NoProxy::from_string(exceptions)));
    }
    let client = builder.build().context("preparing a question")?;
    let answer =
        client.get(directory).send().and_then(|answer| answer.error_for_status()).map_err(reqwest::Error::without_url)?;
    let date = answer.headers().get("date").and_then(|value| value.to_str().ok());
    let time = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|date| date.timestamp());
    let text = answer.text().map_err(reqwest::Error::without_url)?;
    Ok(Offer { time, identities: identities(&text)? })
}

/// What an authority is called in CAA records, by the text of its directory.
fn identities(directory: &str) -> Result<Vec<String>> {
    let directory: Directory =
        serde_json::from_str(directory).context("reading what it offers: expected the directory of ACME")?;
    Ok(directory.meta.caa_identities)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_may_say_by_which_names_it_goes() {
        for (text, expected) in [
            (r#"{"newNonce":"x","meta":{"caaIdentities":["letsencrypt.org"],"website":"w"}}"#, &["letsencrypt.org"][..]),
            (r#"{"newNonce":"x","meta":{}}"#, &[]),
            ("{}", &[]),
        ] {
            assert_eq!(identities(text).unwrap(), expected, "{text}");
        }
        assert!(identities("<html>").unwrap_err().to_string().contains("expected the directory of ACME"));
    }
}
