//! One client's connection, from its first request to its last byte.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::sync::{Semaphore, watch};

use super::framing::LARGEST_HEAD;
use super::liveness::{Deadlines, Liveness, Overdue, Watchdog};
use super::request_filter::RequestFilter;
use super::{Client, Handler, Stream, Takeover, stopped};

/// How long a client that still sends may do so after the last answer: a connection that is closed while bytes come
/// in is reset, and the answer with it.
const LINGER: Duration = Duration::from_secs(1);

/// At most this much is read and thrown away meanwhile.
const LINGER_BYTES: usize = 256 * 1024;

/// What all connections have in common.
#[derive(Clone)]
pub(super) struct Bounds {
    pub deadlines: Deadlines,
    /// How many unusually large heads may be read at a time, all together.
    pub large_heads: Arc<Semaphore>,
    pub stop: watch::Receiver<bool>,
}

/// Serves `stream` until it ends, `stop` turns true and the request under way is answered, or the client keeps it
/// waiting for too long.
pub(super) async fn serve<H: Handler>(
    stream: Stream,
    client: Client,
    handler: Arc<H>,
    Bounds { deadlines, large_heads, stop }: Bounds,
) {
    let liveness = Arc::<Liveness>::default();
    let takeover = Arc::new(Mutex::new(None::<Takeover>));
    let service = service_fn(|request: hyper::Request<Incoming>| {
        liveness.note_request();
        let counted = Counted { liveness: Arc::clone(&liveness), body: None };
        let (handler, takeover) = (Arc::clone(&handler), Arc::clone(&takeover));
        async move {
            let answer = handler.handle(request, client).await;
            *takeover.lock().unwrap_or_else(PoisonError::into_inner) = answer.takeover;
            Ok::<_, Infallible>(answer.response.map(|body| counted.around(body)))
        }
    });
    let stream = TokioIo::new(RequestFilter::new(stream, Arc::clone(&liveness), large_heads));
    let mut connection =
        http1::Builder::new().max_header_size(LARGEST_HEAD).max_buf_size(LARGEST_HEAD).serve_connection(stream, service);
    let mut watchdog = Watchdog::new(deadlines);
    let mut ticks = tokio::time::interval(deadlines.tick());
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.reset();
    let mut stopped = pin!(stopped(stop));
    let mut is_stopping = false;
    loop {
        tokio::select! {
            biased;
            result = &mut connection => {
                if let Err(error) = result {
                    tracing::debug!(client = %client.address, %error, "a client's connection broke");
                }
                break;
            }
            _ = ticks.tick() => match watchdog.look(&liveness) {
                None => {}
                Some(Overdue::Idle) => Pin::new(&mut connection).graceful_shutdown(),
                Some(overdue) => {
                    tracing::debug!(client = %client.address, ?overdue, "a client kept its connection waiting for too long");
                    return;
                }
            },
            () = &mut stopped, if !is_stopping => {
                is_stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    }
    let (stream, is_clean) = {
        // Nothing else of these parts may live on: an idle tunnel is to hold no buffer.
        let parts = connection.into_parts();
        let (stream, is_clean) = parts.io.into_inner().into_inner();
        (stream, is_clean && parts.read_buf.is_empty())
    };
    let takeover = takeover.lock().unwrap_or_else(PoisonError::into_inner).take();
    match takeover {
        // Whoever sends before the protocol has changed sends requests that somebody else may take for something else.
        Some(_) if !is_clean => {
            tracing::debug!(client = %client.address, "a client spoke the new protocol before it was agreed on");
        }
        Some(takeover) if !is_stopping => tokio::select! {
            () = takeover(stream) => {}
            () = &mut stopped => {}
        },
        Some(_) => {}
        None => linger(stream).await,
    }
}

/// Reads what the client still sends, so that it gets to read our last answer.
async fn linger(mut stream: Stream) {
    let rest = async {
        let mut buffer = vec![0; 8 * 1024];
        let mut total = 0;
        while total < LINGER_BYTES {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(n) => total += n,
            }
        }
    };
    if tokio::time::timeout(LINGER, rest).await.is_err() {
        tracing::debug!("a client did not close its end after the last answer");
    }
}

/// A body that notes when it is gone.
struct Counted<B> {
    liveness: Arc<Liveness>,
    body: Option<B>,
}

impl<B> Counted<B> {
    fn around(mut self, body: B) -> Self {
        self.body = Some(body);
        self
    }
}

impl<B> Drop for Counted<B> {
    fn drop(&mut self) {
        self.liveness.note_answered();
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Counted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}
