//! Questions over HTTP, each bounded: in time, in the size of the answer, and to just the address that was asked for.

use std::error::Error as _;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use hub_core::outside::{Trouble, TroubleKind};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, LOCATION};
use reqwest::{Certificate, Client, RequestBuilder, redirect};
use url::{Host, Url};

const CONNECT_DEADLINE: Duration = Duration::from_secs(4);
/// For one question and its whole answer; several have to fit into what a browser waits for.
const DEADLINE: Duration = Duration::from_secs(6);
/// No answer of a provider is larger, in bytes.
const LARGEST: usize = 512 << 10;

/// Asks.
#[derive(Debug, Clone)]
pub(crate) struct Web {
    /// By the proxy that the machine has, if it has one.
    away: Client,
    /// Providers on this very machine.
    here: Client,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Whether it says of itself that it is JSON.
    pub(crate) is_json: bool,
    /// Where it sends browsers. Nobody goes there.
    pub(crate) location: Option<String>,
    /// What time it is there.
    pub(crate) date: Option<SystemTime>,
}

impl Answer {
    /// Whether all is well.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Web {
    pub(crate) fn new() -> Result<Self> {
        let builder = || -> Result<_> {
            let mut builder = Client::builder()
                .connect_timeout(CONNECT_DEADLINE)
                .timeout(DEADLINE)
                .redirect(redirect::Policy::none())
                .referer(false)
                .pool_idle_timeout(Duration::from_secs(30))
                .user_agent(concat!("hubd/", env!("CARGO_PKG_VERSION")));
            if let Some(path) = std::env::var_os("SSL_CERT_FILE") {
                let bundle = fs_err::read(&path).context("reading certificates (SSL_CERT_FILE)")?;
                let bundle = Certificate::from_pem_bundle(&bundle).context("reading certificates (SSL_CERT_FILE)")?;
                builder = builder.tls_certs_merge(bundle);
            }
            Ok(builder)
        };
        let away = builder()?.build().context("preparing to ask")?;
        Ok(Self { away, here: builder()?.no_proxy().build().context("preparing to ask")? })
    }

    pub(crate) fn get(&self, url: &Url) -> RequestBuilder {
        self.client(url).get(url.clone())
    }

    pub(crate) fn post(&self, url: &Url) -> RequestBuilder {
        self.client(url).post(url.clone())
    }

    fn client(&self, url: &Url) -> &Client {
        if is_loopback(url) { &self.here } else { &self.away }
    }
}

/// Whether nothing that is sent there leaves this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    }
}

/// Sends a question and takes the answer, whatever its status.
pub(crate) async fn ask(question: RequestBuilder, whom: &Url) -> Result<Answer, Trouble> {
    let away = |error: &reqwest::Error| Trouble::new(TroubleKind::Away, format!("{}: {}", place(whom), why(error)));
    let mut response = question.send().await.map_err(|error| away(&error))?;
    let headers = response.headers();
    let text = |name| headers.get(name).and_then(|value: &reqwest::header::HeaderValue| value.to_str().ok()).map(str::to_owned);
    let (location, date, is_json) = (text(LOCATION), text(DATE).and_then(|date| http_date(&date)), is_json(headers));
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| away(&error))? {
        if body.len() + chunk.len() > LARGEST {
            let text = format!("{} answered with more than {LARGEST} bytes", place(whom));
            return Err(Trouble::new(TroubleKind::Away, text));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, body, is_json, location, date })
}

/// An address without its query, which may hold what is nobody's business.
pub(crate) fn place(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    shown.to_string()
}

/// What went wrong, in words: what is at the bottom says most.
fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words.push(inner.to_string());
        cause = inner.source();
    }
    let all = words.join(": ");
    let last = words.pop().unwrap_or_else(|| "the connection broke off".to_owned());
    match () {
        () if all.contains("dns error") => format!("its name does not resolve ({last})"),
        () if all.contains("certificate") => format!("this machine does not trust its certificate ({last})"),
        () if all.contains("refused") => "nothing listens there (connection refused)".to_owned(),
        () => last,
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")
}

fn http_date(text: &str) -> Option<SystemTime> {
    jiff::fmt::rfc2822::parse(text).ok().map(|date| SystemTime::from(date.timestamp()))
}
