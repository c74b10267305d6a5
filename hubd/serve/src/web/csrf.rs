//! Who asks, and from where: the session, and whether a request comes from our own pages, from the visitor's own hand,
//! or from somebody else's page. Decided from headers that scripts can't set.

use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Redirect, Response};
use http::header::{HOST, ORIGIN, REFERER};
use http::request::Parts;
use http::{HeaderMap, Method};
use subtle::ConstantTimeEq;

use super::error::Problem;
use super::form::Form;
use super::next::login_location;
use super::{Hub, error};
use crate::auth::Session;
use crate::listen::Client;

/// Where a navigation comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A page on this host.
    Ours,
    /// The address bar, a bookmark.
    Typed,
    /// Another site, or nobody knows.
    Foreign,
}

/// A request by somebody who is logged in. As an extractor it sends everybody else to the login page and back.
pub(super) struct Visitor {
    pub(super) session: Session,
    pub(super) client: Client,
    pub(super) origin: Origin,
    /// What the browser's address bar says, port included.
    pub(super) host: Option<String>,
}

impl Visitor {
    /// Whether `form` came from one of this session's own pages, and the session is not over: what was sent may take its time
    /// to arrive, and somebody who is blocked meanwhile does nothing more.
    pub(super) fn check(&self, form: &Form) -> Result<(), Problem> {
        if *self.session.ended.borrow() {
            return Err(Problem::not_logged_in());
        }
        if same(&self.session.form_token(), form.text("token")) { Ok(()) } else { Err(Problem::stale_form()) }
    }
}

impl FromRequestParts<Arc<Hub>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, Response> {
        let found = <Self as OptionalFromRequestParts<Arc<Hub>>>::from_request_parts(parts, hub).await;
        if let Some(visitor) = found.map_err(IntoResponse::into_response)? {
            return Ok(visitor);
        }
        if !error::wants_html(&parts.headers) {
            return Err(Problem::not_logged_in().into_response());
        }
        let wanted = parts.uri.path_and_query().map_or("/hub/home", |path| path.as_str());
        let location = if parts.method == Method::GET { login_location(wanted) } else { "/hub/login".to_owned() };
        Err(Redirect::to(&location).into_response())
    }
}

impl OptionalFromRequestParts<Arc<Hub>> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Option<Self>, Problem> {
        let client = client(parts)?;
        let session = hub.people.sessions().find(&parts.headers, client.https);
        let origin = origin(&parts.headers, client, hub.config.get().hub.origin());
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
        Ok(session.map(|session| Self { session, client, origin, host }))
    }
}

/// The client of a request.
pub(super) fn client(parts: &Parts) -> Result<Client, Problem> {
    let client = parts.extensions.get::<Client>().copied();
    client.ok_or_else(|| Problem::internal(&anyhow::anyhow!("a request came without the address of its client")))
}

/// Whether two secrets are the same, in a time that does not depend on how alike they are.
pub(super) fn same(expected: &str, given: &str) -> bool {
    expected.as_bytes().ct_eq(given.as_bytes()).into()
}

/// Whether something that changes nothing may be answered: only when somebody goes to the page. Scripts, frames and
/// embedded things get nothing, be they on this host or elsewhere: pages of users' servers share it.
pub(super) fn is_navigation(headers: &HeaderMap) -> bool {
    let is = |name: &str, wanted: &str| headers.get(name).is_none_or(|value| value == wanted);
    is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document")
}

/// Whether something that changes state may be answered: a form on one of our pages was sent. Browsers always say where
/// a form comes from; a request that says nothing at all is from a program, which no other site can steer.
pub(super) fn is_own_form(headers: &HeaderMap, client: Client, url: Option<&str>) -> bool {
    let site = headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin");
    let origins = headers.get_all(ORIGIN).iter();
    let origin = origins.map(|origin| origin.to_str().unwrap_or_default()).all(|origin| is_ours(origin, headers, client, url));
    site && origin && is_navigation(headers)
}

/// Where a navigation comes from.
pub(super) fn origin(headers: &HeaderMap, client: Client, url: Option<&str>) -> Origin {
    if headers.get("sec-purpose").is_some() || !is_navigation(headers) {
        return Origin::Foreign;
    }
    match headers.get("sec-fetch-site").map(|site| site.as_bytes()) {
        Some(b"same-origin") => Origin::Ours,
        Some(b"none") => Origin::Typed,
        Some(_) => Origin::Foreign,
        None => {
            let referer = headers.get(REFERER).and_then(|referer| referer.to_str().ok()).unwrap_or_default();
            let end = referer.match_indices('/').nth(2).map_or(referer.len(), |(index, _)| index);
            match referer.get(..end) {
                Some(origin) if is_ours(origin, headers, client, url) => Origin::Ours,
                _ => Origin::Foreign,
            }
        }
    }
}

