//! What the plain port answers when there is an encrypted one: go there. Some pages are the same for everybody and are
//! answered in clear, since they are needed before https works; and while it does not work, that is what people read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use super::{Answer, Client, Handler, Tls};

/// Read by people whom no page of the hub can reach safely. Nothing is asked for here, least of all a password.
const NO_CERTIFICATE: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta name=\"robots\" content=\"noindex\">
<title>Not safe to log in right now</title>
</head>
<body>
<h1>Not safe to log in right now</h1>
<p>This hub only accepts encrypted connections, and at the moment it has no valid certificate for them. Your
work is not affected. Please tell whoever runs the hub, and try again later.</p>
<p><small>If you run it: <code>sudo hubctl https status</code> says what is wrong.</small></p>
</body>
</html>
";

/// When it makes sense to ask again whether there is a certificate.
const RETRY_SECONDS: &str = "60";

/// Sends everybody to the same address by HTTPS.
pub(super) struct Redirect<H> {
    /// The encrypted listener's port.
    pub port: u16,
    /// The encrypted listener.
    pub tls: Tls,
    /// The path below which the hub is; empty: none.
    pub base: Arc<str>,
    /// The hub's pages.
    pub pages: Arc<H>,
}

/// Whether the hub answers `path` in clear: nothing in it is about anybody.
fn is_open(base: &str, path: &str) -> bool {
    let path = path.strip_prefix(base).filter(|rest| rest.starts_with('/')).unwrap_or(path);
    ["/.well-known/acme-challenge/", "/hub/static/"].iter().any(|start| path.starts_with(start))
        || matches!(path, "/hub/ca" | "/hub/ca.crt" | "/hub/health" | "/favicon.ico" | "/robots.txt")
}

/// A few words, or a page of the hub.
pub(super) enum Words<B> {
    /// The few words, until they are taken.
    Few(Option<Bytes>),
    /// The page.
    Page(B),
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Words<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut *self {
            Self::Few(words) => Poll::Ready(words.take().map(|words| Ok(Frame::data(words)))),
            Self::Page(page) => Pin::new(page).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Few(words) => words.is_none(),
            Self::Page(page) => page.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Few(words) => SizeHint::with_exact(words.as_ref().map_or(0, |words| words.len() as u64)),
            Self::Page(page) => page.size_hint(),
        }
    }
}

impl<H: Handler> Handler for Redirect<H> {
    type Body = Words<H::Body>;

    async fn handle(&self, request: Request<Incoming>, client: Client) -> Answer<Self::Body> {
        if matches!(*request.method(), Method::GET | Method::HEAD) && is_open(&self.base, request.uri().path()) {
            let Answer { response, takeover } = self.pages.handle(request, client).await;
            return Answer { response: response.map(Words::Page), takeover };
        }
        if !self.tls.is_good() {
            return Answer::new(no_certificate().map(few));
        }
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        Answer::new(answer(request.method(), host, path, self.port).map(few))
    }
}

fn few<B>(words: &'static str) -> Words<B> {
    Words::Few(Some(Bytes::from_static(words.as_bytes())))
}

fn no_certificate() -> Response<&'static str> {
    let mut response = Response::new(NO_CERTIFICATE);
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
    response
}

fn answer(method: &Method, host: Option<&str>, path: &str, port: u16) -> Response<&'static str> {
    let target = host.and_then(|host| target(host, path, port));
    let (status, words) = match (method, &target) {
        (&Method::GET | &Method::HEAD, Some(_)) => (StatusCode::PERMANENT_REDIRECT, "This hub is reached by https.\n"),
        // What was sent in clear is sent already, and must not seem to have been safe.
        (_, Some(_)) => (StatusCode::FORBIDDEN, "This hub is reached by https only.\n"),
        (_, None) => (StatusCode::BAD_REQUEST, "The request names no valid host.\n"),
    };
    let mut response = Response::new(words);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    // The administrator may go back to plain HTTP one day.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let (StatusCode::PERMANENT_REDIRECT, Some(target)) = (status, target) {
        headers.insert(header::LOCATION, target);
    }
    response
}

fn target(host: &str, path: &str, port: u16) -> Option<HeaderValue> {
    let authority: Authority = host.parse().ok()?;
    if host.contains('@') || authority.host().is_empty() || !path.starts_with('/') {
        return None;
    }
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    HeaderValue::from_str(&format!("https://{}{port}{path}", authority.host())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_repeated_is_sent_on() {
        for (method, host, path, port, status, location) in [
            (Method::GET, Some("hub"), "/a?b=%20", 443, 308, Some("https://hub/a?b=%20")),
            (Method::HEAD, Some("hub:80"), "/", 443, 308, Some("https://hub/")),
            (Method::GET, Some("[::1]:8000"), "//x", 8443, 308, Some("https://[::1]:8443//x")),
            (Method::POST, Some("hub"), "/hub/login", 443, 403, None),
            (Method::GET, None, "/", 443, 400, None),
            (Method::GET, Some("user@hub"), "/", 443, 400, None),
            (Method::GET, Some("hub/evil"), "/", 443, 400, None),
        ] {
            let response = answer(&method, host, path, port);
            let found = response.headers().get(header::LOCATION).map(|value| value.to_str().unwrap());
            assert_eq!((response.status().as_u16(), found), (status, location), "{method} {host:?} {path}");
        }
    }
}
