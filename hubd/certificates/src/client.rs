//! HTTP for ACME: every request has a deadline and every answer a largest size, proxies of the environment are used.

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use jiff::{SignedDuration, Timestamp};
use reqwest::Certificate;

const CONNECT_DEADLINE: Duration = Duration::from_secs(15);
const DEADLINE: Duration = Duration::from_secs(45);
/// A chain of certificates has a few thousand bytes.
const LARGEST_ANSWER: usize = 256 * 1024;

/// Speaks with an authority.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    told_to_wait_until: Arc<Mutex<Option<Timestamp>>>,
}

impl Client {
    /// Trusts what the machine trusts, or, given a PEM file, what is in it and nothing else.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(super) fn new(root: Option<&Path>) -> Result<Self> {
        let mut builder = reqwest::Client::builder()
            .https_only(true)
            .connect_timeout(CONNECT_DEADLINE)
            .timeout(DEADLINE)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("hubd/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = root {
            let reading = || format!("reading certificates `{}` (https.directory_ca)", path.display());
            let bundle = std::fs::read(path).with_context(reading)?;
            builder = builder.tls_certs_only(Certificate::from_pem_bundle(&bundle).with_context(reading)?);
        }
        let http = builder.build().context("preparing to speak with the authority")?;
        Ok(Self { http, told_to_wait_until: Arc::default() })
    }

    /// The moment until which the authority does not want to hear from us.
    pub(super) fn told_to_wait_until(&self) -> Option<Timestamp> {
        *self.told_to_wait_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let other = |error: reqwest::Error| Error::Other(Box::new(Unreachable(error.without_url())));
        let (parts, body) = request.into_parts();
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(never) => match never {},
        };
        let request = reqwest::Request::try_from(Request::from_parts(parts, body)).map_err(other)?;
        let mut answer = self.http.execute(request).await.map_err(other)?;
        if matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let told = answer.headers().get(header::RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?));
            *self.told_to_wait_until.lock().unwrap_or_else(PoisonError::into_inner) = told;
        }
        let mut content = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(other)? {
            if content.len() + chunk.len() > LARGEST_ANSWER {
                return Err(Error::Str("an answer of at most 256 KB"));
            }
            content.extend_from_slice(&chunk);
        }
        let mut response = Response::new(Full::new(Bytes::from(content)));
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(BytesResponse::from(response))
    }
}

/// Seconds from now, or a date.
fn retry_after(value: &str) -> Option<Timestamp> {
    match value.trim().parse::<i64>() {
        Ok(seconds) => Timestamp::now().checked_add(SignedDuration::from_secs(seconds)).ok(),
        Err(_) => jiff::fmt::rfc2822::parse(value.trim()).ok().map(|date| date.timestamp()),
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(self.clone().ask(request))
    }
}

/// A request that got no answer, with every cause in its text: "error sending request" alone says nothing.
#[derive(Debug)]
struct Unreachable(reqwest::Error);

impl std::fmt::Display for Unreachable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut source = std::error::Error::source(&self.0);
        while let Some(cause) = source {
            write!(formatter, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for Unreachable {}
