//! Where a request wants to go: one reading of its target, which decides both who may and who answers.

use http::Uri;
use http::uri::Authority;
use hub_core::accounts::Username;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// To the hub's own pages.
    Hub,
    /// To the server of this person.
    Server(Username),
    /// `/user/<name>` without the slash that belongs there.
    Unslashed(Username),
    /// `/user/<name>/logout`, where JupyterLab's Log Out goes.
    Logout,
    /// Below `/user/`, but nobody can have that name.
    Nobody,
}

/// Why a target is refused; for people.
pub(super) type Refused = &'static str;

/// Reads a path. What could mean one thing here and another behind us is refused; everything after
/// `/user/<name>/` is the user server's own business, except that it may not climb out.
pub(super) fn route(path: &str) -> Result<Route, Refused> {
    if !path.starts_with('/') {
        return Err("a path must start with a slash");
    }
    let prefix_end = path.match_indices('/').nth(2).map_or(path.len(), |(at, _)| at + 1);
    let prefix = &path[..prefix_end];
    if prefix.contains("//") || prefix.contains('\\') || has_escape(prefix, |byte| matches!(byte, b'/' | b'\\' | 0)) {
        return Err("a path must not begin with empty parts, backslashes or escaped separators");
    }
    if climbs(path) {
        return Err("a path must not contain `.` or `..` as a part of its own");
    }
    let Some(rest) = path.strip_prefix("/user/") else {
        return Ok(if path == "/user" { Route::Nobody } else { Route::Hub });
    };
    let (name, below) = rest.split_once('/').map_or((rest, None), |(name, below)| (name, Some(below)));
    Ok(match (name.parse(), below) {
        (Err(_), _) => Route::Nobody,
        (Ok(_), Some("logout")) => Route::Logout,
        (Ok(name), Some(_)) => Route::Server(name),
        (Ok(name), None) => Route::Unslashed(name),
    })
}

/// What follows `/user/NAME/` in the path of a [`Route::Server`].
pub(super) fn below(path: &str) -> &str {
    path.splitn(4, '/').nth(3).unwrap_or_default()
}

/// The target with the authority taken off, if it came with one (`GET http://host/path`): that must be the host the
/// request names anyway.
pub(super) fn origin_form(uri: &Uri, host: Option<&str>) -> Result<Option<Uri>, Refused> {
    let Some(authority) = uri.authority() else { return Ok(None) };
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("the target is not a path");
    }
    if !host.is_some_and(|host| host.eq_ignore_ascii_case(authority.as_str())) {
        return Err("the target names another host than the `Host` header");
    }
    let path = uri.path_and_query().cloned().map(Uri::from);
    path.map(Some).ok_or("the target is not a path")
}

/// Whether `host` can stand in a `Host` header: a name or an address, perhaps a port, and no user.
pub(super) fn is_host(host: &str) -> bool {
    !host.is_empty() && !host.contains('@') && host.parse::<Authority>().is_ok()
}

/// Whether any reading of `path` finds a part that is `.` or `..`.
fn climbs(path: &str) -> bool {
    if !path.contains("/.") && !path.contains("\\.") && !path.contains('%') {
        return false;
    }
    let plain = unescape(path, |byte| matches!(byte, b'.' | b'/' | b'\\'));
    plain.split(|byte| matches!(byte, b'/' | b'\\')).any(|part| part == b"." || part == b"..")
}

fn has_escape(text: &str, is_sought: impl Fn(u8) -> bool) -> bool {
    text.contains('%') && (0..text.len()).any(|at| escape_at(text.as_bytes(), at).is_some_and(&is_sought))
}

/// `text` with those escapes replaced by what they stand for that `is_wanted` names.
fn unescape(text: &str, is_wanted: impl Fn(u8) -> bool) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match escape_at(bytes, at).filter(|byte| is_wanted(*byte)) {
            Some(escaped) => {
                plain.push(escaped);
                at += 3;
            }
            None => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    plain
}

