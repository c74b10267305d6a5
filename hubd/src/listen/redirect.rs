//! What the plain port answers when there is an encrypted one: go there.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Body as HttpBody, Frame, Incoming};

use super::{Answer, Client, Handler};

/// Sends everybody to the same address by HTTPS.
pub(super) struct Redirect {
    /// The encrypted listener's port.
    pub port: u16,
}

/// A few words.
pub(super) struct Words(Option<Bytes>);

impl HttpBody for Words {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.take().map(|words| Ok(Frame::data(words))))
    }
}

impl Handler for Redirect {
    type Body = Words;

    async fn handle(&self, request: Request<Incoming>, _: Client) -> Answer<Words> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        Answer::new(answer(request.method(), host, path, self.port))
    }
}

fn answer(method: &Method, host: Option<&str>, path: &str, port: u16) -> Response<Words> {
    let target = host.and_then(|host| target(host, path, port));
    let (status, words) = match (method, &target) {
        (&Method::GET | &Method::HEAD, Some(_)) => (StatusCode::PERMANENT_REDIRECT, "This hub is reached by https.\n"),
        // What was sent in clear is sent already, and must not seem to have been safe.
        (_, Some(_)) => (StatusCode::FORBIDDEN, "This hub is reached by https only.\n"),
        (_, None) => (StatusCode::BAD_REQUEST, "The request names no valid host.\n"),
    };
    let mut response = Response::new(Words(Some(Bytes::from_static(words.as_bytes()))));
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
