//! Which requests only a page of the person's own may make. To a browser the hub is one person, so a page that somebody
//! else left open sends the cookie of whoever is logged in now; what it does not have is the key that the hub gives to the
//! pages of a session. Pure.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Uri};
use subtle::ConstantTimeEq;

use super::browser::{is_navigation, text};
use crate::below::{Kind, kind};

const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
/// How clients of Jupyter spell the key in an address.
const PARAMETER: &str = "token=";

/// What a request is refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It has no key, or that of another session.
    NoKey,
    /// It has no key, and the page would be shown inside another one.
    Framed,
}

/// Decides whether a request for `path`, below `/user/NAME/`, is answered at all.
pub(super) fn judge(method: &Method, path: &str, headers: &HeaderMap, has_key: bool) -> Result<(), Refused> {
    let kind = kind(path);
    if has_key || matches!(kind, Kind::Static | Kind::Pull | Kind::App) {
        return Ok(());
    }
    if !is_navigation(method, headers) {
        return Err(Refused::NoKey);
    }
    // What is saved as a file is meant for nothing (`empty`), and no script sees it.
    let is_framed = text(headers, &FETCH_DEST).is_some_and(|dest| !matches!(dest, "document" | "empty"));
    if is_framed || headers.contains_key(PURPOSE) {
        return Err(Refused::Framed);
    }
    // Over plain http a script can look like a person, so what no person goes to is for pages alone.
    match kind == Kind::Interface && text(headers, &FETCH_MODE).is_none() {
        true => Err(Refused::NoKey),
        false => Ok(()),
    }
}

/// Whether the answer is to be told the key: a page that a person goes to, in a window of its own.
pub(super) fn gets_key(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let is_window = text(headers, &FETCH_DEST).is_none_or(|dest| dest == "document");
    kind(path) == Kind::Page && is_window && judge(method, path, headers, false).is_ok()
}

/// Whether the answer may be kept by the browser, where any page of the hub could read it.
pub(super) fn may_be_kept(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    matches!(kind(path), Kind::Static | Kind::App) && !is_navigation(method, headers)
}

