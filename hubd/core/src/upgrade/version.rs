//! Versions, and which can follow on which. Pure.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `MAJOR.MINOR.PATCH`, with `-rc.1` or the like behind it before a release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    numbers: [u64; 3],
    /// False sorts first: what comes before a release is older than it.
    is_release: bool,
    before: String,
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("{text:?} is not a version; expected one as in 0.3.1");
        let (numbers, before) = text.split_once('-').unwrap_or((text, ""));
        let is_plain = |part: &str| !part.is_empty() && part.len() < 10 && part.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<&str> = numbers.split('.').collect();
        let [major, minor, patch] = parts[..] else { return Err(expected()) };
        let number = |part: &str| if is_plain(part) { part.parse().map_err(|_| expected()) } else { Err(expected()) };
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
        if text.ends_with('-') || !before.bytes().all(is_word) {
            return Err(expected());
        }
        let numbers = [number(major)?, number(minor)?, number(patch)?];
        Ok(Self { numbers, is_release: before.is_empty(), before: before.to_owned() })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(formatter, "{major}.{minor}.{patch}")?;
        if self.is_release { Ok(()) } else { write!(formatter, "-{}", self.before) }
    }
}

impl TryFrom<String> for Version {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl Version {
    /// Whether it is one of `0.3`, `0.3.1` and the like.
    pub fn is_of(&self, series: &str) -> bool {
        let text = self.to_string();
        text == series || text.strip_prefix(series).is_some_and(|rest| rest.starts_with('.'))
    }
}

/// How one gets from one version to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// It is the same.
    There,
    /// In one step.
    Open,
    /// Not at all, or not in one step: why, and what to do instead.
    Closed {
        /// Why.
        reason: String,
        /// What to do instead.
        hint: String,
    },
}

/// The way between two versions. Data of one minor version back is understood, and nothing older.
pub fn way(from: &Version, to: &Version) -> Way {
    let ([from_major, from_minor, _], [to_major, to_minor, _]) = (from.numbers, to.numbers);
    if from == to {
        return Way::There;
    }
    if to < from {
        return Way::Closed {
            reason: format!("version {from} is installed, which is newer than {to}"),
            hint: "take that version or a later one: an older one would not understand the newer data; a backup from before can \
                   be restored"
                .to_owned(),
        };
    }
    if from_major != to_major {
        return Way::Closed {
            reason: format!("from version {from} no upgrade leads to {to} in one step"),
            hint: format!("upgrade to the last {from_major}.x first; the release notes of {to_major}.0 tell the way from there"),
        };
    }
    if to_minor > from_minor + 1 {
        let between: Vec<String> = (from_minor + 1..to_minor).map(|minor| format!("{to_major}.{minor}")).collect();
        return Way::Closed {
            reason: format!("version {to} understands the data of one minor version back, and {from} is installed"),
            hint: format!("upgrade to {} first, each in its turn, then to {to}", between.join(", ")),
        };
    }
    Way::Open
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn versions_are_read_written_and_ordered() {
        let ordered = ["0.1.0-alpha", "0.1.0-rc.1", "0.1.0", "0.1.1", "0.2.0", "0.10.0", "1.0.0"];
        for pair in ordered.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
            assert_eq!(version(pair[0]).to_string(), pair[0]);
        }
        for text in ["", "1", "1.2", "1.2.3.4", "1.2.x", "v1.2.3", "1.2.3-", "1.2.3-a/b", "+1.2.3", "1..3", "../../etc"] {
            assert!(text.parse::<Version>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn a_series_is_a_beginning_at_a_dot() {
        for (text, series, is) in
            [("0.3.1", "0.3", true), ("0.30.1", "0.3", false), ("0.3.1", "0.3.1", true), ("0.3.1", "0", true)]
        {
            assert_eq!(version(text).is_of(series), is, "{text} of {series}");
        }
    }

    #[test]
    fn one_minor_version_forward_and_nothing_else() {
        for (from, to, hint) in [
            ("0.1.0", "0.1.1", None),
            ("0.1.5", "0.2.0", None),
            ("0.1.0-rc.1", "0.1.0", None),
            ("0.1.0", "0.3.0", Some("0.2 first")),
            ("0.1.0", "0.4.0", Some("0.2, 0.3 first")),
            ("0.2.0", "0.1.9", Some("backup")),
            ("0.2.0", "1.0.0", Some("last 0.x first")),
        ] {
            match (way(&version(from), &version(to)), hint) {
                (Way::Open, None) => {}
                (Way::Closed { hint, .. }, Some(expected)) => assert!(hint.contains(expected), "{from} to {to}: {hint}"),
                (found, _) => panic!("{from} to {to}: {found:?}"),
            }
        }
        assert_eq!(way(&version("0.1.0"), &version("0.1.0")), Way::There);
    }
}
