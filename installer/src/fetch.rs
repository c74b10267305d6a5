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

/// An address as it may stand in a message: without user, password and query.
pub fn without_secret(address: &str) -> String {
    let address = address.split(['?', '#']).next().unwrap_or_default();
    match address.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, format!("/{path}")));
            format!("{scheme}://{}{path}", host.rsplit('@').next().unwrap_or(host))
        }
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_a_message_has_no_password() {
        for (address, shown) in [
            ("https://ada:secret@mirror.example/simple/uv/?token=x", "https://mirror.example/simple/uv/"),
            ("https://mirror.example", "https://mirror.example"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(without_secret(address), shown);
        }
    }

    #[test]
    fn a_bad_proxy_is_named_without_its_password() {
        let network = Network::parse("https_proxy=\"http://user:secret@[bad\"\n");
        let error = format!("{:#}", client(&network).unwrap_err());
        assert!(error.contains("https_proxy") && !error.contains("secret"), "{error}");
    }
}
