//! How far a download of packages is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::quantity::format_bytes;

/// Names that a line has room for.
const SHOWN: usize = 3;

/// How far a download is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Download {
    /// Bytes of what is there.
    pub bytes: u64,
    /// Bytes of all that has begun.
    pub total_bytes: u64,
    /// What is under way.
    pub packages: Vec<String>,
}

impl fmt::Display for Download {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} of {}", format_bytes(self.bytes), format_bytes(self.total_bytes))?;
        let shown = self.packages.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        match self.packages.len() {
            0 => Ok(()),
            count if count > SHOWN => write!(formatter, ": {shown} and {} more", count - SHOWN),
            _ => write!(formatter, ": {shown}"),
        }
    }
}
