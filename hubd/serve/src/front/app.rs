//! Addresses of apps: `/user/NAME/apps/APP/`, and what changes on the way for one that takes itself for the only one on its host. Pure.

use http::header::{self, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Uri, uri};
use hub_core::config::AppName;

/// What a path below `/user/NAME/` says of apps.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It leads to this one.
    Inside(AppName),
    /// The same, without the slash that belongs at its end.
    Unslashed,
    /// There can be none of that name.
    Nowhere,
    /// It is Jupyter's.
    NoApp,
}

/// Reads what follows `/user/NAME/`.
pub(super) fn place(below: &str) -> Place {
    let Some(rest) = below.strip_prefix("apps/") else { return Place::NoApp };
    match rest.split_once('/') {
        Some((name, _)) => name.parse().map_or(Place::Nowhere, Place::Inside),
        None if rest.parse::<AppName>().is_ok() => Place::Unslashed,
        None => Place::Nowhere,
    }
}

/// Whether what follows `/user/NAME/` is the address of an app itself, and nothing in it.
pub(super) fn is_door(below: &str) -> bool {
    matches!(place(below), Place::Inside(_)) && below.matches('/').count() == 2 && below.ends_with('/')
}

/// `target` without `prefix`, which has a slash at its end, as the app knows it.
pub(super) fn strip(target: &Uri, prefix: &str) -> Option<Uri> {
    let rest = target.path_and_query().map(PathAndQuery::as_str)?.strip_prefix(prefix.trim_end_matches('/'))?;
    rest.starts_with('/').then(|| uri::PathAndQuery::try_from(rest).ok().map(Uri::from))?
}

/// Puts `prefix` back into what an answer says about addresses of the app's own: redirects, and where cookies hold.
pub(super) fn mend(headers: &mut HeaderMap, prefix: &str, host: Option<&str>) {
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let mended = headers.get(&name).and_then(|value| value.to_str().ok()).and_then(|value| location(value, prefix, host));
        if let Some(value) = mended.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(name, value);
        }
    }
    let cookies: Vec<HeaderValue> = headers.get_all(header::SET_COOKIE).iter().map(|value| cookie(value, prefix)).collect();
    headers.remove(header::SET_COOKIE);
    for value in cookies {
        headers.append(header::SET_COOKIE, value);
    }
}

/// `None`: it stays as it is.
fn location(value: &str, prefix: &str, host: Option<&str>) -> Option<String> {
    let own = ["http://", "https://"].iter().find_map(|scheme| {
        let rest = value.strip_prefix(scheme)?.strip_prefix(host?)?;
        (rest.is_empty() || rest.starts_with(['/', '?'])).then_some(rest)
    });
    let path = own.unwrap_or(value);
    if path == prefix.trim_end_matches('/') {
        return Some(prefix.to_owned());
    }
    let is_path = path.starts_with('/') && !path.starts_with("//") || own.is_some();
    match is_path && !path.starts_with(prefix) {
        true => Some(format!("{prefix}{}", path.trim_start_matches('/'))),
        false => own.map(str::to_owned),
    }
}

/// By bytes: what is no text is a cookie all the same.
fn cookie(value: &HeaderValue, prefix: &str) -> HeaderValue {
    let mut parts = value.as_bytes().split(|byte| *byte == b';');
    let mut mended = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        let name = part.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        // On this host there is more than the app.
        if !name.eq_ignore_ascii_case(b"path") && !name.eq_ignore_ascii_case(b"domain") {
            mended.push(b';');
            mended.extend(part);
        }
    }
    mended.extend(format!("; Path={prefix}").bytes());
    HeaderValue::from_bytes(&mended).unwrap_or_else(|_| value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "/user/ada/apps/refine/";

    #[test]
    fn one_reading_of_every_place() {
        let refine = || Place::Inside("refine".parse().unwrap());
        for (below, expected) in [
            ("apps/refine/", refine()),
            ("apps/refine/a/b?c", refine()),
            ("apps/refine", Place::Unslashed),
            ("apps/", Place::Nowhere),
            ("apps/Refine/", Place::Nowhere),
            ("apps/%72efine/", Place::Nowhere),
            ("apps//refine/", Place::Nowhere),
            ("apps", Place::NoApp),
            ("lab", Place::NoApp),
            ("lab/apps/refine/", Place::NoApp),
            ("", Place::NoApp),
        ] {
            assert_eq!(place(below), expected, "{below}");
        }
        assert!(is_door("apps/refine/"));
        for below in ["apps/refine/a", "apps/refine//", "apps/refine", "apps/Refine/", "lab/", "apps/refine/a/"] {
            assert!(!is_door(below), "{below}");
        }
    }

    #[test]
    fn the_app_is_asked_for_what_comes_after_its_address() {
        for (target, expected) in [
            ("/user/ada/apps/refine/", Some("/")),
            ("/user/ada/apps/refine/a%2Fb?c=/d", Some("/a%2Fb?c=/d")),
            ("/user/ada/apps/refine//x", Some("//x")),
            ("/user/ada/apps/refined/", None),
            ("/user/bob/apps/refine/", None),
        ] {
            let found = strip(&target.parse().unwrap(), PREFIX).map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), expected, "{target}");
        }
    }

    #[test]
    fn redirects_stay_with_the_app() {
        for (given, expected) in [
            ("/login?next=/", "/user/ada/apps/refine/login?next=/"),
            ("/", PREFIX),
            ("http://hub:80/x", "/user/ada/apps/refine/x"),
            ("https://hub:80", PREFIX),
            ("/user/ada/apps/refine/x", "/user/ada/apps/refine/x"),
            ("http://hub:80/user/ada/apps/refine/x", "/user/ada/apps/refine/x"),
            ("/user/ada/apps/refine", PREFIX),
            ("x/y", "x/y"),
            ("//other/x", "//other/x"),
            ("http://hub:8000/x", "http://hub:8000/x"),
            ("https://other/x", "https://other/x"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::LOCATION, HeaderValue::from_str(given).unwrap());
            mend(&mut headers, PREFIX, Some("hub:80"));
            assert_eq!(headers[header::LOCATION], expected, "{given}");
        }
    }

    #[test]
    fn cookies_hold_for_the_app_alone() {
        let mut headers = HeaderMap::new();
        for value in ["a=1; Path=/; HttpOnly", "b=2", "c=3; domain=example.org; path=/x; Max-Age=5", "d=\u{e4}; Path =/"] {
            headers.append(header::SET_COOKIE, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        mend(&mut headers, PREFIX, None);
        let found: Vec<_> =
            headers.get_all(header::SET_COOKIE).iter().map(|value| std::str::from_utf8(value.as_bytes()).unwrap()).collect();
        assert_eq!(
            found,
            [
                "a=1; HttpOnly; Path=/user/ada/apps/refine/",
                "b=2; Path=/user/ada/apps/refine/",
                "c=3; Max-Age=5; Path=/user/ada/apps/refine/",
                "d=\u{e4}; Path=/user/ada/apps/refine/"
            ]
        );
    }
}
