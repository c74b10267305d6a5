//! What a browser says about the reason for a request, and whether another site is behind it.

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, Uri};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Whether a person is on the way to a page, so that a page or a redirect is the right answer. Over plain HTTP
/// browsers do not say, and then it counts whether they would show HTML.
pub(super) fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    if !matches!(*method, Method::GET | Method::HEAD) || headers.contains_key(header::UPGRADE) {
        return false;
    }
    match text(headers, &FETCH_MODE) {
        Some(mode) => mode == "navigate",
        None => text(headers, &header::ACCEPT).is_some_and(|accept| accept.contains("text/html")),
    }
}

/// Whether another site makes the browser ask: then the session does not count, unless a person follows a link.
pub(super) fn is_foreign(method: &Method, headers: &HeaderMap, https: bool) -> bool {
    let is_elsewhere = matches!(text(headers, &FETCH_SITE), Some("cross-site" | "same-site"));
    let is_framed = text(headers, &FETCH_DEST).is_some_and(|dest| dest != "document");
    let is_link = is_navigation(method, headers) && !is_framed;
    let mut origins = headers.get_all(header::ORIGIN).iter();
    is_elsewhere && !is_link || origins.any(|origin| !is_own(origin.to_str().ok(), headers, https))
}

/// Whether a person is on the way here by a link, or an address, of which nobody knows that it stands on a page of ours.
pub(super) fn is_followed(method: &Method, headers: &HeaderMap, https: bool) -> bool {
    let is_ours = match text(headers, &FETCH_SITE) {
        Some(site) => site == "same-origin",
        // Over plain HTTP browsers say at most which page it was; another site can make them say nothing, and no more.
        None => text(headers, &header::REFERER).is_some_and(|referer| is_own(Some(origin_of(referer)), headers, https)),
    };
    is_navigation(method, headers) && !is_ours
}

/// Scheme, host and port of an address.
fn origin_of(address: &str) -> &str {
    address.match_indices('/').nth(2).map_or(address, |(end, _)| &address[..end])
}

/// Whether `origin` is the host that the request names.
fn is_own(origin: Option<&str>, headers: &HeaderMap, https: bool) -> bool {
    let host = text(headers, &header::HOST);
    let Some((scheme, authority)) = origin.and_then(|origin| origin.split_once("://")) else { return false };
    // Without encryption of our own there may be some in front of us, so both schemes can be ours.
    let scheme_fits = scheme == "https" || (scheme == "http" && !https);
    scheme_fits && host.is_some_and(|host| host.eq_ignore_ascii_case(authority))
}

