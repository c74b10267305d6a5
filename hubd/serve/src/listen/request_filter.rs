//! Stands between a socket and hyper: lets no byte through that could be read in two ways, and notes how the
//! connection gets on.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::framing::{Framing, Place};
use super::liveness::Liveness;

/// hyper answers this byte with 400 wherever it stands in a head, and breaks off a body that has it between chunks.
const POISON: &[u8] = &[0];

/// A stream whose bytes are looked at first.
pub(super) struct RequestFilter<S> {
    stream: S,
    framing: Framing,
    liveness: Arc<Liveness>,
    large_heads: Arc<Semaphore>,
    /// Held while an unusually large head is read.
    large_head: Option<OwnedSemaphorePermit>,
    is_poisoned: bool,
}

impl<S> RequestFilter<S> {
    pub(super) fn new(stream: S, liveness: Arc<Liveness>, large_heads: Arc<Semaphore>) -> Self {
        Self { stream, framing: Framing::default(), liveness, large_heads, large_head: None, is_poisoned: false }
    }

    /// Whether the head that is being read is small, or one of the few large ones that may be.
    fn may_go_on(&mut self) -> bool {
        if !self.framing.is_in_large_head() {
            self.large_head = None;
        } else if self.large_head.is_none() {
            self.large_head = Arc::clone(&self.large_heads).try_acquire_owned().ok();
            return self.large_head.is_some();
        }
        true
    }

    /// The stream, and whether all that came through it so far were whole requests.
    pub(super) fn into_inner(self) -> (S, bool) {
        let is_clean = !self.is_poisoned && self.framing.place() == Place::Between;
        (self.stream, is_clean)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for RequestFilter<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.is_poisoned {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let Poll::Ready(result) = Pin::new(&mut this.stream).poll_read(cx, buffer) else {
            this.liveness.note_waits_to_read();
            return Poll::Pending;
        };
        result?;
        let good = match this.framing.advance(&buffer.filled()[before..]) {
            Err(ambiguous) => Some(ambiguous.at),
            Ok(()) => (!this.may_go_on()).then_some(0),
        };
        if let Some(good) = good {
            tracing::debug!("a request that can be read in two ways, or one of too many large ones, is refused");
            this.is_poisoned = true;
            buffer.set_filled(before + good);
            buffer.put_slice(POISON);
        }
        this.liveness.note_read(this.framing.place());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for RequestFilter<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.note(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        if poll.is_pending() {
            self.liveness.note_waits_to_write();
        }
        poll
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S> RequestFilter<S> {
    fn note(&self, poll: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if poll.is_pending() {
            self.liveness.note_waits_to_write();
        }
        let written = ready!(poll)?;
        self.liveness.note_written();
        Poll::Ready(Ok(written))
    }
}
