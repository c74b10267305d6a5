//! What holds for every page: nothing else may frame it, script it, keep it, or ask for it but a person who goes there.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::Hub;
use super::clear::is_too_large;
use super::error::{Problem, wants_html};
use super::guard::{is_navigation, is_own_form};
use crate::listen::Client;

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Most bytes of a request's header and address; our proxy passes on no more either.
pub(super) const MOST_HEADER_BYTES: usize = 56 << 10;
const LONGEST_ADDRESS: usize = 16 << 10;

/// What anybody may ask for, in any way: nothing in it is about anybody, and nothing changes.
fn is_open(path: &str) -> bool {
    path.starts_with("/hub/static/") || matches!(path, "/hub/health" | "/favicon.ico" | "/robots.txt")
}

/// Refuses what must not be answered, and finishes what is.
pub(super) async fn around(State(hub): State<Arc<Hub>>, request: Request, next: Next) -> Response {
    let html = wants_html(request.headers());
    let response = match judge(&hub, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    finish(&hub, response, html)
}

fn judge(hub: &Hub, request: &Request) -> Result<(), Problem> {
    let (headers, path) = (request.headers(), request.uri().path());
    if is_too_large(headers) && path != "/hub/clear" {
        return Err(Problem::headers_too_large());
    }
    if request.uri().path_and_query().is_some_and(|address| address.as_str().len() > LONGEST_ADDRESS) {
        return Err(Problem::address_too_long());
    }
    if is_open(path) {
        return Ok(());
    }
    let allowed = match *request.method() {
        Method::GET | Method::HEAD if matches!(path, "/hub/events" | "/hub/people/events" | "/hub/key") => {
            is_same_origin(headers)
        }
        // The page that was there during the install asks whether the link works by now; the answer has no content.
        Method::HEAD if path.starts_with("/hub/link/") => is_same_origin(headers) || is_navigation(headers),
        Method::GET | Method::HEAD => is_navigation(headers),
        _ => {
            let client = request.extensions().get::<Client>();
            client.is_some_and(|client| is_own_form(headers, *client, hub.config.get().hub.origin()))
        }
    };
    if allowed { Ok(()) } else { Err(Problem::foreign_request()) }
}

fn is_same_origin(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin")
}

fn finish(hub: &Hub, mut response: Response, html: bool) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let mut answer = problem.answer(&hub.config.get().hub, html);
        for (name, value) in response.headers() {
            answer.headers_mut().append(name, value.clone());
        }
        return answer;
    }
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let mut answer = Problem::method_not_allowed().answer(&hub.config.get().hub, html);
        if let Some(allow) = response.headers().get(http::header::ALLOW) {
            answer.headers_mut().insert(http::header::ALLOW, allow.clone());
        }
        return answer;
    }
    harden(response.headers_mut());
    response
}

/// Adds the headers that every page of ours has.
pub(super) fn harden(headers: &mut HeaderMap) {
    let fixed = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`: browsers would then hide from us where our own forms come from.
        (REFERRER_POLICY, "strict-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
