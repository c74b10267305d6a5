//! The hub below a path of its host, as in `https://host/jupyter`: requests lose the path before anything else reads them,
//! answers of the hub's own get it back, and nothing in between knows of it. Pure.

use http::header::{self, HeaderMap, HeaderValue};
use http::uri::{PathAndQuery, Uri};

/// What browsers take only with `Path=/`, so it stands for what they take below a path.
const FOR_THE_HOST: &str = "__Host-hubd-";
const FOR_A_PATH: &str = "__Secure-hubd-";

/// An authority asks for this wherever the hub is.
const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// Where a request leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// To this target of the hub.
    Within(Uri),
    /// To the place where the hub is, without the slash that belongs there.
    Door,
    /// Past the hub.
    Outside,
}

/// Reads a target below `base`, which begins with a slash and does not end with one; empty: the hub is at the top.
pub(super) fn enter(base: &str, uri: &Uri) -> Entry {
    if base.is_empty() || uri.path().starts_with(CHALLENGES) {
        return Entry::Within(uri.clone());
    }
    let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    match target.strip_prefix(base) {
        Some(rest) if rest.starts_with('/') => rest.parse().map_or(Entry::Outside, Entry::Within),
        Some("") => Entry::Door,
        _ if target == "/" => Entry::Door,
        _ => Entry::Outside,
    }
}

/// Gives the hub's cookies the names that the hub knows.
pub(super) fn read_cookies(base: &str, headers: &mut HeaderMap) {
    if base.is_empty() {
        return;
    }
    let header::Entry::Occupied(mut cookies) = headers.entry(header::COOKIE) else { return };
    for value in cookies.iter_mut() {
        // Byte by byte: what another app set may be no text at all.
        let pairs = value.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii_start);
        let renamed = pairs.map(|pair| match pair.strip_prefix(FOR_A_PATH.as_bytes()) {
            Some(rest) => [FOR_THE_HOST.as_bytes(), rest].concat(),
            None => pair.to_vec(),
        });
        if let Ok(renamed) = HeaderValue::from_bytes(&renamed.collect::<Vec<_>>().join(&b"; "[..])) {
            *value = renamed;
        }
    }
}

/// Puts `base` into what an answer of the hub's own says about places.
pub(super) fn leave(base: &str, headers: &mut HeaderMap) {
    if base.is_empty() {
        return;
    }
    if let Some(location) = headers.get_mut(header::LOCATION)
        && let Some(path) = location.to_str().ok().filter(|text| text.starts_with('/'))
        && let Ok(moved) = HeaderValue::try_from(format!("{base}{path}"))
    {
        *location = moved;
    }
    let header::Entry::Occupied(mut cookies) = headers.entry(header::SET_COOKIE) else { return };
    for value in cookies.iter_mut() {
        let Ok(text) = value.to_str() else { continue };
        let named = text.strip_prefix(FOR_THE_HOST).map_or(text.to_owned(), |rest| format!("{FOR_A_PATH}{rest}"));
        if let Ok(moved) = HeaderValue::try_from(named.replacen("; Path=/", &format!("; Path={base}/"), 1)) {
            *value = moved;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(target: &str) -> Entry {
        Entry::Within(target.parse().unwrap())
    }

    #[test]
    fn only_what_is_below_the_path_is_for_the_hub() {
        for (base, target, entry) in [
            ("", "/hub/login?next=%2F", within("/hub/login?next=%2F")),
            ("/a/b", "/a/b/hub/login?next=%2F", within("/hub/login?next=%2F")),
            ("/a/b", "/a/b/user/ada/files/a%2Fb", within("/user/ada/files/a%2Fb")),
            ("/a/b", "/a/b/", within("/")),
            ("/a/b", "/a/b", Entry::Door),
            ("/a/b", "/", Entry::Door),
            ("/a/b", "/a/b?x", Entry::Outside),
            ("/a/b", "/a/bc/hub/login", Entry::Outside),
            ("/a/b", "/hub/login", Entry::Outside),
            ("/a/b", "/a/hub/login", Entry::Outside),
            ("/a/b", "/A/b/hub/login", Entry::Outside),
            ("/a/b", "/%61/b/hub/login", Entry::Outside),
            ("/a/b", "/.well-known/acme-challenge/t", within("/.well-known/acme-challenge/t")),
        ] {
            assert_eq!(enter(base, &target.parse().unwrap()), entry, "{base} {target}");
        }
    }

    #[test]
    fn cookies_of_the_hub_are_for_its_path_alone() {
        let mut headers = HeaderMap::new();
        for cookie in ["__Host-hubd-session=x; Path=/; Secure", "hubd-session=; Path=/user/ada; Max-Age=0", "a=b; Path=/"] {
            headers.append(header::SET_COOKIE, HeaderValue::from_static(cookie));
        }
        headers.insert(header::LOCATION, HeaderValue::from_static("/hub/login?next=%2F"));
        let untouched = headers.clone();
        leave("", &mut headers);
        assert_eq!(headers, untouched);
        leave("/a", &mut headers);
        let found: Vec<_> = headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(
            found,
            ["__Secure-hubd-session=x; Path=/a/; Secure", "hubd-session=; Path=/a/user/ada; Max-Age=0", "a=b; Path=/a/"]
        );
        assert_eq!(headers[header::LOCATION], "/a/hub/login?next=%2F");
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("a=1; __Secure-hubd-session=x;b=2"));
        read_cookies("/a", &mut headers);
        assert_eq!(headers[header::COOKIE], "a=1; __Host-hubd-session=x; b=2");
        headers.insert(header::COOKIE, HeaderValue::from_bytes(b"caf\xe9=\xff;__Secure-hubd-session=x").unwrap());
        read_cookies("/a", &mut headers);
        assert_eq!(headers[header::COOKIE].as_bytes(), b"caf\xe9=\xff; __Host-hubd-session=x");
    }

    #[test]
    fn what_leads_elsewhere_leads_there() {
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, HeaderValue::from_static("https://elsewhere/"));
        leave("/a", &mut headers);
        assert_eq!(headers[header::LOCATION], "https://elsewhere/");
    }
}
