//! The hub's own units, by name; their text is in `units/`.

/// What faces the network.
pub const SERVE: &str = "hubd.service";
/// What makes accounts and starts people's servers.
pub const LAUNCHER: &str = "hubd-launcher.service";
/// What gets the certificate for https.
pub const CERTIFICATES: &str = "hubd-certificates.service";

/// What speaks to providers of logins.
pub const OUTSIDE: &str = "hubd-outside.service";
/// Where it is asked. systemd starts it as soon as anybody asks.
pub const OUTSIDE_SOCKET: &str = "hubd-outside.socket";

/// Where the machine's PAM is asked: systemd starts a process for each attempt.
pub const PAM_SOCKET: &str = "hubd-pam.socket";

/// The sockets of [`SERVE`]. systemd starts it as soon as anybody connects to one, and starts none of them while it runs.
pub const SERVE_SOCKETS: [&str; 4] = ["hubd-control.socket", "hubd-admin.socket", "hubd-operator.socket", "hubd.socket"];

/// Units that are enabled and kept running, in the order in which they start.
pub const ENABLED: [&str; 14] = [
    "hubd-launcher.socket",
    SERVE_SOCKETS[0],
    SERVE_SOCKETS[1],
    SERVE_SOCKETS[2],
    SERVE_SOCKETS[3],
    OUTSIDE_SOCKET,
    PAM_SOCKET,
    LAUNCHER,
    SERVE,
    "hubd-certificates.path",
    "hubd-certificates.timer",
    "hubd-auto-upgrade.timer",
    "hubd-backup.timer",
    "hubd-doctor.timer",
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Names of the files in `units/` of which `judge` says yes to their text.
    fn files(judge: impl Fn(&str) -> bool) -> Vec<String> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../units");
        let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let mut names: Vec<String> = files
            .filter(|path| judge(&std::fs::read_to_string(path).unwrap()))
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }

    fn sorted(names: &[&str]) -> Vec<String> {
        let mut names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn every_socket_of_the_hub_is_known() {
        let of_serve = files(|text| text.lines().any(|line| line == format!("Service={SERVE}")));
        assert_eq!(of_serve, sorted(&SERVE_SOCKETS));
    }

    #[test]
    fn what_can_be_enabled_is() {
        assert_eq!(files(|text| text.lines().any(|line| line == "[Install]")), sorted(&ENABLED));
    }
}
