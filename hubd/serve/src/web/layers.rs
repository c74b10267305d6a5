//! What holds for every page: only a person who goes there may ask for it, and it has the headers that keep others out.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode};

use super::Hub;
use super::csrf::{is_navigation, is_own_form};
use super::error::{Problem, wants_html};
use super::frame::Visitor;
use super::limits::{LONGEST_ADDRESS, is_too_large};
use super::security_headers::harden;
use crate::listen::Client;

/// What anybody may ask for, in any way: nothing in it is about anybody, and nothing changes.
fn is_open(path: &str) -> bool {
    path.starts_with("/hub/static/") || matches!(path, "/hub/health" | "/favicon.ico" | "/robots.txt")
}

/// What scripts of our own pages ask for.
fn is_for_scripts(path: &str) -> bool {
    matches!(path, "/hub/events" | "/hub/people/events" | "/hub/key" | "/hub/news")
        || ["/hub/packages/", "/hub/apps/"].iter().any(|pages| path.starts_with(pages) && path.ends_with("/events"))
}

/// Refuses what must not be answered, and finishes what is.
pub(super) async fn around(State(hub): State<Arc<Hub>>, request: Request, next: Next) -> Response {
    let html = wants_html(request.headers());
    let visitor = if html && is_navigation(request.headers()) { visitor(&hub, &request) } else { None };
    let response = match judge(&hub, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    finish(&hub, response, visitor, html)
}

/// Who is logged in, for pages that say what went wrong.
fn visitor(hub: &Hub, request: &Request) -> Option<Visitor> {
    let client = request.extensions().get::<Client>()?;
    hub.people.sessions().find(request.headers(), client.https).map(|session| Visitor::of(&session))
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
        Method::GET | Method::HEAD if is_for_scripts(path) => is_same_origin(headers),
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

fn finish(hub: &Hub, mut response: Response, visitor: Option<Visitor>, html: bool) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let mut answer = problem.answer(&hub.config.get().hub, visitor, html);
        for (name, value) in response.headers() {
            answer.headers_mut().append(name, value.clone());
        }
        return answer;
    }
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let mut answer = Problem::method_not_allowed().answer(&hub.config.get().hub, visitor, html);
        if let Some(allow) = response.headers().get(http::header::ALLOW) {
            answer.headers_mut().insert(http::header::ALLOW, allow.clone());
        }
        return answer;
    }
    harden(response.headers_mut());
    response
}
