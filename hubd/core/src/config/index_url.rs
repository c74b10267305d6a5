//! The address of a package index. It may hold a password, which is shown to nobody who can't read the configuration.

use std::fmt;

/// Where builds in their sandbox see nothing, or something else.
const HIDDEN: [&str; 6] = ["/home/", "/root/", "/run/", "/tmp/", "/var/tmp/", "/dev/"];

/// An address as `[environment]` has it.
#[derive(Clone, PartialEq, Eq)]
pub struct IndexUrl(String);

impl IndexUrl {
    /// Reads one.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it, without a password.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected one as in \"https://mirror.example.org/simple/\", or \"file:///srv/index/\"";
        let Ok(url) = url::Url::parse(text) else {
            // What can't be read may have a password anywhere.
            return Err(format!("this is not the address of a package index; {EXPECTED}"));
        };
        let plain = !text.chars().any(|c| c.is_control() || c.is_whitespace() || "\"\\<>`".contains(c));
        match url.scheme() {
            "https" | "http" if plain && url.has_host() => Ok(Self(text.to_owned())),
            "file" if HIDDEN.iter().any(|hidden| url.path().starts_with(hidden)) => {
                Err(format!("builds can't see {:?}; put the index into another directory, as in \"/srv/index\"", url.path()))
            }
            "file" if plain && !url.has_host() && text.starts_with("file:///") => Ok(Self(text.to_owned())),
            _ => Err(format!("{:?} is not the address of a package index; {EXPECTED}", without_secret(text))),
        }
    }

    /// All of it, for the programs that need it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IndexUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&without_secret(&self.0))
    }
}

impl fmt::Debug for IndexUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.to_string())
    }
}

impl serde::Serialize for IndexUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An address as it may stand in a message: without user, password and query.
pub fn without_secret(address: &str) -> String {
    let address = address.split(['?', '#']).next().unwrap_or_default();
    match address.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, format!("/{path}")));
            format!("{scheme}://{}{path}", host.rsplit('@').next().unwrap_or(host))
        }
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_pip_and_uv_both_understand() {
        for good in ["https://mirror.example/simple/", "http://ada:secret@mirror.lan:8080/simple", "file:///srv/index/"] {
            assert_eq!(IndexUrl::parse(good).unwrap().as_str(), good);
        }
        for (wrong, said) in [
            ("/srv/index", "this is not the address of a package index"),
            ("ftp://mirror.example/", "is not the address"),
            ("file://host/srv", "is not the address"),
            ("https://mirror.example/a b", "is not the address"),
            ("file:///home/ada/wheels", "builds can't see \"/home/ada/wheels\""),
            ("https://", "not the address"),
        ] {
            let problem = IndexUrl::parse(wrong).unwrap_err();
            assert!(problem.contains(said), "{wrong}: {problem}");
        }
    }

    #[test]
    fn a_password_is_in_no_message() {
        let url = IndexUrl::parse("https://ada:secret@mirror.example/simple/?token=secret").unwrap();
        for text in [url.to_string(), format!("{url:?}"), serde_json::to_string(&url).unwrap()] {
            assert!(text.contains("https://mirror.example/simple/") && !text.contains("secret"), "{text}");
        }
        for wrong in ["gopher://ada:secret@mirror.example/", "https://ada:secret@mirror.example/a b", "https//ada:secret@m"] {
            let problem = IndexUrl::parse(wrong).unwrap_err();
            assert!(!problem.contains("secret"), "{problem}");
        }
        assert_eq!(without_secret("nonsense"), "nonsense");
    }
}
