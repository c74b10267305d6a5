//! Whom programs of the machine ask for addresses.

use std::net::IpAddr;

use crate::paths::Paths;

/// The text that names them; without a file: nothing.
pub fn text(paths: &Paths) -> String {
    std::fs::read_to_string(paths.resolv_conf()).unwrap_or_else(|error| {
        tracing::debug!("going on without name servers: {error}");
        String::new()
    })
}

/// Those that such a text names.
pub fn parse(resolv_conf: &str) -> Vec<IpAddr> {
    let servers = resolv_conf.lines().map(str::split_whitespace).filter_map(|mut words| match words.next() {
        Some("nameserver") => words.next()?.parse().ok(),
        _ => None,
    });
    servers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_resolver_reads() {
        let text = "# nameserver 192.0.2.9\nsearch example.org\n nameserver\t192.0.2.1 \nnameserver fd00::1\nnameserver none\nnameservers 1.1.1.1\n";
        assert_eq!(parse(text), ["192.0.2.1", "fd00::1"].map(|text| text.parse::<IpAddr>().unwrap()));
    }
}
