//! Where to go next: addresses on this very host and nowhere else. Pure.

use hub_core::config::AppName;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Longest address that is carried through a login.
const LONGEST: usize = 4096;

/// A path with its query on this host: exactly one slash in front, nothing in it that browsers read in another way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Next(String);

impl Next {
    /// Reads what came in from outside, where it may have the path below which the hub is; `None`: it leads elsewhere, or
    /// could.
    pub(super) fn parse(text: &str, base: &str) -> Option<Self> {
        let text = text.strip_prefix(base).filter(|rest| rest.starts_with('/')).unwrap_or(text);
        let second = text.as_bytes().get(1);
        let fits = text.len() <= LONGEST && text.starts_with('/') && second != Some(&b'/');
        let plain = text.bytes().all(|byte| (0x21..=0x7e).contains(&byte) && byte != b'\\');
        (fits && plain).then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The path without its query.
    pub(super) fn path(&self) -> &str {
        self.0.split(['?', '#']).next().unwrap_or_default()
    }

    /// What follows `prefix`, query included.
    pub(super) fn after(&self, prefix: &str) -> Option<&str> {
        self.0.strip_prefix(prefix)
    }
}

/// The login page that leads to `path` (with its query, byte for byte) afterwards.
pub fn login_location(path: &str) -> String {
    format!("/hub/login?next={}", utf8_percent_encode(path, NON_ALPHANUMERIC))
}

/// The page that starts the visitor's own server and leads to `path` (with its query, byte for byte) afterwards. It
/// starts by itself when the visitor asked for it, and shows a button when another site may have.
pub fn spawn_location(path: &str) -> String {
    format!("/hub/spawn?next={}", utf8_percent_encode(path, NON_ALPHANUMERIC))
}

/// The page that asks whether the visitor means to go to `path` (with its query, byte for byte), where something may be done.
pub fn ask_location(path: &str) -> String {
    format!("/hub/ask?next={}", utf8_percent_encode(path, NON_ALPHANUMERIC))
}

/// The page that shows how the start goes and leads to `path` afterwards.
pub fn progress_location(path: &str) -> String {
    format!("/hub/progress?next={}", utf8_percent_encode(path, NON_ALPHANUMERIC))
}

/// The page of one's own app called `name`.
pub fn app_location(name: &AppName) -> String {
    format!("/hub/apps/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_paths_on_this_host() {
        for text in
            ["/", "/user/ada/lab", "/hub/user-redirect/git-pull?repo=https%3A%2F%2Fx&a=b+c", "/a//b", "/?next=//e", "/..//e"]
        {
            assert_eq!(Next::parse(text, "").map(|next| next.as_str().to_owned()), Some(text.to_owned()));
        }
    }

    #[test]
    fn the_path_of_the_hub_is_taken_off() {
        for (text, base, next) in [
            ("/a/user/ada/lab", "/a", Some("/user/ada/lab")),
            ("/user/ada/lab", "/a", Some("/user/ada/lab")),
            ("/ab/x", "/a", Some("/ab/x")),
            ("/a", "/a", Some("/a")),
            ("/a//evil.example", "/a", None),
        ] {
            assert_eq!(Next::parse(text, base).map(|next| next.as_str().to_owned()).as_deref(), next, "{text} {base}");
        }
    }

    #[test]
    fn refuses_everything_that_can_lead_elsewhere() {
        let long = format!("/{}", "a".repeat(8192));
        for text in [
            "",
            "e",
            "//e",
            "///e",
            "/\\e",
            "\\\\e",
            "\\/e",
            "http:e",
            "http://host/",
            "https://host@e",
            "https://host.e",
            "https://host//e",
            "host//e",
            "%2f%2fe",
            "/\t/e",
            "/\n/e",
            "/\r\nSet-Cookie: a=b",
            "\t//e",
            " //e",
            "/ /e",
            "javascript:alert(1)",
            "data:text/html,x",
            "/ä",
            "/\u{7f}",
            "/\0",
            &long,
        ] {
            assert_eq!(Next::parse(text, ""), None, "{text:?} was accepted");
        }
    }

    #[test]
    fn carries_an_address_byte_for_byte() {
        let path = "/hub/user-redirect/a%2Fb?q=1+2&r=%25%2f&s=\"<>'";
        let location = login_location(path);
        let carried = location.strip_prefix("/hub/login?next=").unwrap();
        assert!(carried.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'%'));
        assert_eq!(percent_encoding::percent_decode_str(carried).decode_utf8().unwrap(), path);
    }
}
