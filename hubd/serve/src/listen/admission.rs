//! How many connections there may be, all together and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most connections at a time.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// All together.
    pub connections: usize,
    /// From one address, or one /64 of IPv6. A whole class sits behind one address, at about ten connections a person.
    pub per_source: usize,
}

/// File descriptors kept for everything that is not a client.
const RESERVED_DESCRIPTORS: u64 = 128;

/// More connections than this are no class.
const MOST_CONNECTIONS: u64 = 16_384;

impl Limits {
    /// As many as `descriptors` open files allow: each client may need a second one to its server. One address gets
    /// three quarters at most.
    pub fn for_descriptors(descriptors: u64) -> Self {
        let connections = (descriptors.saturating_sub(RESERVED_DESCRIPTORS) / 2).clamp(16, MOST_CONNECTIONS);
        let connections = usize::try_from(connections).unwrap_or(usize::MAX);
        Self { connections, per_source: connections / 4 * 3 }
    }
}

/// Counts connections.
#[derive(Debug)]
pub(super) struct Admission {
    limits: Limits,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// Which limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Everywhere,
    Source,
}

/// A place that is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    admission: Arc<Admission>,
    source: IpAddr,
}

impl Admission {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, counts: Mutex::default() })
    }

    /// Takes a place for a connection from `address`, if there is one.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Full> {
        let source = source(address);
        let mut counts = self.counts();
        if counts.total >= self.limits.connections {
            return Err(Full::Everywhere);
        }
        let count = counts.by_source.entry(source).or_default();
        if *count >= self.limits.per_source {
            return Err(Full::Source);
        }
        *count += 1;
        counts.total += 1;
        Ok(Permit { admission: Arc::clone(self), source })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        counts.total -= 1;
        if let Some(count) = counts.by_source.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                counts.by_source.remove(&self.source);
            }
        }
    }
}

/// Who counts as one: an address, the /64 of IPv6 that one household has, or all of the machine's loopback addresses, of which
/// everybody with a shell has sixteen million.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        address if address.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_counted_and_given_back() {
        let admission = Admission::new(Limits { connections: 3, per_source: 2 });
        let first = admission.admit(address("192.0.2.1")).unwrap();
        let second = admission.admit(address("::ffff:192.0.2.1")).unwrap();
        assert_eq!(admission.admit(address("192.0.2.1")).unwrap_err(), Full::Source);
        let third = admission.admit(address("192.0.2.2")).unwrap();
        assert_eq!(admission.admit(address("192.0.2.3")).unwrap_err(), Full::Everywhere);
        drop((first, third));
        let again = admission.admit(address("192.0.2.1")).unwrap();
        drop((second, again));
        assert!(admission.counts().by_source.is_empty());
        assert_eq!(admission.counts().total, 0);
    }

    #[test]
    fn the_machine_itself_is_one_source() {
        let admission = Admission::new(Limits { connections: 9, per_source: 1 });
        let _first = admission.admit(address("127.0.0.1")).unwrap();
        for other in ["127.1.2.3", "::1", "::ffff:127.0.0.9"] {
            assert_eq!(admission.admit(address(other)).unwrap_err(), Full::Source, "{other}");
        }
    }

    #[test]
    fn a_household_of_ipv6_is_one_source() {
        let admission = Admission::new(Limits { connections: 9, per_source: 1 });
        let _first = admission.admit(address("2001:db8:1:2::1")).unwrap();
        assert_eq!(admission.admit(address("2001:db8:1:2:3::9")).unwrap_err(), Full::Source);
        assert!(admission.admit(address("2001:db8:1:3::1")).is_ok());
    }

    #[test]
    fn limits_follow_the_open_files() {
        for (descriptors, connections) in [(0, 16), (256, 64), (1024, 448), (65_536, 16_384), (u64::MAX, 16_384)] {
            assert_eq!(Limits::for_descriptors(descriptors).connections, connections);
        }
    }
}
