//! The addresses of this machine.

use std::net::IpAddr;

use anyhow::{Context, Result};
use nix::ifaddrs::getifaddrs;

/// Every address of this machine that others, or it itself, can type.
///
/// # Errors
/// When the machine does not tell.
pub fn own_addresses() -> Result<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    for interface in getifaddrs().context("asking for the addresses of this machine")? {
        let Some(address) = interface.address else { continue };
        let found = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
            (Some(address), _) => IpAddr::from(address.ip()),
            (None, Some(address)) => IpAddr::from(address.ip()),
            (None, None) => continue,
        };
        // Addresses of one cable need the name of the network card with them; nobody types those.
        let is_of_one_cable = matches!(found, IpAddr::V6(address) if address.is_unicast_link_local());
        if !is_of_one_cable && !addresses.contains(&found) {
            addresses.push(found);
        }
    }
    Ok(addresses)
}
