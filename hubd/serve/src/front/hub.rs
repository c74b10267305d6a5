//! The gate and the pages of the real hub.

use axum::body::Body;
use http::{HeaderMap, Response};
use hub_core::config::Config;

use super::{Gate, Pages, Visitor};
use crate::auth::{Consents, People};
use crate::listen::Client;
use crate::live::Live;
use crate::servers::View;
use crate::web::{self, Problem};

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
    fn answer(&self, problem: &Problem, visitor: Option<&Visitor>, wants_page: bool) -> Response<Body> {
        let who = |visitor: &Visitor| web::Visitor { name: visitor.user.to_string(), token: visitor.form_token.clone() };
        problem.answer(&self.config.get().hub, visitor.map(who), wants_page)
    }

    fn news(&self, server: &View) -> u64 {
        web::news_number(&self.config.get().hub, server)
    }
}