/// The byte that an escape (`%2f`) at this place stands for.
fn escape_at(bytes: &[u8], at: usize) -> Option<u8> {
    let escape = bytes.get(at..at + 3).filter(|escape| escape[0] == b'%')?;
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(escape[1])? * 16 + digit(escape[2])?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str) -> Result<Route, Refused> {
        Ok(Route::Server(name.parse().unwrap()))
    }

    #[test]
    fn one_reading_of_every_path() {
        for (path, expected) in [
            ("/", Ok(Route::Hub)),
            ("/hub/login", Ok(Route::Hub)),
            ("/hub/user-redirect/lab/tree/a%2Fb", Ok(Route::Hub)),
            ("/users/ada/", Ok(Route::Hub)),
            ("/User/ada/", Ok(Route::Hub)),
            ("/%75ser/ada/", Ok(Route::Hub)),
            ("/user;x/ada/", Ok(Route::Hub)),
            ("/user", Ok(Route::Nobody)),
            ("/user/", Ok(Route::Nobody)),
            ("/user/Ada/lab", Ok(Route::Nobody)),
            ("/user/%61da/lab", Ok(Route::Nobody)),
            ("/user/ada;x/lab", Ok(Route::Nobody)),
            ("/user/%252e%252e/lab", Ok(Route::Nobody)),
            ("/user/a%40b/lab", Ok(Route::Nobody)),
            ("/user/ada", Ok(Route::Unslashed("ada".parse().unwrap()))),
            ("/user/ada/logout", Ok(Route::Logout)),
            ("/user/ada/logout/", server("ada")),
            ("/user/ada/", server("ada")),
            ("/user/ada/lab", server("ada")),
            ("/user/ada//lab", server("ada")),
            ("/user/ada/proxy/8080//x", server("ada")),
            ("/user/ada/files/a%2Fb%5Cc%00", server("ada")),
            ("/user/ada/files/.git/...a/..b/%2e%2egit", server("ada")),
            ("/user/ada/files/a%20b%zz%", server("ada")),
            ("/user/ada/files/%252e%252e/x", server("ada")),
        ] {
            assert_eq!(route(path), expected, "{path}");
        }
    }

    #[test]
    fn refuses_what_has_two_readings() {
        for path in [
            "",
            "*",
            "user/ada/",
            "//user/ada/",
            "/user//ada/",
            "//evil.example/",
            "/\\evil.example/",
            "/user\\ada/",
            "/user/ada\\lab/",
            "/user%2fada/lab",
            "/user/ada%2Flab/x",
            "/user/ada%5c/lab",
            "/user/ada%00/lab",
            "/user%00/ada/",
            "/user/ada/../bob/lab",
            "/user/ada/..",
            "/user/../hub/admin",
            "/user/./ada/",
            "/user/ada/%2e%2e/bob",
            "/user/ada/.%2E/bob",
            "/user/ada/%2e",
            "/user/ada/..%2fbob",
            "/user/ada/x%2f..%2f..%2fbob",
            "/user/ada/..%5cbob",
            "/user/ada/..\\bob",
            "/hub/../user/ada/",
            "/%2e%2e/user/ada/",
        ] {
            assert!(route(path).is_err(), "{path:?} was accepted as {:?}", route(path));
        }
    }

    #[test]
    fn a_whole_address_is_taken_for_its_path_when_the_host_agrees() {
        for (uri, host, expected) in [
            ("/a?b", Some("hub"), Ok(None)),
            ("http://hub/a?b", Some("hub"), Ok(Some("/a?b"))),
            ("http://HUB:80/a", Some("hub:80"), Ok(Some("/a"))),
            ("http://hub", Some("hub"), Ok(Some("/"))),
            ("http://other/a", Some("hub"), Err(())),
            ("http://hub/a", None, Err(())),
            ("http://user@hub/a", Some("hub"), Err(())),
            ("ftp://hub/a", Some("hub"), Err(())),
            ("hub:443", Some("hub:443"), Err(())),
        ] {
            let found = origin_form(&uri.parse().unwrap(), host).map_err(|_| ());
            assert_eq!(found, expected.map(|path| path.map(|path: &str| path.parse().unwrap())), "{uri}");
        }
    }

    #[test]
    fn hosts_are_names_and_addresses() {
        for host in ["hub", "hub.example.org:8000", "127.0.0.1", "[::1]:80"] {
            assert!(is_host(host), "{host}");
        }
        for host in ["", "user@hub", "hub/x", "hub evil", "a:b:c", "http://hub"] {
            assert!(!is_host(host), "{host}");
        }
    }
}
