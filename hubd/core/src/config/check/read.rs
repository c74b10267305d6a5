//! One value at a time: text in, what it means or why it can't be out.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::super::{Channel, DefaultApp, SignUp};
use crate::accounts::homes;
use crate::packages::PackageName;
use crate::packages::conda;
use crate::packages::conda::{SpecError, check_alias};
use crate::packages::{CondaSpec, Requirement};
use crate::quantity::parse_duration;

pub(super) fn range(value: i64, least: u64, most: u64) -> Result<u64, String> {
    let fits = u64::try_from(value).ok().filter(|value| (least..=most).contains(value));
    fits.ok_or_else(|| format!("{value} is out of range; expected {least} to {most}"))
}

/// Reads a span of time between the two that are written like itself.
pub(super) fn time(least: &str, most: &str) -> impl Fn(&str) -> Result<Duration, String> {
    move |text| {
        let value = parse_duration(text)?;
        let is_within = parse_duration(least)? <= value && value <= parse_duration(most)?;
        if is_within { Ok(value) } else { Err(format!("{text:?} is out of range; expected \"{least}\" to \"{most}\"")) }
    }
}

/// A text of one line.
pub(super) fn line_of_text(what: &str, given: &str, longest: usize) -> Result<String, String> {
    if given.contains('\n') { Err(format!("{what} has more than one line")) } else { text(what, given, longest) }
}

/// A text that is shown on pages.
pub(super) fn text(what: &str, given: &str, longest: usize) -> Result<String, String> {
    let given = given.trim();
    match given.chars().count() {
        0 => {
            Err(format!("{what} is empty\nhint: to have none of your own, leave the line out; hubctl config unset takes it away"))
        }
        count if count > longest => Err(format!("{what} has {count} characters; expected at most {longest}")),
        _ if given.chars().any(|c| c.is_control() && c != '\n') => Err(format!("{what} has a control character")),
        _ => match given.chars().find(|c| is_deceptive(*c)) {
            Some(mark) => Err(format!(
                "{what} has the invisible character U+{:04X}, which makes a text look like another one\nhint: type it again, without copying",
                u32::from(mark)
            )),
            None if given.chars().all(|c| c.is_whitespace() || is_invisible(c)) => Err(format!("{what} has nothing to be seen")),
            None => Ok(given.to_owned()),
        },
    }
}

/// What turns the direction of reading, ends lines unseen, or stands for nothing.
fn is_deceptive(character: char) -> bool {
    matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0001}')
}

/// What takes no place, and has its uses between letters.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{3164}')
}

/// The hub's address as people type it, without a slash at its end.
///
/// # Errors
/// What is wrong with it, and what is expected.
pub fn address_of_hub(text: &str) -> Result<String, String> {
    let expected = || format!("{text:?} is not the hub's address; expected one as in \"https://hub.example.org\"");
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or_else(expected)?;
    let (host, path) = rest.trim_end_matches('/').split_once('/').unwrap_or((rest.trim_end_matches('/'), ""));
    let is_plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
    };
    if let Some(part) = path.split('/').find(|part| !path.is_empty() && !is_plain(part)) {
        return Err(format!(
            "{part:?} can't be in the path of the hub's address; expected letters, digits and `-_.~`, as in \"/jupyter\""
        ));
    }
    let plain = !host.is_empty() && !host.contains(['?', '#', '@', '"', '\\', '<', '>']) && !host.contains(char::is_whitespace);
    let parsed = url::Url::parse(text).ok().filter(|parsed| plain && parsed.has_host() && parsed.port() != Some(0));
    parsed.map(|_| text.trim_end_matches('/').to_owned()).ok_or_else(expected)
}

pub(super) fn sign_up(text: &str) -> Result<SignUp, String> {
    match text {
        "closed" => Ok(SignUp::Closed),
        "open" => Ok(SignUp::Open),
        other => Err(format!("{other:?} is not a way to sign up; expected \"closed\"")),
    }
}

pub(super) fn app(text: &str) -> Result<DefaultApp, String> {
    match text {
        "lab" => Ok(DefaultApp::Lab),
        "notebook" => Ok(DefaultApp::Notebook),
        other => Err(format!("{other:?} is not an app of this hub; expected \"lab\" or \"notebook\"")),
    }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() == 0 => Err(format!("{text:?} has port 0; expected 1 to 65535")),
        Ok(address) => Ok(address),
        Err(_) => {
            let port = text.rsplit_once(':').map(|(_, port)| port).filter(|port| port.chars().all(|c| c.is_ascii_digit()));
            match port {
                Some(port) if port.len() >= 5 && port.parse::<u16>().is_err() => {
                    Err(format!("{text:?} has port {port}; expected 1 to 65535"))
                }
                _ => Err(format!(
                    "{text:?} is not an address with a port; expected one as in \"0.0.0.0:80\", \"127.0.0.1:8000\" or \"[::]:80\""
                )),
            }
        }
    }
}

pub(in crate::config) fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let plain =
        !text.split('/').any(|part| part == "..") && !text.chars().any(|c| c.is_control() || matches!(c, '%' | '"' | '\\' | ':'));
    if path.is_absolute() && plain { Ok(path) } else { Err(format!("{text:?} is not a plain absolute path, as in \"/home\"")) }
}

/// Where homes can be: a path that means nothing but itself to systemd, outside of what the system needs.
pub(super) fn homes_directory(text: &str) -> Result<PathBuf, String> {
    let path = absolute(text)?;
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@".contains(c)) {
        return Err(format!("{text:?} has characters that can't be in the path of homes; expected letters, digits and `/._-+@`"));
    }
    homes::refusal(&path).map_or(Ok(path), Err)
}

