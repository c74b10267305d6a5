//! Addresses of the network that people's programs don't reach, and which of them are spared. Pure.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::Machine;
use crate::sys::name_servers;

/// Where providers of machines answer questions about a machine: most of them, and Amazon's over IPv6. Whoever asks from a
/// machine may be handed credentials of whoever rents it.
const METADATA: [&str; 2] = ["169.254.169.254", "fd00:ec2::254"];

/// An address, or all that begin like it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    address: IpAddr,
    /// How many bits are as in `address`.
    prefix: u8,
}

impl AddressRange {
    /// One address alone.
    pub fn only(address: IpAddr) -> Self {
        Self { address, prefix: width(address) }
    }

    /// All addresses, of IPv4 and of IPv6.
    pub fn all() -> [Self; 2] {
        let from = |address| Self { address, prefix: 0 };
        [from(Ipv4Addr::UNSPECIFIED.into()), from(Ipv6Addr::UNSPECIFIED.into())]
    }

    /// Its first address.
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// How many bits all of its addresses have in common.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// Whether `address` is one of them.
    pub fn contains(self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && masked(address, self.prefix) == self.address
    }

    fn overlaps(self, other: Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// `address` with nothing behind its first `prefix` bits.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let behind = u32::from(width(address).saturating_sub(prefix));
    match address {
        IpAddr::V4(address) => Ipv4Addr::from(address.to_bits().unbounded_shr(behind).unbounded_shl(behind)).into(),
        IpAddr::V6(address) => Ipv6Addr::from(address.to_bits().unbounded_shr(behind).unbounded_shl(behind)).into(),
    }
}

impl FromStr for AddressRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected =
            || format!("{text:?} is not an address; expected one as in \"169.254.169.254\", or a range as in \"10.0.0.0/8\"");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| expected())?;
        let prefix = prefix.map_or(Ok(width(address)), str::parse).map_err(|_| expected())?;
        if prefix > width(address) {
            return Err(expected());
        }
        let range = Self { address: masked(address, prefix), prefix };
        if range.address != address {
            return Err(format!("{text:?} has bits behind its first {prefix}; \"{range}\" would be all addresses that begin so"));
        }
        let own = [Self { address: Ipv4Addr::new(127, 0, 0, 0).into(), prefix: 8 }, Self::only(Ipv6Addr::LOCALHOST.into())];
        if own.into_iter().any(|own| own.overlaps(range)) {
            return Err(format!(
                "{text:?} has addresses of the machine itself, by which the parts of a notebook talk to each other\n\
                 hint: for no network at all: network = false under [limits]"
            ));
        }
        Ok(range)
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.address)?;
        if self.prefix == width(self.address) { Ok(()) } else { write!(formatter, "/{}", self.prefix) }
    }
}

impl Serialize for AddressRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What is out of reach, and what is not although it is among that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Denied {
    /// What is.
    pub ranges: Vec<AddressRange>,
    /// Name servers of the machine: without them no name could be looked up.
    pub spared: Vec<IpAddr>,
}

impl Machine {
    /// What is out of reach on a machine whose name servers are in `resolv_conf`.
    pub fn denied(&self, resolv_conf: &str) -> Denied {
        let mut spared = name_servers::parse(resolv_conf);
        spared.retain(|server| self.denied_addresses.iter().any(|range| range.contains(*server)));
        Denied { ranges: self.denied_addresses.clone(), spared }
    }
}

/// Those of the usual providers.
pub(super) fn metadata() -> Vec<AddressRange> {
    METADATA.iter().filter_map(|text| text.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_a_range_and_nothing_else() {
        for (text, written) in
            [("169.254.169.254", "169.254.169.254"), ("fd00:ec2::254/128", "fd00:ec2::254"), ("10.0.0.0/8", "10.0.0.0/8")]
        {
            assert_eq!(text.parse::<AddressRange>().unwrap().to_string(), written);
        }
        for (text, expected) in [
            ("metadata.google.internal", "is not an address"),
            ("10.0.0.0/33", "is not an address"),
            ("10.0.0.0/", "is not an address"),
            ("10.0.0.1/8", "\"10.0.0.0/8\" would be all"),
            ("127.0.0.53", "addresses of the machine itself"),
            ("0.0.0.0/0", "addresses of the machine itself"),
            ("::/0", "addresses of the machine itself"),
        ] {
            let error = text.parse::<AddressRange>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_range_has_what_begins_like_it() {
        let range: AddressRange = "10.0.0.0/9".parse().unwrap();
        for (address, inside) in [("10.0.0.0", true), ("10.127.255.255", true), ("10.128.0.0", false), ("::a00:0", false)] {
            assert_eq!(range.contains(address.parse().unwrap()), inside, "{address}");
        }
        assert!(!range.contains("::ffff:10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn a_name_server_is_spared_and_only_where_it_would_be_denied() {
        let machine = Machine { reserve: None, denied_addresses: metadata() };
        let spared = |resolv_conf: &str| machine.denied(resolv_conf).spared;
        assert_eq!(machine.denied_addresses.len(), METADATA.len());
        assert_eq!(
            spared("search c.project.internal\nnameserver 169.254.169.254\n"),
            ["169.254.169.254".parse::<IpAddr>().unwrap()]
        );
        assert_eq!(spared("nameserver 127.0.0.53\noptions edns0\n# nameserver 169.254.169.254\n"), [] as [IpAddr; 0]);
        assert_eq!(spared("nameserver 169.254.169.253\n"), [] as [IpAddr; 0]);
    }
}
