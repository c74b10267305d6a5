//! The name of a web app beside Jupyter.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// No name of an app is longer, in characters: it is part of addresses and of names of units.
const LONGEST: usize = 32;

/// The name of an app: small letters, digits and `-`, a letter first and no `-` last. It stands in addresses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AppName(String);

/// Why a text is no name of an app.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a name for an app; expected up to {LONGEST} of a-z, 0-9 and `-`, a letter first and no `-` last")]
pub struct AppNameError(String);

validated_text!(AppName, AppNameError, 0);

impl AppName {
    /// The hub's own app, which shows what is in somebody's home.
    pub fn files() -> Self {
        Self("files".to_owned())
    }
}

impl FromStr for AppName {
    type Err = AppNameError;

    fn from_str(text: &str) -> Result<Self, AppNameError> {
        let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let is_plain = text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(is_inner) && !text.ends_with('-');
        match is_plain && text.len() <= LONGEST {
            true => Ok(Self(text.to_owned())),
            false => Err(AppNameError(text.chars().take(80).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_addresses_as_they_are() {
        for name in ["openrefine", "a", "vs-code", "a1"] {
            assert!(name.parse::<AppName>().is_ok(), "{name}");
        }
        for name in ["", "A", "1a", "-a", "a-", "a_b", "a.b", "a/b", "ä", &"a".repeat(33)] {
            assert!(name.parse::<AppName>().is_err(), "{name}");
        }
    }
}