/// Whether a request shows that a person uses the server. An open JupyterLab asks for these lists every few seconds
/// all night long.
pub(super) fn is_use(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    const POLLED: [&str; 8] = ["kernels", "kernelspecs", "sessions", "terminals", "contents", "status", "metrics", "me"];
    if *method != Method::GET || is_navigation(method, headers) || headers.contains_key(header::UPGRADE) {
        return true;
    }
    let mut below = uri.path().splitn(6, '/').skip(3);
    !(below.next() == Some("api") && below.next().is_some_and(|kind| POLLED.contains(&kind)))
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn people_navigate_and_programs_fetch() {
        let html = ("accept", "text/html,application/xhtml+xml");
        for (method, pairs, expected) in [
            (Method::GET, vec![("sec-fetch-mode", "navigate")], true),
            (Method::GET, vec![html], true),
            (Method::HEAD, vec![html], true),
            (Method::GET, vec![html, ("sec-fetch-mode", "cors")], false),
            (Method::GET, vec![("sec-fetch-mode", "websocket")], false),
            (Method::GET, vec![html, ("upgrade", "websocket")], false),
            (Method::GET, vec![("accept", "*/*")], false),
            (Method::GET, vec![], false),
            (Method::POST, vec![html, ("sec-fetch-mode", "navigate")], false),
        ] {
            assert_eq!(is_navigation(&method, &headers(&pairs)), expected, "{method} {pairs:?}");
        }
    }

    #[test]
    fn other_sites_are_told_apart() {
        let host = ("host", "hub.example:8000");
        for (method, pairs, https, expected) in [
            (Method::GET, vec![], false, false),
            (Method::GET, vec![("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")], false, false),
            (Method::GET, vec![("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")], false, false),
            (Method::GET, vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], false, false),
            (
                Method::GET,
                vec![("sec-fetch-site", "same-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
                false,
                false,
            ),
            (
                Method::GET,
                vec![("sec-fetch-site", "same-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
                false,
                true,
            ),
            (
                Method::GET,
                vec![("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
                false,
                false,
            ),
            (Method::POST, vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], false, true),
            (Method::GET, vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")], false, true),
            (Method::GET, vec![("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")], false, true),
            (Method::GET, vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "websocket")], false, true),
            (Method::GET, vec![("origin", "http://hub.example:8000")], false, false),
            (Method::GET, vec![("origin", "http://HUB.example:8000")], false, false),
            (Method::GET, vec![("origin", "https://hub.example:8000")], false, false),
            (Method::GET, vec![("origin", "https://hub.example:8000")], true, false),
            (Method::GET, vec![("origin", "http://hub.example:8000")], true, true),
            (Method::GET, vec![("origin", "http://hub.example")], false, true),
            (Method::GET, vec![("origin", "http://hub.example:8000.evil")], false, true),
            (Method::GET, vec![("origin", "http://evil/hub.example:8000")], false, true),
            (Method::GET, vec![("origin", "http://x@hub.example:8000")], false, true),
            (Method::GET, vec![("origin", "ftp://hub.example:8000")], false, true),
            (Method::GET, vec![("origin", "null")], false, true),
            (Method::GET, vec![("origin", "")], false, true),
        ] {
            let pairs = [pairs, vec![host]].concat();
            assert_eq!(is_foreign(&method, &headers(&pairs), https), expected, "{method} {pairs:?} https={https}");
        }
    }

    #[test]
    fn a_link_is_followed_unless_it_stands_on_a_page_of_ours() {
        let (host, html) = (("host", "hub:8000"), ("accept", "text/html"));
        let went = ("sec-fetch-mode", "navigate");
        for (pairs, expected) in [
            (vec![went, ("sec-fetch-site", "same-origin")], false),
            (vec![went, ("sec-fetch-site", "cross-site"), ("referer", "http://hub:8000/")], true),
            (vec![went, ("sec-fetch-site", "same-site")], true),
            (vec![went, ("sec-fetch-site", "none")], true),
            (vec![("sec-fetch-mode", "cors"), ("sec-fetch-site", "cross-site")], false),
            (vec![html], true),
            (vec![html, ("referer", "http://hub:8000/user/ada/lab")], false),
            (vec![html, ("referer", "http://hub:8000")], false),
            (vec![html, ("referer", "http://hub:8001/user/ada/lab")], true),
            (vec![html, ("referer", "http://hub:8000.evil/")], true),
            (vec![html, ("referer", "http://evil/http://hub:8000/")], true),
            (vec![("accept", "text/event-stream")], false),
        ] {
            let pairs = [pairs, vec![host]].concat();
            assert_eq!(is_followed(&Method::GET, &headers(&pairs), false), expected, "{pairs:?}");
        }
    }

    #[test]
    fn polling_is_not_use() {
        for (method, path, pairs, expected) in [
            (Method::GET, "/user/ada/lab", vec![], true),
            (Method::GET, "/user/ada/api/kernels", vec![], false),
            (Method::GET, "/user/ada/api/kernels?1234", vec![], false),
            (Method::GET, "/user/ada/api/me?1234", vec![], false),
            (Method::HEAD, "/user/ada/api/status", vec![], true),
            (Method::GET, "/user/ada/api/contents/a/b?content=0", vec![], false),
            (Method::GET, "/user/ada/api/terminals", vec![("sec-fetch-mode", "navigate")], true),
            (Method::GET, "/user/ada/api/kernels/1/channels", vec![("upgrade", "websocket")], true),
            (Method::POST, "/user/ada/api/kernels", vec![], true),
            (Method::PUT, "/user/ada/api/contents/a", vec![], true),
            (Method::GET, "/user/ada/files/api/kernels", vec![], true),
            (Method::GET, "/user/ada/api", vec![], true),
        ] {
            assert_eq!(is_use(&method, &path.parse().unwrap(), &headers(&pairs)), expected, "{method} {path}");
        }
    }
}