pub(super) fn account_prefix(text: &str) -> Result<String, String> {
    let plain = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
    match text {
        "hubd-" => Err("\"hubd-\" is for the hub's own accounts and groups".to_owned()),
        text if plain && text.len() <= 16 => Ok(text.to_owned()),
        text => Err(format!("{text:?} can't start an account name; expected up to 16 of a-z, 0-9, `-`, `_`, a letter first")),
    }
}

pub(super) fn account_name(text: &str) -> Result<String, String> {
    let plain = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'));
    if plain && text.len() <= 32 { Ok(text.to_owned()) } else { Err(format!("{text:?} is not the name of a unix account")) }
}

pub(super) fn group_name(text: &str) -> Result<String, String> {
    account_name(text).map_err(|_| format!("{text:?} is not the name of a unix group; expected one as in \"www-data\""))
}

/// A package, as whoever installs it will read it.
pub(super) fn package(text: &str) -> Result<String, String> {
    text.parse::<Requirement>().map(String::from).map_err(|error| error.to_string())
}

/// A package of the distribution.
pub(super) fn apt_package(text: &str) -> Result<PackageName, String> {
    text.parse::<PackageName>().map_err(|error| error.to_string())
}

/// A package of conda, as whoever installs it will read it.
pub(super) fn conda_spec(text: &str) -> Result<CondaSpec, String> {
    text.parse().map_err(|error: SpecError| error.to_string())
}

/// Where conda packages come from.
pub(super) fn conda_channel(text: &str) -> Result<conda::Channel, String> {
    text.parse().map_err(|error: SpecError| error.to_string())
}

/// The address that channels are below.
pub(super) fn channel_alias(text: &str) -> Result<String, String> {
    check_alias(text).map(|()| text.trim_end_matches('/').to_owned()).map_err(|error| error.to_string())
}

pub(super) fn email(text: &str) -> Result<String, String> {
    let plain = !text.chars().any(|c| c.is_control() || c.is_whitespace() || "<>\"',;:\\()[]".contains(c)) && text.len() <= 254;
    match text.split_once('@') {
        Some((person, host)) if plain && !person.is_empty() && host.contains('.') && domain(host).is_ok() => Ok(text.to_owned()),
        _ => Err(format!("{text:?} is not an e-mail address; expected one as in \"admin@example.org\"")),
    }
}

pub(super) fn domain(text: &str) -> Result<String, String> {
    let expected = || format!("{text:?} is not a host name; expected one as in \"hub.example.org\"");
    if text.starts_with("*.") {
        return Err(format!("{text:?} is a wildcard; expected each host name by itself"));
    }
    if text.contains("://") {
        return Err(format!("{text:?} is an address; expected the host name alone, as in \"hub.example.org\""));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() <= 253 && text.split('.').all(label) { Ok(text.to_ascii_lowercase()) } else { Err(expected()) }
}

/// A host name in public: with a dot, and no IP address.
pub(super) fn public_domain(text: &str) -> Result<String, String> {
    let is_address = text.parse::<std::net::IpAddr>().is_ok();
    let name = if is_address { Err(String::new()) } else { domain(text) };
    match name {
        Ok(name) if name.contains('.') => Ok(name),
        Err(message) if !is_address => Err(message),
        _ => Err(format!("{text:?} can't get a certificate by ACME; expected a public host name, as in \"hub.example.org\"")),
    }
}

/// A host name or an IP address.
pub(super) fn host(text: &str) -> Result<String, String> {
    if text.parse::<std::net::IpAddr>().is_ok() { Ok(text.to_owned()) } else { domain(text) }
}

/// A folder on a web server.
pub(super) fn source(text: &str) -> Result<String, String> {
    let parsed = url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    let plain = !text.chars().any(|c| c.is_control() || c.is_whitespace() || "?#@\"\\<>".contains(c));
    match parsed {
        Some(_) if plain => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err(format!("{text:?} is not where releases are; expected an address as in \"https://downloads.example.org/hubd\"")),
    }
}

pub(super) fn channel(text: &str) -> Result<Channel, String> {
    match text {
        "stable" => Ok(Channel::Stable),
        "testing" => Ok(Channel::Testing),
        other => Err(format!("{other:?} is not a channel; expected \"stable\" or \"testing\"")),
    }
}

pub(super) fn directory(text: &str) -> Result<String, String> {
    let parsed = url::Url::parse(text).ok().filter(|url| url.scheme() == "https" && url.has_host());
    let plain = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    match parsed {
        Some(_) if plain => Ok(text.to_owned()),
        _ => Err(format!("{text:?} is not an ACME directory; expected one as in \"https://acme.example.org/directory\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_shown_is_what_it_looks_like() {
        for fine in ["Mathe 3A", "كلاس \u{200f}1", "Équipe 👩‍🏫", "تنبيه"] {
            assert_eq!(text("the announcement", fine, 60).as_deref(), Ok(fine));
        }
        for (given, message) in [
            ("Class\u{202e}gnp.exe", "the invisible character U+202E"),
            ("a\u{2066}b", "the invisible character U+2066"),
            ("one\u{2028}two", "the invisible character U+2028"),
            ("a\u{feff}b", "the invisible character U+FEFF"),
            ("bell\u{7}", "a control character"),
            ("\u{9b}31m", "a control character"),
            ("\u{200b}\u{200d}", "nothing to be seen"),
            ("  ", "is empty"),
        ] {
            let error = text("the announcement", given, 60).unwrap_err();
            assert!(error.contains(message), "{given:?}: {error}");
        }
    }
}
