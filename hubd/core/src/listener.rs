//! Where the hub's own socket listens: the drop-in that says it to systemd, the same from the installer and from an apply.

use std::net::{Ipv6Addr, SocketAddr};

use crate::config::Config;
use crate::paths::Paths;

const HEADER: &str =
    "# Written from /etc/hubd/config.toml by an install and by every apply. Put changes into a drop-in of your own.\n";

/// The drop-in of `hubd.socket` for `config`.
pub fn drop_in(config: &Config) -> String {
    let mut text = format!("{HEADER}[Socket]\nListenStream=\n");
    let encrypted = config.https.as_ref().map_or(&[][..], |https| &https.listen);
    for address in config.http.listen.iter().chain(encrypted) {
        text.push_str(&line(*address));
    }
    if let Some(group) = &config.http.proxy_group {
        let socket = Paths::default().front_socket();
        text.push_str(&format!("ListenStream={}\nSocketGroup={group}\nSocketMode=0660\n", socket.display()));
    }
    text
}

/// A bare port is all addresses of IPv6 and IPv4, and still works where IPv6 is switched off.
fn line(address: SocketAddr) -> String {
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        format!("ListenStream={}\n", address.port())
    } else {
        format!("ListenStream={address}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_a_bare_port() {
        let source = "[http]\nlisten = [\"[::]:80\", \"127.0.0.1:8000\"]\n\
                      [https]\nlisten = [\"[::]:443\"]\ncertificate = \"/etc/hub.pem\"\nkey = \"/etc/hub.key\"\n";
        let text = drop_in(&crate::config::parse(source, "config.toml").unwrap());
        assert!(
            text.ends_with("[Socket]\nListenStream=\nListenStream=80\nListenStream=127.0.0.1:8000\nListenStream=443\n"),
            "{text}"
        );
    }

    #[test]
    fn a_server_in_front_has_a_socket_that_is_for_its_group_alone() {
        let text = drop_in(&crate::config::parse("[http]\nlisten = []\nproxy_group = \"www-data\"\n", "").unwrap());
        let socket = "ListenStream=/run/hubd-front.sock\nSocketGroup=www-data\nSocketMode=0660\n";
        assert!(text.ends_with(&format!("[Socket]\nListenStream=\n{socket}")), "{text}");
    }
}
