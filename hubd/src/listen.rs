//! Who is at the other end of a connection.

use std::net::IpAddr;

/// The client of one request, as the listener saw it; every request that reaches the pages carries it as an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Where the connection comes from.
    pub address: IpAddr,
    /// Whether the connection is encrypted.
    pub https: bool,
}
