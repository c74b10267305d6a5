//! Who listens on which TCP port, from `/proc` alone.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;

use anyhow::{Context, Result};

/// A TCP socket that takes connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub address: SocketAddr,
    /// Its process, where it can be told: number and name.
    pub process: Option<(u32, String)>,
    /// Whether it is the hub's own.
    pub own: bool,
}

impl Listener {
    /// Whether a socket at `wanted` could not be opened beside this one.
    pub fn blocks(&self, wanted: SocketAddr) -> bool {
        let any = |address: IpAddr| address.is_unspecified();
        self.address.port() == wanted.port()
            && !self.own
            && (any(self.address.ip()) || any(wanted.ip()) || self.address.ip() == wanted.ip())
    }

    /// `nginx (process 812)`, for people.
    pub fn who(&self) -> String {
        match &self.process {
            Some((pid, name)) => format!("`{name}` (process {pid})"),
            None => "a process that only root can name".to_owned(),
        }
    }
}

const LISTENING: &str = "0A";

/// Whether this machine has `address`, so that a program can listen there.
pub fn is_here(address: IpAddr) -> bool {
    address.is_unspecified() || UdpSocket::bind((address, 0)).is_ok()
}

/// Every listener of this machine's network. `own` is where the hub itself is to listen.
///
/// # Errors
/// When the kernel's tables can't be read.
pub fn probe(own: &[SocketAddr]) -> Result<Vec<Listener>> {
    let mut found = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        // A kernel without IPv6 has no second table.
        if Path::new(table).exists() {
            let text = std::fs::read_to_string(table).with_context(|| format!("reading `{table}`"))?;
            found.extend(parse(&text));
        }
    }
    let owners = if found.is_empty() { HashMap::new() } else { owners() };
    Ok(found
        .into_iter()
        .map(|(address, inode)| {
            let process = owners.get(&inode).cloned();
            let own = own.contains(&address) && process.as_ref().is_none_or(|(pid, name)| *pid == 1 || name == "hubd");
            Listener { address, process, own }
        })
        .collect())
}

/// Addresses and socket numbers of the listeners in a table of `/proc/net`.
fn parse(table: &str) -> Vec<(SocketAddr, u64)> {
    let listener = |line: &str| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1)?;
        let state = fields.nth(1)?;
        let inode = fields.nth(5)?.parse().ok()?;
        (state == LISTENING).then_some((parse_address(local)?, inode))
    };
    table.lines().skip(1).filter_map(listener).collect()
}

/// `0100007F:1F40` is 127.0.0.1:8000: words of four bytes in the order of the machine.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::new();
    for start in (0..address.len()).step_by(8) {
        let word = u32::from_str_radix(address.get(start..start + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    let address: IpAddr = match bytes.len() {
        4 => Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into(),
        16 => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into(),
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

/// Which process holds which socket. Processes end while one looks, and foreign ones show nothing: both are left out.
fn owners() -> HashMap<u64, (u32, String)> {
    let mut owners = HashMap::new();
    let Ok(processes) = std::fs::read_dir("/proc") else { return owners };
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(descriptors) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default().trim().to_owned();
        for descriptor in descriptors.flatten() {
            let Ok(target) = std::fs::read_link(descriptor.path()) else { continue };
            let inode = target.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            if let Some(inode) = inode {
                // systemd keeps a socket open that it has handed to a service; the service is the one to name.
                let known: &mut (u32, String) = owners.entry(inode).or_insert_with(|| (pid, name.clone()));
                if known.0 == 1 {
                    *known = (pid, name.clone());
                }
            }
        }
    }
    owners
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        \x20  0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n\
        \x20  1: 0100007F:1F40 0100007F:A0B0 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1\n";

    fn listener(address: &str) -> Listener {
        Listener { address: address.parse().unwrap(), process: None, own: false }
    }

    #[test]
    fn reads_listeners_and_not_connections() {
        assert_eq!(parse(TABLE), [("127.0.0.1:8000".parse().unwrap(), 4711)]);
        assert_eq!(parse_address("00000000000000000000000000000000:0050"), Some("[::]:80".parse().unwrap()));
        assert_eq!(parse_address("00000000000000000000000001000000:0050"), Some("[::1]:80".parse().unwrap()));
    }

    #[test]
    fn names_the_process_behind_a_real_port() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let found = probe(&[]).unwrap();
        let found = found.into_iter().find(|listener| listener.address == address).unwrap();
        assert_eq!(found.process.as_ref().map(|(pid, _)| *pid), Some(std::process::id()));
        assert!(found.blocks(address) && !found.own);
    }

    #[test]
    fn blocks_what_the_kernel_would_refuse() {
        for (there, wanted, blocks) in [
            ("0.0.0.0:80", "[::]:80", true),
            ("[::]:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("0.0.0.0:80", "[::]:8000", false),
        ] {
            assert_eq!(listener(there).blocks(wanted.parse().unwrap()), blocks, "{there} {wanted}");
        }
        let own = Listener { own: true, ..listener("[::]:80") };
        assert!(!own.blocks("[::]:80".parse().unwrap()));
    }
}
