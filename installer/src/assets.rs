//! The text files this program carries: units, the configuration as it starts out, documents.

use std::net::SocketAddr;
use std::path::Path;

/// systemd units, by file name.
pub const UNITS: [(&str, &str); 8] = [
    ("hubd.slice", include_str!("../../units/hubd.slice")),
    ("hubd-users.slice", include_str!("../../units/hubd-users.slice")),
    ("hubd-launcher.socket", include_str!("../../units/hubd-launcher.socket")),
    ("hubd-launcher.service", include_str!("../../units/hubd-launcher.service")),
    ("hubd-control.socket", include_str!("../../units/hubd-control.socket")),
    ("hubd-admin.socket", include_str!("../../units/hubd-admin.socket")),
    ("hubd.socket", include_str!("../../units/hubd.socket")),
    ("hubd.service", include_str!("../../units/hubd.service")),
];

/// What an admin may want to read on the machine itself.
pub const DOCUMENTS: [(&str, &str); 2] = [
    ("architecture.md", include_str!("../../docs/architecture.md")),
    ("threat-model.md", include_str!("../../docs/threat-model.md")),
];

/// The configuration a new hub starts with; `{{...}}` are filled in by [`crate::settings`].
pub const CONFIG: &str = include_str!("assets/config.toml");

/// Units that are enabled and kept running, in the order in which they start.
pub const SERVICES: [&str; 6] =
    ["hubd-launcher.socket", "hubd-control.socket", "hubd-admin.socket", "hubd.socket", "hubd-launcher.service", "hubd.service"];

const GENERATED: &str = "# Written by hub-installer from /etc/hubd/config.toml. Put changes into a drop-in of your own.\n";

/// Where `hubd.socket` listens.
pub fn listen_drop_in(plain: &[SocketAddr], encrypted: &[SocketAddr]) -> String {
    let mut text = format!("{GENERATED}[Socket]\nListenStream=\n");
    for address in plain.iter().chain(encrypted) {
        // A bare port is all addresses of IPv6 and IPv4, and still works where IPv6 is switched off.
        let all = address.ip() == std::net::Ipv6Addr::UNSPECIFIED;
        text.push_str(&if all { format!("ListenStream={}\n", address.port()) } else { format!("ListenStream={address}\n") });
    }
    text
}

/// Lets the launcher make homes where its sandbox would not.
pub fn homes_drop_in(homes: &Path) -> String {
    format!("{GENERATED}[Service]\nReadWritePaths={}\n", homes.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_a_bare_port() {
        let addresses = ["[::]:80", "127.0.0.1:8000"].map(|text| text.parse().unwrap());
        let text = listen_drop_in(&addresses, &["[::]:443".parse().unwrap()]);
        assert!(
            text.ends_with("[Socket]\nListenStream=\nListenStream=80\nListenStream=127.0.0.1:8000\nListenStream=443\n"),
            "{text}"
        );
    }
}
