//! Questions to the world, through the admin's proxy and certificates.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::blocking::Client;
use reqwest::{Certificate, NoProxy, Proxy};

use crate::network::Network;

const CONNECT_DEADLINE: Duration = Duration::from_secs(15);
/// For a question with a short answer.
const DEADLINE: Duration = Duration::from_secs(20);

/// A client that goes the way the admin set.
///
/// # Errors
/// When a proxy address or a certificate file can't be understood.
pub fn client(network: &Network) -> Result<Client> {
    let mut builder = Client::builder()
        .connect_timeout(CONNECT_DEADLINE)
        .timeout(DEADLINE)
        .user_agent(concat!("hub-installer/", env!("CARGO_PKG_VERSION")))
        // What the environment says is in `network` already, together with what is remembered.
        .no_proxy();
    let except = network.value("no_proxy").and_then(NoProxy::from_string);
    for (variable, scheme) in [("http_proxy", "http"), ("https_proxy", "https"), ("all_proxy", "all")] {
        let Some(address) = network.value(variable) else { continue };
        let proxy = match scheme {
            "http" => Proxy::http(address),
            "https" => Proxy::https(address),
            _ => Proxy::all(address),
        };
        // The address may hold a password, so the message names the variable alone.
        let proxy = proxy.map_err(|_| anyhow::anyhow!("the value of {variable} is not the address of a proxy"))?;
        builder = builder.proxy(proxy.no_proxy(except.clone()));
    }
    if let Some(path) = network.value("ssl_cert_file") {
        let bundle = std::fs::read(path).with_context(|| format!("reading certificates `{path}` (SSL_CERT_FILE)"))?;
        let certificates =
            Certificate::from_pem_bundle(&bundle).with_context(|| format!("reading certificates `{path}` (SSL_CERT_FILE)"))?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().context("preparing to ask")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_proxy_is_named_without_its_password() {
        let network = Network::parse("https_proxy=\"http://user:secret@[bad\"\n");
        let error = format!("{:#}", client(&network).unwrap_err());
        assert!(error.contains("https_proxy") && !error.contains("secret"), "{error}");
    }
}
