//! The way out when the browser is full of cookies, or has somebody else's: they are all removed.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use http::header::{COOKIE, HeaderName, SET_COOKIE};
use http::{HeaderMap, StatusCode};

use super::Hub;
use super::error::Problem;
use super::frame::{Confirm, Frame, Look, render};

/// Cookies removed at a time. Browsers keep about 180 for one host.
const MOST_COOKIES: usize = 200;

/// `GET /hub/clear`
pub(super) async fn page(State(hub): State<Arc<Hub>>) -> Result<Response, Problem> {
    let confirm = Confirm {
        look: Look::Narrow,
        frame: Frame::without_visitor(&hub.config.get().hub),
        title: "Remove this site's cookies?",
        message: "It helps when you can't log in, or your browser sends too many of them. You have to log in again afterwards; your \
                  files are not touched.",
        action: "/hub/clear",
        label: "Remove the cookies",
        next: "",
    };
    render(StatusCode::OK, &confirm)
}

/// `POST /hub/clear`. Needs no session and no token: the worst it does is to log somebody out, on this host only.
pub(super) async fn submit(headers: HeaderMap) -> Response {
    let mut cookies: Vec<(HeaderName, String)> = Vec::new();
    for name in names(&headers) {
        let secure = if name.starts_with("__") { "; Secure" } else { "" };
        for path in ["/", "/hub", "/hub/"] {
            cookies.push((SET_COOKIE, format!("{name}=; Path={path}; Max-Age=0{secure}")));
        }
    }
    let clear = [("clear-site-data", "\"cookies\"")];
    (AppendHeaders(cookies), clear, Redirect::to("/hub/login")).into_response()
}

/// The names of the request's cookies that can be said back in a header.
fn names(headers: &HeaderMap) -> Vec<String> {
    let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b';' | b',' | b'=' | b'"');
    let headers = headers.get_all(COOKIE).iter().flat_map(|header| header.as_bytes().split(|byte| *byte == b';'));
    let names = headers.map(|pair| pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii());
    let mut names: Vec<String> = names
        .filter(|name| !name.is_empty() && name.iter().all(|byte| allowed(*byte)))
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    names.sort_unstable();
    names.dedup();
    names.truncate(MOST_COOKIES);
    names
}
