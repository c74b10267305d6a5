//! Is the hub well? Asked from outside, the way browsers and root ask it. Nothing that a student runs has a say in this.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hub_core::config::{Config, Https, HttpsMethod};
use hub_core::control::{self, Reply, Request};
use hub_core::launcher::protocol;
use hub_core::wire;

use super::super::super::World;
use super::tls;

/// How long a hub may take to become well. Opening the database and its sockets takes milliseconds; this is for a machine
/// in trouble.
pub(super) const HEALTH_DEADLINE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 20 });
/// How long one may take to show that it is well with what it has been running with for long.
pub(super) const REST_DEADLINE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 5 });
/// One question over one listener.
const ASK_DEADLINE: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// The page that everybody begins at, below the path of the hub.
const PAGE: &str = "/hub/login";
/// The most that is read of an answer.
const LARGEST_ANSWER: u64 = 64 * 1024;

/// Whether own certificate files can be the fault of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Files {
    /// It names them: they have to be good.
    New,
    /// They were named before: what is wrong with them, as that they expired, is not the fault of what changed.
    Known,
}

/// Waits until the hub is well with `config`, at most for `patience`. What is wrong with https all the same.
///
/// # Errors
/// When it is not at the deadline; what was wrong last.
pub(super) fn wait(world: &World, config: &Config, files: Files, patience: Duration) -> Result<Option<String>> {
    let deadline = Instant::now() + patience;
    loop {
        match ask(world, config, files) {
            Ok(https_problem) => return Ok(https_problem),
            Err(error) if Instant::now() >= deadline => {
                return Err(error).with_context(|| format!("the hub was still unhealthy after {} s", patience.as_secs()));
            }
            Err(_) => thread::sleep(POLL_INTERVAL),
        }
    }
}

/// Whether the hub is well now.
///
/// # Errors
/// What is wrong.
fn ask(world: &World, config: &Config, files: Files) -> Result<Option<String>> {
    let https_problem =
        match control::call(&world.paths.control_socket(), &Request::Status).context("asking the hub how it is")? {
            Reply::Status(status) => match status.launcher_problem {
                None => status.https_problem,
                Some(problem) => bail!("the hub's launcher does not answer: {problem}"),
            },
            other => bail!("unexpected answer of the hub about its status: {other:?}"),
        };
    let socket = world.paths.launcher_socket();
    match wire::ask(&socket, &protocol::Request::List { app: None }, ASK_DEADLINE)
        .context("asking the launcher which servers run")?
    {
        protocol::Reply::States { .. } => {}
        protocol::Reply::Refused(refusal) => bail!("the launcher does not know which servers run: {}", refusal.text()),
        other => bail!("unexpected answer of the launcher about running servers: {other:?}"),
    }
    // An authority takes its time, and may refuse: that is a finding of the hub's, and no fault of the configuration. Files
    // that are no certificate are one, when the configuration is what names them.
    let https_problem = https_problem.filter(|_| config.https.is_some());
    if let (Files::New, Some(Https { method: HttpsMethod::Files { .. }, .. }), Some(problem)) =
        (files, &config.https, &https_problem)
    {
        bail!("https has no certificate: {problem}");
    }
    let waits = https_problem.is_some();
    let page_path = format!("{}{PAGE}", config.hub.base());
    for address in config.http.listen.iter().copied().map(reachable) {
        let context = || format!("asking for the login page at http://{address}{page_path}");
        let status = connect(address).and_then(|stream| page(stream, &address.to_string(), &page_path)).with_context(context)?;
        // With https, the plain listener sends people there, and tells them when it can't.
        match (&config.https, waits) {
            (None, _) => expect_status(status, 200),
            (Some(_), true) if status == 503 => Ok(()),
            (Some(_), _) => expect_status(status, 308),
        }
        .with_context(context)?;
    }
    if config.http.proxy_group.is_some() {
        let socket = world.paths.front_socket();
        let context = || format!("asking for the login page at `{}`", socket.display());
        let status = connect_front(&socket).and_then(|stream| page(stream, "localhost", &page_path)).with_context(context)?;
        expect_status(status, 200).with_context(context)?;
    }
    if waits {
        return Ok(https_problem);
    }
    for address in config.https.iter().flat_map(|https| &https.listen).copied().map(reachable) {
        let context = || format!("asking for the login page at https://{address}{page_path}");
        let status = connect(address)
            .and_then(|stream| page(tls::encrypted(stream)?, &address.to_string(), &page_path))
            .with_context(context)?;
        expect_status(status, 200).with_context(context)?;
    }
    Ok(None)
}

fn expect_status(status: u16, expected: u16) -> Result<()> {
    if status == expected { Ok(()) } else { bail!("it answered with status {status}, expected {expected}") }
}

/// Every address includes the loopback device's, and that one needs no IPv6.
fn reachable(address: SocketAddr) -> SocketAddr {
    let host = if address.ip().is_unspecified() { IpAddr::from(Ipv4Addr::LOCALHOST) } else { address.ip() };
    SocketAddr::new(host, address.port())
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, ASK_DEADLINE)?;
    stream.set_read_timeout(Some(ASK_DEADLINE))?;
    stream.set_write_timeout(Some(ASK_DEADLINE))?;
    Ok(stream)
}

fn connect_front(socket: &Path) -> Result<UnixStream> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ASK_DEADLINE))?;
    stream.set_write_timeout(Some(ASK_DEADLINE))?;
    Ok(stream)
}

/// The status with which the login page is answered.
fn page(mut stream: impl Read + Write, host: &str, path: &str) -> Result<u16> {
    // The older version of the protocol ends the connection behind the answer.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).context("sending a request")?;
    let mut answer = Vec::new();
    let read = stream.take(LARGEST_ANSWER).read_to_end(&mut answer);
    let head = String::from_utf8_lossy(&answer);
    let line = head.lines().next().unwrap_or_default();
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
    match (status, read) {
        (Some(status), _) => Ok(status),
        (None, Err(error)) => Err(error).context("waiting for the answer"),
        (None, Ok(_)) => bail!("the answer begins with {line:?}, expected HTTP"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn status_of(answer: &'static str) -> Result<u16> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _read = stream.read(&mut [0; 1024]).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        page(connect(address).unwrap(), "hub", PAGE)
    }

    #[test]
    fn only_http_is_an_answer() {
        assert_eq!(status_of("HTTP/1.1 200 OK\r\n\r\nhello").unwrap(), 200);
        assert_eq!(status_of("HTTP/1.0 308 Permanent Redirect\r\n\r\n").unwrap(), 308);
        let error = status_of("SSH-2.0-OpenSSH_9.2\r\n").unwrap_err().to_string();
        assert_eq!(error, "the answer begins with \"SSH-2.0-OpenSSH_9.2\", expected HTTP");
    }

    #[test]
    fn every_address_is_asked_on_loopback() {
        assert_eq!(reachable("[::]:80".parse().unwrap()), "127.0.0.1:80".parse().unwrap());
        assert_eq!(reachable("192.0.2.1:8000".parse().unwrap()), "192.0.2.1:8000".parse().unwrap());
    }
}
