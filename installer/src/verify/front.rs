//! Does the hub answer where browsers will look for it?

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hub_core::control::{self, Reply, Request};
use hub_core::paths::Paths;

use super::http;
use crate::facts::{self, ConfigFact};

const DEADLINE: Duration = Duration::from_secs(20);
/// With HTTPS, the plain listener sends people there.
const WELL: std::ops::Range<u16> = 200..400;

/// Asks the first plain listener for the page that everybody begins at.
pub(super) fn check(paths: &Paths) -> Result<()> {
    let ConfigFact::Valid(_, config) = facts::read_config(paths) else { return Ok(()) };
    let Some(address) = config.http.listen.first().copied().map(reachable) else { return Ok(()) };
    let asked = ask(address).with_context(|| format!("asking the hub for its login page at http://{address}/hub/login"));
    match (asked, &config.https) {
        (Err(error), Some(_)) => Err(match https_problem(paths) {
            Some(problem) => anyhow::anyhow!(
                "nobody can log in, because there is no certificate for https: {problem}\nhint: sudo hubctl https check"
            ),
            None => error,
        }),
        (asked, _) => asked,
    }
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

fn ask(address: SocketAddr) -> Result<()> {
    let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    let status = http::get(stream, &address.to_string(), "/hub/login", "")?.status;
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
        ask(server("HTTP/1.0 200 OK\r\n\r\nhello")).unwrap();
        ask(server("HTTP/1.0 308 Permanent Redirect\r\n\r\n")).unwrap();
        let error = ask(server("HTTP/1.0 500 Internal Server Error\r\n\r\n")).unwrap_err().to_string();
        assert_eq!(error, "it answered with status 500, expected 200");
    }

    #[test]
    fn every_address_is_asked_on_loopback() {
        assert_eq!(reachable("[::]:80".parse().unwrap()), "127.0.0.1:80".parse().unwrap());
        assert_eq!(reachable("192.0.2.1:8000".parse().unwrap()), "192.0.2.1:8000".parse().unwrap());
    }
}
