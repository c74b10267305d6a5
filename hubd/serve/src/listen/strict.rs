//! What encrypted answers carry where the administrator wants it: use nothing but https here from now on.

use std::sync::Arc;

use http::Request;
use http::header::{HeaderValue, STRICT_TRANSPORT_SECURITY};
use hyper::body::Incoming;

use super::{Answer, Client, Handler};

/// Half a year. Not for other hosts of the same domain, which are not ours, and not for browsers' built-in lists.
const HALF_A_YEAR: HeaderValue = HeaderValue::from_static("max-age=15552000");

/// The hub's pages, encrypted.
pub(super) struct Strict<H> {
    /// Whether to say it.
    pub hsts: bool,
    /// The pages.
    pub pages: Arc<H>,
}

impl<H: Handler> Handler for Strict<H> {
    type Body = H::Body;

    async fn handle(&self, request: Request<Incoming>, client: Client) -> Answer<H::Body> {
        let mut answer = self.pages.handle(request, client).await;
        if self.hsts {
            answer.response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HALF_A_YEAR);
        }
        answer
    }
}
