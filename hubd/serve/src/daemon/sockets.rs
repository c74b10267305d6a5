//! The listening sockets that systemd holds for us, told apart by name and port.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;

use anyhow::{Context, Result, bail};
use hub_core::config::Config;
use hub_core::paths::Paths;
use listenfd::ListenFd;

/// Names of descriptors, as the socket units give them with `FileDescriptorName=`; separated by colons.
pub(super) const NAMES_VARIABLE: &str = "LISTEN_FDNAMES";

/// What systemd passed, none of it blocking.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    /// Plain connections of browsers.
    pub(super) http: Vec<TcpListener>,
    /// Connections of a web server in front of the hub.
    pub(super) front: Option<UnixListener>,
    /// Encrypted connections of browsers.
    pub(super) https: Vec<TcpListener>,
    /// `hubctl` on the host.
    pub(super) control: Option<UnixListener>,
    /// `hubctl` inside an administrator's server.
    pub(super) admin: Option<UnixListener>,
    /// Where the hub should listen and does not, for people.
    pub(super) problem: Option<String>,
    /// `hubctl` of an operator on the host.
    pub(super) operator: Option<UnixListener>,
}

/// Takes over what systemd passed. Sockets of browsers all come from one unit and so have one name; those whose port is
/// in `[https]` are encrypted.
///
/// # Errors
/// When there is no socket at all, or one that nobody here knows.
pub(super) fn inherit(names: &str, config: &Config, paths: &Paths) -> Result<Sockets> {
    let mut sockets = sort(ListenFd::from_env(), names, config)?;
    let addresses =
        sockets.http.iter().chain(&sockets.https).filter_map(|listener| listener.local_addr().ok()).collect::<Vec<_>>();
    let has_ipv6 = paths.kernel_figures().join("net/if_inet6").exists();
    sockets.problem = unheard(config, &addresses, sockets.front.is_some(), has_ipv6);
    if let Some(problem) = &sockets.problem {
        tracing::error!("{problem}");
    }
    Ok(sockets)
}

/// Which of the addresses in the configuration systemd did not pass.
fn unheard(config: &Config, passed: &[SocketAddr], has_front: bool, has_ipv6: bool) -> Option<String> {
    let is_passed = |wanted: &&SocketAddr| {
        passed.iter().any(|there| there.port() == wanted.port() && (there.ip() == wanted.ip() || there.ip().is_unspecified()))
    };
    let encrypted = config.https.iter().flat_map(|https| &https.listen);
    let lost: Vec<&SocketAddr> = config.http.listen.iter().chain(encrypted).filter(|wanted| !is_passed(wanted)).collect();
    let mut names: Vec<String> = lost.iter().map(ToString::to_string).collect();
    if config.http.proxy_group.is_some() && !has_front {
        names.push("the socket of the web server in front of it".to_owned());
    }
    let why = if !has_ipv6 && lost.iter().any(|address| address.is_ipv6()) { ": this machine has no IPv6" } else { "" };
    (!names.is_empty()).then(|| format!("the hub does not listen at {}{why}", names.join(", ")))
}

fn sort(mut passed: ListenFd, names: &str, config: &Config) -> Result<Sockets> {
    let mut sockets = Sockets::default();
    let mut names = names.split(':');
    for index in 0..passed.len() {
        let name = names.next().unwrap_or("unknown");
        let context = || format!("taking over socket {index}, `{name}`, from systemd");
        match name {
            "http" | "https" => {
                // It comes from the same unit; a port is refused here, and left in its place.
                if let Ok(Some(listener)) = passed.take_unix_listener(index) {
                    sockets.front = Some(listener);
                    continue;
                }
                let listener = passed.take_tcp_listener(index).with_context(context)?.with_context(context)?;
                listener.set_nonblocking(true).with_context(context)?;
                let port = listener.local_addr().with_context(context)?.port();
                let is_https = name == "https" || is_https_port(config, port);
                if is_https && config.https.is_none() {
                    bail!("port {port} is for https, but the configuration has no certificate");
                }
                if is_https { &mut sockets.https } else { &mut sockets.http }.push(listener);
            }
            "control" | "admin" | "operator" => {
                let listener = passed.take_unix_listener(index).with_context(context)?.with_context(context)?;
                listener.set_nonblocking(true).with_context(context)?;
                let place = match name {
                    "control" => &mut sockets.control,
                    "admin" => &mut sockets.admin,
                    _ => &mut sockets.operator,
                };
                place.replace(listener);
            }
            other => bail!("systemd passed a socket named {other:?}; expected `http`, `https`, `control`, `admin` or `operator`"),
        }
    }
    let has_browsers = !sockets.http.is_empty() || !sockets.https.is_empty() || sockets.front.is_some();
    // Whoever asks with hubctl is told what is wrong.
    if !has_browsers && sockets.control.is_none() {
        bail!("systemd passed no socket for browsers\nhint: systemctl start hubd.socket hubd.service");
    }
    Ok(sockets)
}

fn is_https_port(config: &Config, port: u16) -> bool {
    config.https.as_ref().is_some_and(|https| https.listen.iter().any(|address| address.port() == port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passed_says_what_to_do() {
        let config = hub_core::config::parse("", "config.toml").unwrap();
        let error = sort(ListenFd::empty(), "", &config).unwrap_err();
        assert!(error.to_string().ends_with("hint: systemctl start hubd.socket hubd.service"), "{error}");
    }

    #[test]
    fn what_is_configured_and_not_passed_is_told() {
        let source = "[http]\nlisten = [\"[::]:80\", \"[::1]:8000\"]\n[https]\ncertificate = \"/a.pem\"\nkey = \"/b.pem\"\n";
        let config = hub_core::config::parse(source, "config.toml").unwrap();
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        let all = addresses(&["[::]:80", "[::1]:8000", "[::]:443"]);
        assert_eq!(unheard(&config, &all, false, true), None);
        // Without IPv6 systemd takes all addresses of IPv4 for a bare port, and leaves the other out.
        let lost = unheard(&config, &addresses(&["0.0.0.0:80", "0.0.0.0:443"]), false, false).unwrap();
        assert_eq!(lost, "the hub does not listen at [::1]:8000: this machine has no IPv6");
        let lost = unheard(&config, &[], false, true).unwrap();
        assert_eq!(lost, "the hub does not listen at [::]:80, [::1]:8000, [::]:443");
        let behind = hub_core::config::parse("[http]\nlisten = []\nproxy_group = \"www-data\"\n", "").unwrap();
        assert!(unheard(&behind, &[], false, true).is_some() && unheard(&behind, &[], true, true).is_none());
    }

    #[test]
    fn the_configuration_tells_which_port_is_encrypted() {
        let source = "[https]\nlisten = [\"[::]:8443\"]\ncertificate = \"/a.pem\"\nkey = \"/b.pem\"\n";
        let config = hub_core::config::parse(source, "config.toml").unwrap();
        assert!(is_https_port(&config, 8443));
        assert!(!is_https_port(&config, 443));
        assert!(!is_https_port(&hub_core::config::parse("", "config.toml").unwrap(), 443));
    }
}
