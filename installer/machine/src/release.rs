//! The Debian releases that machines are made of.

use anyhow::{Result, bail};

/// A Debian release a machine can be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// Debian 11: systemd 247, Python 3.9, too old for a hub.
    Bullseye,
    /// Debian 12: systemd 252, Python 3.11.
    Bookworm,
    /// Debian 13: systemd 257, Python 3.13.
    Trixie,
}

impl Release {
    /// The name the archive knows it by.
    pub fn codename(self) -> &'static str {
        match self {
            Self::Bullseye => "bullseye",
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }
}

impl std::str::FromStr for Release {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "bullseye" | "11" => Ok(Self::Bullseye),
            "bookworm" | "12" => Ok(Self::Bookworm),
            "trixie" | "13" => Ok(Self::Trixie),
            _ => bail!("release `{text}` is unknown, expected `bullseye`, `bookworm` or `trixie`"),
        }
    }
}
