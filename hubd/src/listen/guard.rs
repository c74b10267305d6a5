//! Stands between a socket and hyper: lets no byte through that could be read in two ways, and notes how the
//! connection gets on.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::{Framing, Place};
use super::pulse::Pulse;

/// hyper answers this byte with 400 wherever it stands in a head, and breaks off a body that has it between chunks.
const POISON: &[u8] = &[0];

/// A guarded stream.
pub(super) struct Guard<S> {
    stream: S,
    framing: Framing,
    pulse: Arc<Pulse>,
    is_poisoned: bool,
}

impl<S> Guard<S> {
    pub(super) fn new(stream: S, pulse: Arc<Pulse>) -> Self {
        Self { stream, framing: Framing::default(), pulse, is_poisoned: false }
    }

    /// The stream, and whether all that came through it so far were whole requests.
    pub(super) fn into_inner(self) -> (S, bool) {
        let is_clean = !self.is_poisoned && self.framing.place() == Place::Between;
        (self.stream, is_clean)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.is_poisoned {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let Poll::Ready(result) = Pin::new(&mut this.stream).poll_read(cx, buffer) else {
            this.pulse.note_waits_to_read();
            return Poll::Pending;
        };
        result?;
        if let Err(ambiguous) = this.framing.advance(&buffer.filled()[before..]) {
            tracing::debug!("a request that can be read in two ways is refused");
            this.is_poisoned = true;
            buffer.set_filled(before + ambiguous.at);
            buffer.put_slice(POISON);
        }
        this.pulse.note_read(this.framing.place());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
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
            self.pulse.note_waits_to_write();
        }
        poll
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S> Guard<S> {
    fn note(&self, poll: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if poll.is_pending() {
            self.pulse.note_waits_to_write();
        }
        let written = ready!(poll)?;
        self.pulse.note_written();
        Poll::Ready(Ok(written))
    }
}
