//! What can be wrong with a request for a user server, and the answers that programs get. People get pages, which come
//! from elsewhere.

use axum::body::Body;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use hub_core::accounts::Username;

use crate::servers::View;

/// Why a request is not forwarded, or was in vain.
#[derive(Debug)]
pub enum Problem<'a> {
    /// No HTTP that we accept.
    BadRequest(&'static str),
    /// A method that nobody here answers.
    BadMethod,
    /// Nobody is logged in, and the request is not one that can be sent to the login page.
    NoSession,
    /// Another site is behind the request.
    ForeignSite,
    /// No such page, or one that is none of this person's business.
    NotFound,
    /// The server is not running. `next` is where the person wanted to go: path and query as they came.
    NotRunning {
        /// Whose.
        user: &'a Username,
        /// How it is.
        view: &'a View,
        /// For a link back.
        next: &'a str,
    },
    /// The server should be running, but nobody answers at its socket.
    NoAnswer {
        /// Whose.
        user: &'a Username,
    },
    /// Somebody else answers at the server's socket.
    Impostor {
        /// Whose.
        user: &'a Username,
    },
    /// The server answered with something that cannot be passed on, or broke off.
    BrokenAnswer {
        /// Whose.
        user: &'a Username,
    },
    /// The server took too long to begin its answer.
    TooSlow {
        /// Whose.
        user: &'a Username,
    },
}

impl Problem<'_> {
    /// The status that goes with it. JupyterLab offers to restart a server when it sees 424 or 503.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::BadMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoSession | Self::ForeignSite => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NotRunning { .. } => StatusCode::FAILED_DEPENDENCY,
            Self::NoAnswer { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Impostor { .. } | Self::BrokenAnswer { .. } => StatusCode::BAD_GATEWAY,
            Self::TooSlow { .. } => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// One or two sentences for people, which say whose side it is on.
    pub fn message(&self) -> String {
        match self {
            Self::BadRequest(why) => format!("The hub does not take this request: {why}."),
            Self::BadMethod => "The hub does not take requests of this kind.".to_owned(),
            Self::NoSession => "Nobody is logged in here. Log in at /hub/login.".to_owned(),
            Self::ForeignSite => "This request came from another site, and the hub does not take those.".to_owned(),
            Self::NotFound => "There is no such page.".to_owned(),
            Self::NotRunning { user, .. } => {
                format!("The server of {user} is not running. Start it at /hub/home.")
            }
            Self::NoAnswer { user } => {
                format!("The hub is fine, but the server of {user} does not answer. Restart it at /hub/home.")
            }
            Self::Impostor { user } => format!(
                "The hub is fine, but what listens in place of the server of {user} is not that server. \
                 Restart it at /hub/home."
            ),
            Self::BrokenAnswer { user } => {
                format!("The hub is fine, but the server of {user} broke off before it had answered.")
            }
            Self::TooSlow { user } => {
                format!("The hub is fine, but the server of {user} took too long to begin its answer.")
            }
        }
    }

    /// The answer for programs.
    pub(super) fn json(&self) -> Response<Body> {
        let text = serde_json::json!({ "status": self.status().as_u16(), "message": self.message() }).to_string();
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if matches!(self, Self::BadRequest(_) | Self::BadMethod) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
