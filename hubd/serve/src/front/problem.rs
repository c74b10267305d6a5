//! What can be wrong with a request before it reaches a page or a server, or on its way back.

use http::StatusCode;
use hub_core::accounts::Username;

use crate::web;

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
    /// The request does not come from a page that this session was given.
    NoKey,
    /// A link, or a page that was not agreed to, leads to what is for programs.
    NotByLink,
    /// A page of a server that would be shown inside another page.
    Framed,
    /// A service worker would outlive the session of the person whose page asks for it.
    ServiceWorker,
    /// More headers than a server takes; mostly cookies.
    TooLarge,
    /// No such page.
    NotFound,
    /// Somebody else's server, whether there is one or not.
    NotYours,
    /// The server is not running. `next` is where the person wanted to go: path and query as they came.
    NotRunning {
        /// Whose.
        user: &'a Username,
        /// For a link back.
        next: &'a str,
    },
    /// The server should be running, but nobody answers at its socket.
    NoAnswer {
        /// Whose.
        user: &'a Username,
    },
    /// This person has too much open to the server already.
    TooMany {
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
            Self::NoSession | Self::ForeignSite | Self::NoKey | Self::NotByLink | Self::Framed | Self::ServiceWorker => {
                StatusCode::FORBIDDEN
            }
            Self::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::NotFound | Self::NotYours => StatusCode::NOT_FOUND,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::NotRunning { .. } => StatusCode::FAILED_DEPENDENCY,
            Self::NoAnswer { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Impostor { .. } | Self::BrokenAnswer { .. } => StatusCode::BAD_GATEWAY,
            Self::TooSlow { .. } => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// What our script in pages of servers knows it by; those wait then, and say why.
    pub(super) fn word(&self) -> Option<&'static str> {
        match self {
            Self::NoSession => Some(web::LOGGED_OUT),
            Self::NotYours => Some(web::SOMEBODY_ELSE),
            Self::NoKey => Some(web::STALE_PAGE),
            Self::NotRunning { .. } | Self::NoAnswer { .. } => Some("stopped"),
            _ => None,
        }
    }
}