/// Whether `origin` (scheme, host, port) is this very hub's: as the request's `Host` says, or as the configuration does.
fn is_ours(origin: &str, headers: &HeaderMap, client: Client, url: Option<&str>) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).filter(|host| !host.is_empty());
    let own = |scheme: &str, port: &str| host.map(|host| format!("{scheme}{}", host.strip_suffix(port).unwrap_or(host)));
    let matches = |own: Option<String>| own.is_some_and(|own| own.eq_ignore_ascii_case(origin));
    // Without encryption of our own there may be some in front of us, so both schemes can be ours.
    let by_host = matches(own("https://", ":443")) || (!client.https && matches(own("http://", ":80")));
    by_host || url.is_some_and(|url| url.eq_ignore_ascii_case(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Client = Client { address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), https: false };
    const SECURE: Client = Client { address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), https: true };

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn knows_its_own_origin() {
        for (client, host, origin) in [
            (PLAIN, "hub.example.org", "http://hub.example.org"),
            (PLAIN, "hub.example.org:80", "http://hub.example.org"),
            (PLAIN, "hub.example.org:8000", "http://hub.example.org:8000"),
            (PLAIN, "[::1]:8000", "http://[::1]:8000"),
            (PLAIN, "10.0.0.7", "http://10.0.0.7"),
            (PLAIN, "HUB.example.org", "http://hub.example.org"),
            (SECURE, "hub.example.org", "https://hub.example.org"),
            (SECURE, "hub.example.org:443", "https://hub.example.org"),
            (PLAIN, "inner:8000", "https://outer.example.org"),
            (PLAIN, "hub.example.org", "https://hub.example.org"),
        ] {
            let headers = headers(&[("host", host)]);
            assert!(is_ours(origin, &headers, client, Some("https://outer.example.org")), "{origin} at {host}");
        }
    }

    #[test]
    fn knows_foreign_origins() {
        for origin in [
            "",
            "null",
            "http://",
            "https://",
            "http://hub.example.org.evil.com",
            "http://evil.com",
            "http://hub.example.org:8000",
            "http://sub.hub.example.org",
            "http://hub.example.org@evil.com",
            "hub.example.org",
        ] {
            assert!(!is_ours(origin, &headers(&[("host", "hub.example.org")]), PLAIN, None), "{origin}");
        }
        assert!(!is_ours("http://hub.example.org", &headers(&[("host", "hub.example.org")]), SECURE, None));
        assert!(!is_ours("http://", &headers(&[("host", "")]), PLAIN, None));
        assert!(!is_ours("http://", &headers(&[]), PLAIN, None));
    }

    #[test]
    fn tells_where_a_navigation_comes_from() {
        let host = ("host", "hub");
        for (pairs, expected) in [
            (vec![host, ("sec-fetch-site", "same-origin")], Origin::Ours),
            (
                vec![host, ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
                Origin::Ours,
            ),
            (vec![host, ("sec-fetch-site", "none")], Origin::Typed),
            (vec![host, ("sec-fetch-site", "same-site")], Origin::Foreign),
            (vec![host, ("sec-fetch-site", "cross-site"), ("referer", "http://hub/x")], Origin::Foreign),
            (vec![host, ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "no-cors")], Origin::Foreign),
            (vec![host, ("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "iframe")], Origin::Foreign),
            (vec![host, ("sec-fetch-site", "same-origin"), ("sec-purpose", "prefetch")], Origin::Foreign),
            (vec![host, ("referer", "http://hub/user/ada/lab")], Origin::Ours),
            (vec![host, ("referer", "http://hub")], Origin::Ours),
            (vec![host, ("referer", "http://hub.evil/")], Origin::Foreign),
            (vec![host, ("referer", "http://evil/http://hub/")], Origin::Foreign),
            (vec![host], Origin::Foreign),
        ] {
            assert_eq!(origin(&headers(&pairs), PLAIN, None), expected, "{pairs:?}");
        }
    }

    #[test]
    fn accepts_only_its_own_forms() {
        let sites = [None, Some("same-origin"), Some("same-site"), Some("cross-site"), Some("none")];
        let modes = [None, Some("navigate"), Some("no-cors"), Some("cors")];
        let origins =
            [None, Some("http://hub"), Some("null"), Some("http://evil"), Some("https://hub:8000"), Some("http://hub.evil")];
        for site in sites {
            for mode in modes {
                for origin in origins {
                    let mut pairs = vec![("host", "hub")];
                    pairs.extend(site.map(|site| ("sec-fetch-site", site)));
                    pairs.extend(mode.map(|mode| ("sec-fetch-mode", mode)));
                    pairs.extend(origin.map(|origin| ("origin", origin)));
                    let expected = matches!(site, None | Some("same-origin"))
                        && matches!(mode, None | Some("navigate"))
                        && matches!(origin, None | Some("http://hub"));
                    assert_eq!(is_own_form(&headers(&pairs), PLAIN, None), expected, "{pairs:?}");
                }
            }
        }
    }
}
