//! The name of a key with its sections: `limits.memory`, `groups."year 1".members`.

use std::fmt;
use std::str::FromStr;

use toml_edit::Key;

/// A key of the configuration, written with dots.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPath {
    parts: Vec<String>,
}

impl KeyPath {
    /// The key that is called by `parts`, one for each section and the last for the key itself.
    pub fn new(parts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { parts: parts.into_iter().map(Into::into).collect() }
    }

    /// The names of the sections, and of the key.
    pub fn parts(&self) -> &[String] {
        &self.parts
    }

    /// The first `count` parts.
    pub(super) fn beginning(&self, count: usize) -> Self {
        Self { parts: self.parts[..count].to_vec() }
    }

    /// The parts after the first `count`.
    pub(super) fn rest(&self, count: usize) -> Self {
        Self { parts: self.parts[count..].to_vec() }
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            write!(formatter, "{dot}{}", Key::new(part).display_repr())?;
        }
        Ok(())
    }
}

impl FromStr for KeyPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            Key::parse(text).map_err(|_| format!("{text:?} is not the name of a key; expected one as in `limits.memory`"))?;
        Ok(Self { parts: parts.iter().map(|key| key.get().to_owned()).collect() })
    }
}
