//! The name a person logs in with: parsed or refused, never rewritten.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::composed;

/// Longest name, in bytes: leaves room in unit names, socket paths and URLs.
const LONGEST: usize = 64;
/// Most dashes: each takes four bytes in a unit name, which may have 255.
pub(crate) const MOST_DASHES: usize = 32;

/// A name that is safe in a URL, a path, a unit name and a page: lower-case ASCII letters, digits, `.`, `_` and `-`,
/// a letter or digit at both ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Username(String);

/// Why a text is not a [`Username`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("a name is missing")]
    Empty,
    /// More than 64 bytes.
    #[error("a name has {0} bytes, at most {LONGEST} are allowed")]
    TooLong(usize),
    /// A character outside `a-z 0-9 . _ -`.
    #[error("name {name:?} contains {character:?}; allowed are a-z, 0-9, `.`, `_` and `-`")]
    Character {
        /// The whole name.
        name: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// More than 32 dashes.
    #[error("name {0:?} has more than {MOST_DASHES} dashes")]
    Dashes(String),
    /// Starts or ends with punctuation.
    #[error("name {0:?} must start and end with a letter or a digit")]
    Edge(String),
}

validated_text!(Username, NameError, 0);

impl FromStr for Username {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > LONGEST {
            return Err(NameError::TooLong(text.len()));
        }
        if let Some(character) = text.chars().find(|c| !allowed(*c)) {
            // As people see it: a letter and its mark are one.
            let name = composed(text).into_owned();
            let character = name.chars().find(|c| !allowed(*c)).unwrap_or(character);
            return Err(NameError::Character { name, character });
        }
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) || !text.ends_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(NameError::Edge(text.to_owned()));
        }
        if text.matches('-').count() > MOST_DASHES {
            return Err(NameError::Dashes(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_names_of_a_class() {
        for name in ["ada", "a", "ada.lovelace", "b-c_d", "2nd-year", &"x".repeat(64)] {
            assert_eq!(name.parse::<Username>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn rejects_what_could_mean_something_elsewhere() {
        for name in [
            "",
            ".",
            "..",
            ".a",
            "a.",
            "-a",
            "a-",
            "_a",
            "Ada",
            "a b",
            "a/b",
            "a\nb",
            "a%b",
            "a@b",
            "a\\b",
            "ä",
            "a\0",
            "ａｄａ",
            &"x".repeat(65),
            &format!("a{}b", "-".repeat(33)),
        ] {
            assert!(name.parse::<Username>().is_err(), "{name:?} was accepted");
        }
    }

    #[test]
    fn is_checked_when_read_from_json() {
        assert!(serde_json::from_str::<Username>("\"ada\"").is_ok());
        assert!(serde_json::from_str::<Username>("\"../ada\"").is_err());
    }
}
