//! The body of a request on its way to a server, watched: a chunk at a time, nothing is collected.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

/// What is known about a request's body while it travels.
#[derive(Debug, Default)]
pub(super) struct Upload {
    moved: AtomicBool,
    failed: AtomicBool,
}

impl Upload {
    /// Whether anything of it moved since this was last asked.
    pub(super) fn take_moved(&self) -> bool {
        self.moved.swap(false, Ordering::Relaxed)
    }

    /// Whether the client broke it off.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

/// The body of a request on its way to a user server.
pub(super) struct RequestBody(Option<(Incoming, Arc<Upload>)>);

impl RequestBody {
    /// No body.
    pub(super) fn empty() -> Self {
        Self(None)
    }

    /// `incoming`, watched through `upload`.
    pub(super) fn new(incoming: Incoming, upload: Arc<Upload>) -> Self {
        Self(Some((incoming, upload)))
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some((incoming, upload)) = &mut self.0 else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(incoming).poll_frame(cx));
        upload.moved.store(true, Ordering::Relaxed);
        if let Some(Err(_)) = &frame {
            upload.failed.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|(incoming, _)| incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |(incoming, _)| incoming.size_hint())
    }
}
