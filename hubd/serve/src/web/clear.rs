//! The way out when the browser is full of cookies, or has somebody else's: they are all removed. And what else a browser
//! forgets when another person comes.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::{COOKIE, HOST, HeaderName, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::Hub;
use super::error::Problem;
use super::frame::{Confirm, Frame, Look, render};
use super::limits::is_too_large;

/// Cookies removed at a time. Browsers keep about 180 for one host.
const MOST_COOKIES: usize = 200;
/// Directories of a path at which cookies are removed.
const MOST_PREFIXES: usize = 6;

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
    let mut response = Redirect::to("/hub/login").into_response();
    let paths = ["/", "/hub", "/hub/"].map(str::to_owned);
    for value in expire(&headers, &paths, is_too_large(&headers)) {
        response.headers_mut().append(SET_COOKIE, value);
    }
    response
}

/// Makes the browser drop the cookies that it sent to this path below `/user/` and to no page of the hub.
pub fn expire_below(path: &str, headers: &HeaderMap) -> Vec<HeaderValue> {
    let ends = path.match_indices('/').skip(1).take(MOST_PREFIXES).map(|(at, _)| at);
    let directories = ends.flat_map(|at| [path[..at].to_owned(), path[..=at].to_owned()]);
    let paths: Vec<String> = directories.chain([path.to_owned()]).collect();
    expire(headers, &paths, true)
}

/// What tells a browser to drop what pages of people's servers stored in it (and their service workers): for whoever comes
/// next is the same to it. `None`: others share the host, and it is theirs, too. Cookies and the cache are not named: a
/// browser would end the logins of the whole domain.
pub(super) fn storage(hub: &Hub) -> Option<(HeaderName, &'static str)> {
    hub.config.get().hub.base().is_empty().then_some((HeaderName::from_static("clear-site-data"), "\"storage\""))
}

/// `Set-Cookie` for each cookie of the request, with which the browser drops it. `everywhere`: also where it was set for
/// the domains above this host, where other sites use it as well.
fn expire(headers: &HeaderMap, paths: &[String], everywhere: bool) -> Vec<HeaderValue> {
    let mut domains = vec![String::new()];
    domains.extend(domains_of(headers).into_iter().take(if everywhere { usize::MAX } else { 1 }));
    let mut values = Vec::new();
    for name in names(headers) {
        let is_prefixed = name.starts_with(b"__");
        let secure = if is_prefixed { "; Secure" } else { "" };
        for domain in &domains {
            let domain = if domain.is_empty() { String::new() } else { format!("; Domain={domain}") };
            for path in paths {
                let value = [&name[..], format!("=; Path={path}; Max-Age=0{secure}{domain}").as_bytes()].concat();
                values.extend(HeaderValue::from_bytes(&value));
            }
        }
    }
    values
}

/// The host that the request names, and the domains above it that can have cookies.
fn domains_of(headers: &HeaderMap) -> Vec<String> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    if host.parse::<IpAddr>().is_ok() || host.starts_with('[') {
        return Vec::new();
    }
    let labels: Vec<&str> = host.split('.').collect();
    (0..labels.len().saturating_sub(1)).filter_map(|skipped| labels.get(skipped..)).map(|labels| labels.join(".")).collect()
}

/// The names of the request's cookies that can be said back in a header.
fn names(headers: &HeaderMap) -> Vec<Vec<u8>> {
    let allowed = |byte: u8| (byte.is_ascii_graphic() || byte >= 0x80) && !matches!(byte, b';' | b',' | b'=' | b'"');
    let headers = headers.get_all(COOKIE).iter().flat_map(|header| header.as_bytes().split(|byte| *byte == b';'));
    let names = headers.map(|pair| pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii());
    let mut names: Vec<Vec<u8>> =
        names.filter(|name| !name.is_empty() && name.iter().all(|byte| allowed(*byte))).map(<[u8]>::to_vec).collect();
    names.sort_unstable();
    names.dedup();
    names.truncate(MOST_COOKIES);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &'static str, cookies: &[u8]) -> HeaderMap {
        HeaderMap::from_iter([(HOST, HeaderValue::from_static(host)), (COOKIE, HeaderValue::from_bytes(cookies).unwrap())])
    }

    fn said(values: &[HeaderValue]) -> Vec<String> {
        values.iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    }

    #[test]
    fn every_cookie_is_dropped_wherever_it_may_have_been_set() {
        let sent = headers("hub.example.org:8000", "b=1; naïve=x; __Host-hubd-session=y".as_bytes());
        let paths = ["/".to_owned()];
        assert_eq!(
            said(&expire(&sent, &paths, false)),
            [
                "__Host-hubd-session=; Path=/; Max-Age=0; Secure",
                "__Host-hubd-session=; Path=/; Max-Age=0; Secure; Domain=hub.example.org",
                "b=; Path=/; Max-Age=0",
                "b=; Path=/; Max-Age=0; Domain=hub.example.org",
                "naïve=; Path=/; Max-Age=0",
                "naïve=; Path=/; Max-Age=0; Domain=hub.example.org",
            ]
        );
        let everywhere = said(&expire(&headers("hub.example.org", b"b=1"), &paths, true));
        assert_eq!(everywhere.last().map(String::as_str), Some("b=; Path=/; Max-Age=0; Domain=example.org"));
        assert_eq!(said(&expire(&headers("10.0.0.7:80", b"b=1"), &paths, true)), ["b=; Path=/; Max-Age=0"]);
    }

    #[test]
    fn those_of_a_server_s_own_paths_are_dropped_there() {
        let values = said(&expire_below("/user/ada/lab/tree/x", &headers("localhost", b"b=1")));
        let paths: Vec<_> = values.iter().filter_map(|value| value.split("; ").nth(1)).collect();
        let expected = ["/user", "/user/", "/user/ada", "/user/ada/", "/user/ada/lab", "/user/ada/lab/", "/user/ada/lab/tree"];
        assert_eq!(paths[..7], expected.map(|path| format!("Path={path}")));
        assert!(!values.iter().any(|value| value.contains("Path=/;")), "the login goes, too");
    }
}
