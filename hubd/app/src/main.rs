//! What stands before an app in its unit: becomes the app, or, where that listens on a port, starts it and passes on what the hub says to
//! the socket. Runs as the app's owner, in a network of its own, and has no right that the app does not have.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context, Result, bail};
use clap::Parser;
use hub_core::config::apps::{Placeholder, fill};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpStream, UnixListener, UnixStream};

/// Runs an app of somebody's; the launcher starts it in a unit, as that account.
#[derive(Debug, Parser)]
#[command(name = "hubd-app", version, about)]
struct Arguments {
    /// Listen here, and pass on to a port that the app is told.
    #[arg(long, value_name = "SOCKET")]
    relay: Option<PathBuf>,
    /// The program and its arguments.
    #[arg(required = true, last = true)]
    command: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // What an app says itself goes the same way.
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the app; comes back only when it could not, or has ended.
fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.relay {
        None => become_it(&arguments.command).map(|never| match never {}),
        Some(socket) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting tokio")?;
            runtime.block_on(relay(socket.clone(), &arguments.command))
        }
    }
}

fn become_it(command: &[String]) -> Result<Infallible> {
    let (program, arguments) = command.split_first().context("the app has no program")?;
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("starting `{program}`"))
}

async fn relay(socket: PathBuf, command: &[String]) -> Result<()> {
    let listener = UnixListener::bind(&socket).with_context(|| format!("listening at `{}`", socket.display()))?;
    let port = free_port().context("looking for a free port")?;
    let command: Vec<String> = command.iter().map(|text| fill(text, &[(Placeholder::Port, &port.to_string())])).collect();
    let (program, arguments) = command.split_first().context("the app has no program")?;
    let mut app =
        tokio::process::Command::new(program).args(arguments).spawn().with_context(|| format!("starting `{program}`"))?;
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    loop {
        tokio::select! {
            ended = app.wait() => bail!("`{program}` has ended: {}", in_words(ended.context("waiting for the app")?)),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(tokio::spawn(pass_on(stream, target))),
                // One that was given up meanwhile, or no descriptor left: the next may do.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            },
        }
    }
}

/// Joins both ends until one is through. Nobody listens yet: the connection ends, which says so.
async fn pass_on(mut hub: UnixStream, target: SocketAddr) {
    if let Ok(mut app) = TcpStream::connect(target).await {
        // An end that breaks off is the end of both.
        drop(copy_bidirectional(&mut hub, &mut app).await);
    }
}

/// Nobody else is in this network who could take it meanwhile.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn words(text: &[&str]) -> Vec<String> {
        text.iter().map(|word| (*word).to_owned()).collect()
    }

    #[tokio::test]
    async fn what_the_hub_says_reaches_the_port_and_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("server.sock");
        let answers = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); c = s.accept()[0]; \
                       c.sendall(c.recv(9).upper()); c.close()";
        let app = words(&["python3", "-c", answers, "{port}"]);
        let at = socket.clone();
        let running = tokio::spawn(async move { relay(at, &app).await });
        let answer = loop {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            let Ok(mut stream) = UnixStream::connect(&socket).await else { continue };
            let mut answer = String::new();
            if stream.write_all(b"hello").await.is_ok() && stream.read_to_string(&mut answer).await.is_ok() && !answer.is_empty()
            {
                break answer;
            }
        };
        assert_eq!(answer, "HELLO");
        let ended = running.await.unwrap().unwrap_err().to_string();
        assert_eq!(ended, "`python3` has ended: exit code 0");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let error = relay(directory.path().join("server.sock"), &words(&["no-such-program", "{port}"])).await.unwrap_err();
        assert!(format!("{error:#}").starts_with("starting `no-such-program`: "), "{error:#}");
    }

    #[test]
    fn an_app_with_a_socket_has_nobody_before_it() {
        let error = run(&Arguments { relay: None, command: words(&["no-such-program"]) }).unwrap_err();
        assert!(format!("{error:#}").starts_with("starting `no-such-program`: "), "{error:#}");
    }
}
