//! What systemd listens at for us: a port, or the socket of a web server in front of the hub.

use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::os::unix::net::UnixListener;

use nix::sys::socket::{setsockopt, sockopt};

use super::Stream;

/// A connection without traffic is asked for a sign of life after this, and given up after a few more.
const KEEP_ALIVE_SECONDS: u32 = 60;

/// What may lie in a connection that one side does not take, in bytes each way; the kernel counts twice as much for its own
/// needs, as the hub's memory. Without this it lets each grow to several megabytes. Still enough for some megabytes a second
/// over fifty milliseconds.
const MOST_UNSENT: usize = 256 << 10;
const MOST_UNREAD: usize = 128 << 10;

/// A socket that takes connections.
#[derive(Debug)]
pub enum Listener {
    /// Of browsers.
    Tcp(TcpListener),
    /// Of a web server on this machine.
    Unix(UnixListener),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

/// The same, at work.
pub(super) enum Accepting {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

/// Somebody who has connected.
pub(super) struct Arrival {
    pub(super) stream: Stream,
    pub(super) address: IpAddr,
}

impl Accepting {
    pub(super) fn new(listener: Listener) -> io::Result<Self> {
        match listener {
            Listener::Tcp(listener) => {
                prepare(&listener)?;
                tokio::net::TcpListener::from_std(listener).map(Self::Tcp)
            }
            Listener::Unix(listener) => {
                listener.set_nonblocking(true)?;
                tokio::net::UnixListener::from_std(listener).map(Self::Unix)
            }
        }
    }

    pub(super) async fn accept(&self) -> io::Result<Arrival> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Not left to what it inherits: it may have come before that was set.
                setsockopt(&stream, sockopt::SndBuf, &MOST_UNSENT)?;
                setsockopt(&stream, sockopt::RcvBuf, &MOST_UNREAD)?;
                Ok(Arrival { stream: Stream::Plain(stream), address: peer.ip() })
            }
            // It is on this machine.
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Arrival { stream: Stream::Unix(stream), address: Ipv4Addr::LOCALHOST.into() })
            }
        }
    }
}

/// What every accepted connection inherits: small writes go out at once, and a client that is gone without a word is
/// noticed.
fn prepare(listener: &TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    setsockopt(listener, sockopt::TcpNoDelay, &true)?;
    setsockopt(listener, sockopt::KeepAlive, &true)?;
    setsockopt(listener, sockopt::TcpKeepIdle, &KEEP_ALIVE_SECONDS)?;
    setsockopt(listener, sockopt::TcpKeepInterval, &15)?;
    setsockopt(listener, sockopt::TcpKeepCount, &4)?;
    Ok(())
}
