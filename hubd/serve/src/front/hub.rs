//! The gate and the pages of the real hub.

use axum::body::Body;
use http::{HeaderMap, Response};
use hub_core::config::Config;

use super::{Gate, Pages, Problem, Visitor};
use crate::auth::{Consents, People};
use crate::listen::Client;
use crate::live::Live;
use crate::servers::View;
use crate::web;

/// When it makes sense to try again where too much is open.
const RETRY_SECONDS: u64 = 5;

impl Gate for People {
    fn session(&self, headers: &HeaderMap, client: Client) -> Option<Visitor> {
        let session = self.sessions().find(headers, client.https)?;
        let (key, form_token) = (session.page_key(), session.form_token());
        Some(Visitor { user: session.user, ended: session.ended, key, form_token })
    }

    fn consents(&self) -> &Consents {
        People::consents(self)
    }
}

/// Problems in the hub's own design and words.
pub struct HubPages {
    /// Has the hub's name and announcement, which are shown on every page.
    pub config: Live<Config>,
}

impl Pages for HubPages {
    fn answer(&self, problem: &Problem<'_>, visitor: Option<&Visitor>, wants_page: bool) -> Response<Body> {
        let page = match problem {
            Problem::BadRequest(why) => web::Problem::bad_request(why),
            Problem::BadMethod => web::Problem::method_not_allowed(),
            Problem::NoSession => web::Problem::not_logged_in(),
            Problem::ForeignSite => web::Problem::foreign_request(),
            Problem::NoKey => web::Problem::no_key(),
            Problem::NotByLink => web::Problem::not_by_link(),
            Problem::Framed => web::Problem::framed(),
            Problem::ServiceWorker => web::Problem::service_worker(),
            Problem::TooLarge => web::Problem::headers_too_large(),
            Problem::NotFound => web::Problem::not_found(),
            Problem::NotYours => web::Problem::not_yours(),
            Problem::NotRunning { next, .. } => web::Problem::not_running(next),
            Problem::NoAnswer { .. } => web::Problem::unreachable(),
            Problem::Impostor { .. } => web::Problem::impostor(),
            Problem::TooMany { .. } => web::Problem::too_many(RETRY_SECONDS),
            Problem::BrokenAnswer { .. } => web::Problem::bad_gateway(),
            Problem::TooSlow { .. } => web::Problem::gateway_timeout(),
        };
        let who = |visitor: &Visitor| web::Visitor { name: visitor.user.to_string(), token: visitor.form_token.clone() };
        page.answer(&self.config.get().hub, visitor.map(who), wants_page)
    }

    fn news(&self, server: &View) -> u64 {
        web::news_number(&self.config.get().hub, server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_the_status_of_their_problem() {
        let user = &"ada".parse().unwrap();
        let pages = HubPages { config: Live::new(hub_core::config::parse("", "test").unwrap()) };
        for problem in [
            Problem::BadRequest("it has no host"),
            Problem::BadMethod,
            Problem::NoSession,
            Problem::ForeignSite,
            Problem::NoKey,
            Problem::NotByLink,
            Problem::Framed,
            Problem::ServiceWorker,
            Problem::TooLarge,
            Problem::NotFound,
            Problem::NotYours,
            Problem::NotRunning { user, next: "/user/ada/lab" },
            Problem::NoAnswer { user },
            Problem::TooMany { user },
            Problem::Impostor { user },
            Problem::BrokenAnswer { user },
            Problem::TooSlow { user },
        ] {
            for wants_page in [true, false] {
                assert_eq!(pages.answer(&problem, None, wants_page).status(), problem.status(), "{problem:?}");
            }
        }
    }
}
