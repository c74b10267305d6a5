//! Errors in the shape that clients of JupyterHub know.

use axum::extract::rejection::PathRejection;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use hub_core::control::tokens::Scope;
use hub_core::control::{Refusal, RefusalKind, Reply};

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    status: StatusCode,
    message: String,
    /// Seconds.
    retry_after: Option<u64>,
}

impl Refused {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), retry_after: None }
    }

    pub(super) fn later(status: StatusCode, message: impl Into<String>, seconds: u64) -> Self {
        Self { retry_after: Some(seconds.max(1)), ..Self::new(status, message) }
    }

    /// No token, or none that works: 403, as JupyterHub says it.
    pub(super) fn no_token() -> Self {
        Self::new(StatusCode::FORBIDDEN, "Missing or invalid credentials.")
    }

    /// The token may do none of `wanted`.
    pub(super) fn no_scope(wanted: &[Scope]) -> Self {
        let names: Vec<&str> = wanted.iter().map(|scope| scope.name()).collect();
        let message = format!("Action is not authorized with current scopes; requires any of [{}]", names.join(", "));
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "No such user, or nothing at this address")
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// What went wrong inside is in the hub's log.
    pub(super) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request of the API failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
    }

    /// What the hub's end of `hubctl` refused, or an answer to something else.
    pub(super) fn of(reply: &Reply) -> Self {
        let Reply::Refused(Refusal { kind, message, .. }) = reply else {
            return Self::internal(&"an answer to something else");
        };
        match kind {
            RefusalKind::NotAllowed => Self::new(StatusCode::FORBIDDEN, message),
            RefusalKind::NotEnrolled => Self::not_found(),
            RefusalKind::Invalid => Self::bad_request(message),
            RefusalKind::Busy => Self::later(StatusCode::TOO_MANY_REQUESTS, message, 10),
            RefusalKind::Failed
            | RefusalKind::NoAccount
            | RefusalKind::NoEnvironment
            | RefusalKind::Rebuilding
            | RefusalKind::Unit => Self::new(StatusCode::INTERNAL_SERVER_ERROR, message),
        }
    }
}

impl From<PathRejection> for Refused {
    fn from(_: PathRejection) -> Self {
        Self::bad_request("The address is not valid UTF-8.")
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "status": self.status.as_u16(), "message": self.message }).to_string();
        let mut response = (self.status, [(CONTENT_TYPE, "application/json")], body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
