//! The body of an answer on its way through, a chunk at a time: nothing is collected, and nobody reads faster than the other
//! side takes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::cut::Cut;
use super::pool::Pool;
use super::upstream::Link;

/// Why an answer broke off after its head.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The user server broke it off, or sent what is not HTTP.
    #[error("reading a user server's answer")]
    Server(#[source] hyper::Error),
    /// The session ended, or the server was stopped.
    #[error("access ended")]
    Ended,
}

/// The body of a user server's answer. While it is read, it keeps its connection going in both directions; when it has
/// been read to its end, the connection goes back to the pool.
pub struct Body {
    incoming: Incoming,
    link: Option<Box<Link>>,
    pool: Arc<Pool>,
    _place: OwnedSemaphorePermit,
    cut: Cut,
    /// Made when the body first has to wait: most never do.
    fired: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    complete: bool,
    /// Why it broke off; told after what came before has been sent.
    broken: Option<BodyError>,
}

impl Body {
    pub(super) fn new(incoming: Incoming, link: Box<Link>, pool: Arc<Pool>, place: OwnedSemaphorePermit, cut: Cut) -> Self {
        let complete = incoming.is_end_stream();
        Self { incoming, link: Some(link), pool, _place: place, cut, fired: None, complete, broken: None }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        self.complete = frame.is_none() || self.incoming.is_end_stream();
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Server)))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(error) = this.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        if this.cut.has_fired() {
            this.link = None;
            return Poll::Ready(Some(Err(BodyError::Ended)));
        }
        let mut polled = this.poll_incoming(cx);
        if polled.is_pending() {
            if let Some(link) = &mut this.link {
                link.drive(cx);
            }
            polled = this.poll_incoming(cx);
        }
        match polled {
            Poll::Ready(Some(Err(error))) => {
                // An error makes hyper drop what it has not written yet, so it gets the chance to write that first.
                this.broken = Some(error);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(frame) => return Poll::Ready(frame),
            Poll::Pending => {}
        }
        let cut = &this.cut;
        let fired = this.fired.get_or_insert_with(|| Box::pin(cut.clone().fired()));
        ready!(fired.as_mut().poll(cx));
        this.link = None;
        Poll::Ready(Some(Err(BodyError::Ended)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(link) = self.link.take()
            && self.complete
        {
            self.pool.put(link);
        }
    }
}
