//! How large a request's header and address may be.

use http::HeaderMap;

/// Most bytes of a request's header and address; our proxy passes on no more either.
const MOST_HEADER_BYTES: usize = 56 << 10;
/// Most bytes of a request's address.
pub(super) const LONGEST_ADDRESS: usize = 16 << 10;

/// Whether the hub takes no request with headers like these.
pub(super) fn is_too_large(headers: &HeaderMap) -> bool {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>() > MOST_HEADER_BYTES
}
