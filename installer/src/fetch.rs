//! Downloads: through the admin's proxy and certificates, with deadlines, a largest size and a known digest.

use std::io::Read;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::blocking::Client;
use reqwest::{Certificate, NoProxy, Proxy, StatusCode};

use crate::files;
use crate::network::Network;

const CONNECT_DEADLINE: Duration = Duration::from_secs(15);
/// For a question with a short answer.
pub const ASK_DEADLINE: Duration = Duration::from_secs(20);
/// For a program of some ten megabytes over a slow line.
pub const DOWNLOAD_DEADLINE: Duration = Duration::from_secs(600);
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// What a download must be.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Its SHA-256, in hexadecimal.
    pub sha256: &'a str,
    /// Its largest size in bytes; more is not even read.
    pub largest: u64,
}

/// A client that goes the way the admin set.
///
/// # Errors
/// When a proxy address or a certificate file can't be understood.
pub fn client(network: &Network, deadline: Duration) -> Result<Client> {
    let mut builder = Client::builder()
        .connect_timeout(CONNECT_DEADLINE)
        .timeout(deadline)
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
    builder.build().context("preparing downloads")
}

/// Downloads `address`, again after a failure that may pass, and checks what came.
///
/// # Errors
/// When it can't be had, is larger than expected, or is not what was expected.
pub fn download(client: &Client, address: &str, expected: Expected<'_>) -> Result<Vec<u8>> {
    let mut attempt = 1;
    loop {
        match try_download(client, address, expected) {
            Ok(content) => return Ok(content),
            Err(Problem::Final(error)) => return Err(error),
            Err(Problem::Passing(error)) if attempt == ATTEMPTS => {
                return Err(error.context(format!("tried {ATTEMPTS} times")));
            }
            Err(Problem::Passing(error)) => {
                tracing::debug!(attempt, error = format!("{error:#}"), "downloading again");
                std::thread::sleep(PAUSE * attempt);
                attempt += 1;
            }
        }
    }
}

enum Problem {
    Passing(anyhow::Error),
    Final(anyhow::Error),
}

fn try_download(client: &Client, address: &str, expected: Expected<'_>) -> Result<Vec<u8>, Problem> {
    let downloading = || format!("downloading `{}`", without_secret(address));
    let passing = |error: anyhow::Error| Problem::Passing(error.context(downloading()));
    let response = client.get(address).send().map_err(|error| passing(error.without_url().into()))?;
    let status = response.status();
    if !status.is_success() {
        let error = anyhow::anyhow!("the server answered {status}").context(downloading());
        let passes = status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
        return Err(if passes { Problem::Passing(error) } else { Problem::Final(error) });
    }
    let mut content = Vec::new();
    response.take(expected.largest + 1).read_to_end(&mut content).map_err(|error| passing(error.into()))?;
    check(&content, expected).map_err(|error| Problem::Final(error.context(downloading())))?;
    Ok(content)
}

fn check(content: &[u8], expected: Expected<'_>) -> Result<()> {
    if content.len() as u64 > expected.largest {
        bail!("more than {} bytes came", expected.largest);
    }
    let found = files::digest_of(content);
    if found != expected.sha256 {
        bail!(
            "its SHA-256 is {found}, expected {}\nhint: a proxy or mirror hands out something else; nothing of it was kept",
            expected.sha256
        );
    }
    Ok(())
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
    use std::io::Write;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers one request after the other with these, then stops.
    fn server(answers: Vec<String>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/file", listener.local_addr().unwrap());
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 4096];
                let _read = stream.read(&mut request).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        address
    }

    fn answer(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    }

    fn get(answers: Vec<String>, sha256: &str, largest: u64) -> Result<Vec<u8>> {
        let client = client(&Network::default(), ASK_DEADLINE).unwrap();
        download(&client, &server(answers), Expected { sha256, largest })
    }

    #[test]
    fn asks_again_when_the_server_is_unwell() {
        let answers = vec![answer("503 Service Unavailable", ""), answer("200 OK", "abc")];
        assert_eq!(get(answers, &files::digest_of(b"abc"), 3).unwrap(), b"abc");
    }

    #[test]
    fn refuses_what_is_not_what_was_expected() {
        let error = get(vec![answer("200 OK", "abd")], &files::digest_of(b"abc"), 3).unwrap_err();
        assert!(format!("{error:#}").contains("its SHA-256 is"), "{error:#}");
        let error = get(vec![answer("200 OK", "abcd")], &files::digest_of(b"abc"), 3).unwrap_err();
        assert!(format!("{error:#}").contains("more than 3 bytes"), "{error:#}");
        let error = get(vec![answer("404 Not Found", "")], "", 3).unwrap_err();
        assert!(format!("{error:#}").contains("the server answered 404"), "{error:#}");
    }

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
        let error = format!("{:#}", client(&network, ASK_DEADLINE).unwrap_err());
        assert!(error.contains("https_proxy") && !error.contains("secret"), "{error}");
    }
}
