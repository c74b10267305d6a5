//! The body of any answer: a page of ours or a user server's bytes.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::proxy;

/// Where an answer's bytes come from.
pub enum Body {
    /// From the hub's own pages.
    Page(axum::body::Body),
    /// From a user server.
    Server(proxy::Body),
}

/// Why an answer broke off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// A page of ours did.
    #[error("making a page")]
    Page(#[source] axum::Error),
    /// A user server's answer did.
    #[error(transparent)]
    Server(proxy::BodyError),
}

impl Body {
    /// Nothing.
    pub fn empty() -> Self {
        Self::Page(axum::body::Body::empty())
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Page(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::Page),
            Self::Server(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::Server),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Page(body) => body.is_end_stream(),
            Self::Server(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Page(body) => body.size_hint(),
            Self::Server(body) => body.size_hint(),
        }
    }
}
