//! What the admin asked for, checked.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hub_core::accounts::Username;
use hub_core::config::HttpsMethod;
use hub_core::packages::Requirement;
use hub_core::token::Token;
use hub_environment::bundle::Opened;

use crate::reverse_proxy::ReverseProxy;

/// The account in which a verification starts its server; nobody may be called so.
pub const VERIFY_NAME: &str = "hubd-verify";
/// As the hub itself demands it.
pub const SHORTEST_PASSWORD: usize = 8;

/// What an install is to achieve.
#[derive(Clone, Default)]
pub struct Options {
    /// People who manage the hub.
    pub admins: Vec<Username>,
    /// The first admin's password; without one a link is printed with which to set it.
    pub admin_password: Option<String>,
    /// The secret in the first admin's one-time link, where somebody wants to know it beforehand.
    pub link_key: Option<Token>,
    /// Where the hub listens; `None`: as configured, else every address, port 80.
    pub listen: Option<SocketAddr>,
    /// The web server in front of the hub; `None`: as configured, else none.
    pub behind: Option<ReverseProxy>,
    /// The hub's address as people type it; `None`: as configured, else guessed.
    pub url: Option<String>,
    /// How the hub gets its certificate; `None`: as configured, else not at all.
    pub https: Option<HttpsWish>,
    /// What everybody's environment has beside JupyterLab; `None`: as configured, else what a first lesson imports.
    pub packages: Option<Vec<Requirement>>,
    /// The directory with the programs to install.
    pub programs: PathBuf,
    /// The web address they came from; `None`: from no release.
    pub source: Option<String>,
    /// The version they are of.
    pub version: String,
    /// What is installed from in place of a network.
    pub bundle: Option<Arc<Opened>>,
}

/// The version of the programs in a directory: what the release they came in says, else this program's own.
pub fn version_of(programs: &Path) -> String {
    let said = programs.parent().and_then(|release| std::fs::read_to_string(release.join("VERSION")).ok());
    said.map_or_else(|| env!("CARGO_PKG_VERSION").to_owned(), |text| text.trim().to_owned())
}

/// How the hub is to get its certificate.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpsWish {
    /// Where it listens encrypted; `None`: as configured, else every address, port 443.
    pub listen: Option<SocketAddr>,
    /// Where the certificate comes from.
    pub method: HttpsMethod,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Options")
            .field("admins", &self.admins)
            .field("admin_password", &self.admin_password.as_ref().map(|_| "(hidden)"))
            .field("link_key", &self.link_key.as_ref().map(|_| "(hidden)"))
            .field("listen", &self.listen)
            .field("behind", &self.behind)
            .field("url", &self.url)
            .field("https", &self.https)
            .field("packages", &self.packages)
            .field("programs", &self.programs)
            .field("source", &self.source)
            .field("version", &self.version)
            .field("bundle", &self.bundle.as_ref().map(|bundle| bundle.manifest()))
            .finish()
    }
}

/// Reads `ADDRESS:PORT`, `PORT` alone or `:PORT`.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let expected = || format!("{text:?} is not an address with a port; expected one as in 127.0.0.1:8000, [::]:80 or 8000");
    let address = match text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
        Ok(port) => SocketAddr::from(([0_u16; 8], port)),
        Err(_) => text.parse().map_err(|_| expected())?,
    };
    if address.port() == 0 { Err(expected()) } else { Ok(address) }
}

/// Reads the secret that is to be in a one-time link.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_link_key(text: &str) -> Result<Token, String> {
    let mut different: Vec<char> = text.chars().collect();
    different.sort_unstable();
    different.dedup();
    // What comes from random bytes has about 32 different characters; a key that was typed has few.
    Token::parse(text).filter(|_| different.len() >= 16).ok_or_else(|| {
        "HUBD_LINK_KEY is not 32 random bytes in base64url (43 characters), and whoever guesses it gets the hub\n\
         hint: make one with: openssl rand -base64 32 | tr +/ -_ | tr -d ="
            .to_owned()
    })
}

/// Reads the name of a person.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn parse_admin(text: &str) -> Result<Username, String> {
    match text.parse::<Username>() {
        Ok(name) if name.as_str() == VERIFY_NAME => Err(format!("the name {VERIFY_NAME:?} is taken by the hub itself")),
        Ok(name) => Ok(name),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_as_people_write_them() {
        for (text, address) in
            [("127.0.0.1:8000", "127.0.0.1:8000"), ("8000", "[::]:8000"), (":80", "[::]:80"), ("[::1]:80", "[::1]:80")]
        {
            assert_eq!(parse_listen(text), Ok(address.parse().unwrap()), "{text}");
        }
        for text in ["", "localhost", "0", "127.0.0.1", "99999", "host:80", "127.0.0.1:0"] {
            assert!(parse_listen(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let key = Token::random().unwrap();
        let link_key = Some(key.clone());
        let options = Options { admin_password: Some("secret-word".into()), link_key, ..Options::default() };
        let shown = format!("{options:?}");
        assert!(!shown.contains("secret-word") && !shown.contains(key.as_str()), "{shown}");
    }

    #[test]
    fn a_link_is_as_hard_to_guess_as_one_of_the_hub() {
        let key = Token::random().unwrap();
        assert!(parse_link_key(key.as_str()).is_ok());
        for text in ["", "secret", &"a".repeat(43), &"abcdefgh-".repeat(5)[..43], &format!("{}=", key.as_str())] {
            assert!(parse_link_key(text).is_err_and(|error| error.contains("hint: ")), "{text:?} was accepted");
        }
    }

    #[test]
    fn the_name_of_the_verification_is_taken() {
        assert!(parse_admin(VERIFY_NAME).is_err());
        assert_eq!(parse_admin("ada").unwrap().as_str(), "ada");
    }
}