/// What holds for every answer of a server: another page has no hand on its window, and unless it `may_be_kept`, no page
/// finds it in what the browser keeps.
pub(super) fn close(headers: &mut HeaderMap, may_be_kept: bool) {
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("noopener-allow-popups"));
    if !may_be_kept {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// Whether the browser wants this for a service worker, which would outlive its owner's session.
pub(super) fn is_service_worker(headers: &HeaderMap) -> bool {
    headers.contains_key("service-worker") || text(headers, &FETCH_DEST) == Some("serviceworker")
}

/// Takes the key out of the headers; says whether it was there.
pub(super) fn take_from_headers(headers: &mut HeaderMap, key: &str) -> bool {
    let is_key = |value: &HeaderValue| {
        let (scheme, given) = value.to_str().ok()?.split_once(' ')?;
        Some((scheme.eq_ignore_ascii_case("token") || scheme.eq_ignore_ascii_case("bearer")) && same(given.trim(), key))
    };
    let found = headers.get(header::AUTHORIZATION).and_then(is_key) == Some(true);
    if found {
        headers.remove(header::AUTHORIZATION);
    }
    found
}

/// The address without the key; `None`: it was not there.
pub(super) fn take_from_address(uri: &Uri, key: &str) -> Option<Uri> {
    let query = uri.query()?;
    let is_key = |pair: &&str| pair.strip_prefix(PARAMETER).is_some_and(|given| same(given, key));
    query.split('&').find(is_key)?;
    let rest = query.split('&').filter(|pair| !is_key(pair)).collect::<Vec<_>>().join("&");
    let target = if rest.is_empty() { uri.path().to_owned() } else { format!("{}?{rest}", uri.path()) };
    PathAndQuery::try_from(target).ok().map(Uri::from)
}

fn same(given: &str, key: &str) -> bool {
    given.as_bytes().ct_eq(key.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";
    const HTML: (&str, &str) = ("accept", "text/html,*/*");
    const PERSON: [(&str, &str); 3] = [HTML, ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_page_without_the_key_can_use_nothing_of_a_server() {
        let fetch = [("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")];
        let image = [("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")];
        let socket = [("upgrade", "websocket"), ("connection", "upgrade")];
        for path in [
            "api/contents/a",
            "api",
            "files/a.png",
            "lab",
            "lab/tree/a",
            "tree",
            "",
            "terminals/websocket/1",
            "lsp/ws/x",
            "lab/api/settings",
            "nbconvert/html/a.ipynb",
            "notebooks/a.ipynb",
            "edit/a",
            "metrics",
            "git/clone",
        ] {
            for (method, sent) in [
                (Method::GET, &fetch[..]),
                (Method::GET, &image),
                (Method::GET, &socket),
                (Method::GET, &[]),
                (Method::PUT, &fetch),
                (Method::POST, &PERSON),
            ] {
                assert_eq!(judge(&method, path, &headers(sent), false), Err(Refused::NoKey), "{method} {path} {sent:?}");
                assert_eq!(judge(&method, path, &headers(sent), true), Ok(()), "{method} {path} {sent:?}");
                assert!(!gets_key(&method, path, &headers(sent)) && !may_be_kept(&method, path, &headers(sent)));
            }
        }
    }

    #[test]
    fn frames_and_what_is_fetched_ahead_are_no_windows() {
        for dest in ["iframe", "frame", "embed", "object", "fencedframe"] {
            let sent = headers(&[HTML, ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", dest)]);
            for path in ["lab", "files/a.html", "api/contents"] {
                assert_eq!(judge(&Method::GET, path, &sent, false), Err(Refused::Framed), "{path} {dest}");
                assert_eq!(judge(&Method::GET, path, &sent, true), Ok(()), "{path} {dest}");
                assert!(!gets_key(&Method::GET, path, &sent));
            }
            assert_eq!(judge(&Method::GET, "rstudio/help", &sent, false), Ok(()));
        }
        let ahead = headers(&[&PERSON[..], &[("sec-purpose", "prefetch")]].concat());
        assert_eq!(judge(&Method::GET, "lab", &ahead, false), Err(Refused::Framed));
    }

    #[test]
    fn a_person_who_goes_to_a_page_gets_it_with_the_key() {
        for (path, key) in [
            ("lab", true),
            ("lab/tree/a b.ipynb", true),
            ("tree", true),
            ("notebooks/x", true),
            ("", true),
            ("terminals/1", true),
            ("files/a.html", false),
            ("nbconvert/html/a", false),
            ("api/contents", false),
            ("proxy/8501/", false),
            ("lab/static/x.js", false),
            ("git-pull", false),
        ] {
            assert_eq!(judge(&Method::GET, path, &headers(&PERSON), false), Ok(()), "{path}");
            assert_eq!(gets_key(&Method::GET, path, &headers(&PERSON)), key, "{path}");
            assert!(!may_be_kept(&Method::GET, path, &headers(&PERSON)), "{path}");
        }
        let saved = headers(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "empty")]);
        assert_eq!(judge(&Method::GET, "files/a.csv", &saved, false), Ok(()));
        assert!(!gets_key(&Method::GET, "lab", &saved));
        // Over plain http browsers do not say what they are about.
        assert!(gets_key(&Method::GET, "lab", &headers(&[HTML])));
        assert_eq!(judge(&Method::GET, "files/a", &headers(&[HTML]), false), Ok(()));
        assert_eq!(judge(&Method::GET, "api/contents", &headers(&[HTML]), false), Err(Refused::NoKey));
    }

    #[test]
    fn what_is_the_same_for_everybody_and_programs_of_ones_own_need_no_key() {
        let script = headers(&[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "script")]);
        for path in [
            "static/lab/x.js",
            "lab/static/x",
            "lab/extensions/a/b.js",
            "lab/api/themes/a.css",
            "kernelspecs/python3/logo.svg",
            "proxy/8501/stream",
            "rstudio/rpc",
            "git-pull/static/dist/bundle.js",
        ] {
            assert_eq!(judge(&Method::GET, path, &script, false), Ok(()), "{path}");
            assert!(may_be_kept(&Method::GET, path, &script), "{path}");
        }
    }

    #[test]
    fn the_key_is_taken_out_wherever_it_was() {
        for (value, found) in [
            (format!("token {KEY}"), true),
            (format!("Bearer {KEY}"), true),
            (format!("TOKEN  {KEY}"), true),
            (format!("token {KEY}x"), false),
            (format!("Basic {KEY}"), false),
            (KEY.to_owned(), false),
            ("token ".to_owned(), false),
        ] {
            let mut headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::try_from(&value).unwrap())]);
            assert_eq!(take_from_headers(&mut headers, KEY), found, "{value}");
            assert_eq!(headers.is_empty(), found, "{value}");
        }
        for (address, left) in [
            (format!("/user/ada/files/a?token={KEY}"), Some("/user/ada/files/a")),
            (format!("/user/ada/files/a?_xsrf=1&token={KEY}&b=%2F"), Some("/user/ada/files/a?_xsrf=1&b=%2F")),
            (format!("/user/ada/files/a?xtoken={KEY}"), None),
            ("/user/ada/files/a?token=other".to_owned(), None),
            ("/user/ada/files/a".to_owned(), None),
        ] {
            let found = take_from_address(&address.parse().unwrap(), KEY);
            assert_eq!(found.map(|uri| uri.to_string()).as_deref(), left, "{address}");
        }
    }

    #[test]
    fn service_workers_are_known_by_what_browsers_say() {
        assert!(is_service_worker(&headers(&[("service-worker", "script")])));
        assert!(is_service_worker(&headers(&[("sec-fetch-dest", "serviceworker")])));
        assert!(!is_service_worker(&headers(&[("sec-fetch-dest", "worker")])));
    }
}
