//! The name of a kernel that is an environment of its own.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A directory of this length still leaves room in a kernel's menu and in paths of sockets.
const LONGEST: usize = 32;
/// Kernels that are there already.
const TAKEN: [&str; 1] = ["python3"];

/// The name of a kernel: small letters, digits, `-` and `_`, a letter or digit first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KernelName(String);

/// Why a text is no name of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KernelNameError {
    /// It has other characters, or too many of them.
    #[error("{0:?} is not a name for a kernel; expected up to {LONGEST} of a-z, 0-9, `-` and `_`, a letter or digit first")]
    Spelling(String),
    /// There is one.
    #[error("{0:?} is the kernel of everybody's environment; expected another name")]
    Taken(String),
}

validated_text!(KernelName, KernelNameError, 0);

impl FromStr for KernelName {
    type Err = KernelNameError;

    fn from_str(text: &str) -> Result<Self, KernelNameError> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let spelled = text.starts_with(is_plain) && text.chars().all(|c| is_plain(c) || matches!(c, '-' | '_'));
        if !spelled || text.len() > LONGEST {
            return Err(KernelNameError::Spelling(text.chars().take(80).collect()));
        }
        if TAKEN.contains(&text) {
            return Err(KernelNameError::Taken(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_directory_a_key_and_a_part_of_an_address() {
        for good in ["r", "pytorch", "year-2", "py_3_12", "3d"] {
            assert_eq!(good.parse::<KernelName>().unwrap().as_str(), good);
        }
        let long = "a".repeat(LONGEST + 1);
        for bad in ["", "-x", "_x", "R", "a b", "a/b", "..", "a.b", "python3", "ä", "x\n", &long] {
            assert!(bad.parse::<KernelName>().is_err(), "{bad:?} was accepted");
        }
    }
}
