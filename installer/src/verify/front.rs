//! Does the hub answer where browsers will look for it?

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hub_core::config::HttpsMethod;
use hub_core::control::{self, Reply, Request};
use hub_core::paths::Paths;

use super::http;
use crate::facts::{self, ConfigFact};

const DEADLINE: Duration = Duration::from_secs(20);
/// The page that everybody begins at, below the path of the hub.
const PAGE: &str = "/hub/login";
/// With HTTPS, the plain listener sends people there.
const WELL: std::ops::Range<u16> = 200..400;

/// Asks the socket of a web server in front, or else the first plain listener, for the page that everybody begins at. What
/// comes back is why there is no certificate from an authority yet: the hub works, and shows that page once there is one.
pub(super) fn check(paths: &Paths) -> Result<Option<String>> {
    let ConfigFact::Valid(_, config) = facts::read_config(paths) else { return Ok(None) };
    let page = format!("{}{PAGE}", config.hub.base());
    if config.http.proxy_group.is_some() {
        let socket = paths.front_socket();
        ask_front(&socket, &page).with_context(|| format!("asking the hub for its login page at `{}`", socket.display()))?;
        return Ok(None);
    }
    let Some(address) = config.http.listen.first().copied().map(reachable) else { return Ok(None) };
    let asked = ask(address, &page).with_context(|| format!("asking the hub for its login page at http://{address}{page}"));
    let Err(error) = asked else { return Ok(None) };
    match (https_problem(paths).filter(|_| config.https.is_some()), config.https.map(|https| https.method)) {
        (Some(problem), Some(HttpsMethod::Acme { .. })) => Ok(Some(problem)),
        (Some(problem), _) => Err(uncertified(&problem)),
        (None, _) => Err(error),
    }
}

/// For those to whom it is an error.
pub(super) fn uncertified(problem: &str) -> anyhow::Error {
    anyhow::anyhow!("nobody can log in, because there is no certificate for https: {problem}\nhint: sudo hubctl https check")
}

/// What the hub says is wrong with its certificate.
fn https_problem(paths: &Paths) -> Option<String> {
    match control::call(&paths.control_socket(), &Request::Https) {
        Ok(Reply::Https(status)) => status.problem,
        other => {
            tracing::debug!(?other, "asking the hub about its certificate");
            None
        }
    }
}

fn ask(address: SocketAddr, page: &str) -> Result<()> {
    let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    expect_status(http::get(stream, &address.to_string(), page, "")?.status)
}

fn ask_front(socket: &Path, page: &str) -> Result<()> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    expect_status(http::get(stream, "localhost", page, "")?.status)
}

fn expect_status(status: u16) -> Result<()> {
    if !WELL.contains(&status) {
        bail!("it answered with status {status}, expected 200");
    }
    Ok(())
}

/// Every address includes the loopback device's, and that one needs no IPv6.
fn reachable(address: SocketAddr) -> SocketAddr {
    let host = if address.ip().is_unspecified() { IpAddr::from(Ipv4Addr::LOCALHOST) } else { address.ip() };
    SocketAddr::new(host, address.port())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    fn server(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _read = stream.read(&mut [0; 1024]).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn a_page_or_a_way_to_one_is_well_and_an_error_is_not() {
        ask(server("HTTP/1.0 200 OK\r\n\r\nhello"), PAGE).unwrap();
        ask(server("HTTP/1.0 308 Permanent Redirect\r\n\r\n"), PAGE).unwrap();
        let error = ask(server("HTTP/1.0 500 Internal Server Error\r\n\r\n"), PAGE).unwrap_err().to_string();
        assert_eq!(error, "it answered with status 500, expected 200");
    }

    #[test]
    fn every_address_is_asked_on_loopback() {
        assert_eq!(reachable("[::]:80".parse().unwrap()), "127.0.0.1:80".parse().unwrap());
        assert_eq!(reachable("192.0.2.1:8000".parse().unwrap()), "192.0.2.1:8000".parse().unwrap());
    }
}
