//! From the bytes of a configuration to its text. Pure.

use crate::text::{self, Decoded, NoText};

/// No configuration is larger, in bytes.
pub const LARGEST: u64 = 1 << 20;

/// Reads `bytes`.
///
/// # Errors
/// When they are no text, or more than [`LARGEST`].
pub fn decode(bytes: &[u8]) -> Result<Decoded, NoText> {
    text::decode(bytes, LARGEST)
}
