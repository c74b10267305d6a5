//! After a 101: bytes both ways until both sides are done, one side fails, or access ends. An idle tunnel holds no
//! buffer.

use std::cell::RefCell;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hub_core::accounts::Username;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::sync::OwnedSemaphorePermit;

use super::Activity;
use super::cut::Cut;

/// Bytes moved at once.
const BUFFER: usize = 64 * 1024;

/// How long the second side may stay silent after the first has said its last.
const HALF_CLOSED_DEADLINE: Duration = Duration::from_secs(30);

/// What a client sends counts as use of the server at most this often.
const ACTIVITY_PAUSE: Duration = Duration::from_secs(10);

/// A WebSocket frame without a message in it (ping, pong, close) is at most this long.
const LONGEST_CONTROL_FRAME: usize = 131;

thread_local! {
    // Between two polls the bytes are either written or kept by the direction they belong to, so all tunnels of a
    // thread can read into the same buffer.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER]);
}

/// The server's end of a connection that is no longer HTTP.
pub struct Tunnel {
    pub(super) server: UnixStream,
    /// What the server sent together with its 101.
    pub(super) early: Bytes,
    pub(super) user: Username,
    pub(super) activity: Arc<Activity>,
    pub(super) cut: Cut,
    /// Held as long as the tunnel is open.
    pub(super) place: OwnedSemaphorePermit,
}

impl Tunnel {
    /// Joins the two ends, and returns when nothing is left to carry.
    pub async fn run(self, client: impl AsyncRead + AsyncWrite + Unpin) {
        let Self { server, early, user, activity, cut, place: _place } = self;
        let relay = Relay {
            client,
            server,
            up: Direction::default(),
            down: Direction { held: early.to_vec(), ..Direction::default() },
            used: Instant::now(),
        };
        // Even when nothing is in it, it keeps a buffer of HTTP alive.
        drop(early);
        tokio::select! {
            result = relay.run(|| activity(&user)) => {
                if let Err(error) = result {
                    tracing::debug!(%user, %error, "a connection to a user server broke");
                }
            }
            () = cut.fired() => tracing::debug!(%user, "a connection to a user server was ended"),
        }
    }
}

struct Relay<C> {
    client: C,
    server: UnixStream,
    up: Direction,
    down: Direction,
    used: Instant,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Relay<C> {
    async fn run(mut self, touch: impl Fn()) -> io::Result<()> {
        let mut silence = pin!(None::<tokio::time::Sleep>);
        let mut carried = 0;
        std::future::poll_fn(|cx| {
            let done = SCRATCH.with_borrow_mut(|scratch| self.poll_both(cx, scratch, &touch))?;
            match done {
                (true, true) => return Poll::Ready(Ok(())),
                (false, false) => return Poll::Pending,
                _ => {}
            }
            let total = self.up.carried + self.down.carried;
            if silence.is_none() || carried != total {
                carried = total;
                silence.set(Some(tokio::time::sleep(HALF_CLOSED_DEADLINE)));
            }
            match silence.as_mut().as_pin_mut() {
                Some(silence) => silence.poll(cx).map(Ok),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Moves what can be moved, and says which directions have reached their end.
    fn poll_both(&mut self, cx: &mut Context<'_>, scratch: &mut [u8], touch: &impl Fn()) -> io::Result<(bool, bool)> {
        let Self { client, server, up, down, used } = self;
        let up = up.poll_copy(cx, client, server, scratch, |bytes| {
            if used.elapsed() >= ACTIVITY_PAUSE && !is_control_frame(bytes) {
                *used = Instant::now();
                touch();
            }
        });
        let down = down.poll_copy(cx, server, client, scratch, |_| {});
        let is_done = |poll: Poll<io::Result<()>>| match poll {
            Poll::Ready(result) => result.map(|()| true),
            Poll::Pending => Ok(false),
        };
        Ok((is_done(up)?, is_done(down)?))
    }
}

/// Whether `bytes` look like one WebSocket frame that says nothing about a person: browsers answer pings by themselves.
fn is_control_frame(bytes: &[u8]) -> bool {
    bytes.len() <= LONGEST_CONTROL_FRAME && bytes.first().is_some_and(|first| first & 0x08 != 0)
}

/// One way through the tunnel.
#[derive(Default)]
struct Direction {
    /// Read and not yet written.
    held: Vec<u8>,
    written: usize,
    unflushed: bool,
    at_end: bool,
    closed: bool,
    carried: u64,
}

impl Direction {
    fn poll_copy<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        scratch: &mut [u8],
        mut saw: impl FnMut(&[u8]),
    ) -> Poll<io::Result<()>> {
        loop {
            while self.written < self.held.len() {
                let n = ready!(Pin::new(&mut *writer).poll_write(cx, &self.held[self.written..]))?;
                self.note_written(n)?;
                self.written += n;
            }
            if !self.held.is_empty() {
                self.held = Vec::new();
                self.written = 0;
            }
            if self.closed {
                return Poll::Ready(Ok(()));
            }
            if self.at_end {
                ready!(Pin::new(&mut *writer).poll_shutdown(cx))?;
                self.closed = true;
                continue;
            }
            let mut buffer = ReadBuf::new(scratch);
            if Pin::new(&mut *reader).poll_read(cx, &mut buffer)?.is_pending() {
                if self.unflushed {
                    ready!(Pin::new(&mut *writer).poll_flush(cx))?;
                    self.unflushed = false;
                }
                return Poll::Pending;
            }
            let bytes = buffer.filled();
            if bytes.is_empty() {
                self.at_end = true;
                continue;
            }
            saw(bytes);
            match Pin::new(&mut *writer).poll_write(cx, bytes)? {
                Poll::Ready(n) => {
                    self.note_written(n)?;
                    self.held.extend_from_slice(&bytes[n..]);
                }
                Poll::Pending => self.held.extend_from_slice(bytes),
            }
        }
    }

    fn note_written(&mut self, n: usize) -> io::Result<()> {
        if n == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.carried += n as u64;
        self.unflushed = true;
        Ok(())
    }
}
