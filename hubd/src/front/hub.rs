//! The gate and the pages of the real hub.

use axum::body::Body;
use http::{HeaderMap, Response};

use super::{Gate, Pages, Problem, Visitor};
use crate::auth::People;
use crate::listen::Client;
use crate::web;

/// When it makes sense to try again where too much is open.
const RETRY_SECONDS: u64 = 5;

impl Gate for People {
    fn session(&self, headers: &HeaderMap, client: Client) -> Option<Visitor> {
        let session = self.sessions().find(headers, client.https)?;
        Some(Visitor { user: session.user, ended: session.ended })
    }
}

/// Problems in the hub's own design and words.
pub struct HubPages {
    /// The hub's name, shown on every page.
    pub name: String,
}

impl Pages for HubPages {
    fn answer(&self, problem: &Problem<'_>, wants_page: bool) -> Response<Body> {
        let page = match problem {
            Problem::BadRequest(why) => web::Problem::bad_request(why),
            Problem::BadMethod => web::Problem::method_not_allowed(),
            Problem::NoSession => web::Problem::not_logged_in(),
            Problem::ForeignSite => web::Problem::foreign_request(),
            Problem::TooLarge => web::Problem::headers_too_large(),
            Problem::NotFound => web::Problem::not_found(),
            Problem::NotYours => web::Problem::not_yours(),
            Problem::NotRunning { next, .. } => web::Problem::not_running(next),
            Problem::NoAnswer { .. } | Problem::Impostor { .. } => web::Problem::unreachable(),
            Problem::TooMany { .. } => web::Problem::too_many(RETRY_SECONDS),
            Problem::BrokenAnswer { .. } => web::Problem::bad_gateway(),
            Problem::TooSlow { .. } => web::Problem::gateway_timeout(),
        };
        page.answer(&self.name, wants_page)
    }
}
