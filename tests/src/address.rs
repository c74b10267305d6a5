//! Addresses and ports of the loopback device, which all machines share with the host: each is given away once.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use hub_system::lock::{LockGuard, try_lock};

/// Where a lock says who has which number; the kernel gives up those of a run that was killed.
const LOCKS: &str = "/run/lock/hubd-tests";
/// As many as there will ever be at once on one host.
const ADDRESSES: u8 = 250;
/// The kernel gives ports from 32768 on to whoever connects; these it gives to nobody.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// How far apart the first ports of two runs are.
const STRIDE: u32 = 97;

/// An address of the loopback device that nobody else on this host uses until the value is dropped.
#[derive(Debug)]
pub(crate) struct OwnAddress {
    pub(crate) address: Ipv4Addr,
    _lock: LockGuard,
}

impl OwnAddress {
    /// Takes one.
    pub(crate) fn take() -> Result<Self> {
        fs::create_dir_all(LOCKS)?;
        for number in 2..ADDRESSES {
            if let Some(lock) = try_lock(&Path::new(LOCKS).join(format!("address-{number}")))? {
                return Ok(Self { address: Ipv4Addr::new(127, 77, 0, number), _lock: lock });
            }
        }
        bail!("all {ADDRESSES} addresses of tests are in use")
    }
}

/// A TCP port that is free and that no other scenario of this run was given.
pub(crate) fn free_port() -> Result<u16> {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let count = u32::from(PORTS.end - PORTS.start);
    for _ in PORTS {
        let next = u32::from(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + u16::try_from((std::process::id() * STRIDE + next) % count)?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(std::io::Error::from(std::io::ErrorKind::AddrInUse)).context("looking for a free port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_free_again_when_it_is_dropped() {
        let (first, second) = (OwnAddress::take().unwrap(), OwnAddress::take().unwrap());
        assert_ne!(first.address, second.address);
        assert!(first.address.is_loopback());
    }

    #[test]
    fn no_port_is_given_twice() {
        let ports: std::collections::BTreeSet<u16> = (0..20).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 20);
        assert!(ports.iter().all(|port| PORTS.contains(port)));
    }
}
