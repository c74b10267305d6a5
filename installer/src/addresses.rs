//! Where the hub will listen, and what people will type to get there. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hub_core::config::Config;

use crate::options::{HttpsWish, Options};

/// All addresses that this machine has.
fn everywhere(port: u16, ipv6: bool) -> SocketAddr {
    if ipv6 { (Ipv6Addr::UNSPECIFIED, port).into() } else { (Ipv4Addr::UNSPECIFIED, port).into() }
}

/// Where the hub will listen for plain HTTP.
pub(crate) fn listen(config: Option<&Config>, options: &Options, ipv6: bool) -> Vec<SocketAddr> {
    match (options.listen, config) {
        (Some(address), _) => vec![address],
        (None, _) if options.behind.is_some() => Vec::new(),
        (None, Some(config)) => config.http.listen.clone(),
        (None, None) => vec![everywhere(80, ipv6)],
    }
}

/// Where the hub will listen encrypted.
pub(crate) fn https_listen(config: Option<&Config>, options: &Options, ipv6: bool) -> Vec<SocketAddr> {
    let configured = config.and_then(|config| config.https.as_ref()).map(|https| https.listen.clone());
    match (&options.https, configured) {
        (Some(HttpsWish { listen: Some(address), .. }), _) => vec![*address],
        (_, Some(configured)) => configured,
        (Some(_), None) => vec![everywhere(443, ipv6)],
        (None, None) => Vec::new(),
    }
}

/// The hub's address, as far as it can be told from inside: where it listens, or how the machine reaches others.
pub(crate) fn guess_url(listen: &[SocketAddr], address: Option<IpAddr>) -> Option<String> {
    let listen = listen.first()?;
    let host = if listen.ip().is_unspecified() { address.unwrap_or(Ipv4Addr::LOCALHOST.into()) } else { listen.ip() };
    Some(match listen.port() {
        80 if host.is_ipv6() => format!("http://[{host}]"),
        80 => format!("http://{host}"),
        port => format!("http://{}", SocketAddr::new(host, port)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_guessed_from_where_the_hub_listens() {
        let address = |text: &str| text.parse().unwrap();
        for (listen, own, url) in [
            ("[::]:80", Some("203.0.113.7"), "http://203.0.113.7"),
            ("[::]:8000", Some("203.0.113.7"), "http://203.0.113.7:8000"),
            ("127.0.0.1:8000", Some("203.0.113.7"), "http://127.0.0.1:8000"),
            ("[::]:80", Some("2001:db8::1"), "http://[2001:db8::1]"),
            ("0.0.0.0:80", None, "http://127.0.0.1"),
        ] {
            let own = own.map(|text| text.parse().unwrap());
            assert_eq!(guess_url(&[address(listen)], own).as_deref(), Some(url), "{listen}");
        }
    }
}
