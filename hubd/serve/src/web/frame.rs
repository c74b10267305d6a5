//! What is around every page: the hub's name, the visitor's name, the way out.

use askama::Template;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use hub_core::config::{self, Role};

use super::assets;
use super::error::Problem;
use crate::auth::Session;

/// How wide a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// A form or a message.
    Narrow,
    /// More to show.
    Wide,
    /// A table.
    Full,
}

impl Look {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Narrow => "narrow",
            Self::Wide => "wide",
            Self::Full => "full",
        }
    }
}

/// What is around a page.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// The hub's name.
    pub(super) hub: String,
    /// The path below which the hub is; empty: none.
    pub(super) base: String,
    /// What the administrator has to say to everybody.
    pub(super) announcement: Option<String>,
    /// Who is looking.
    pub(super) visitor: Option<Visitor>,
    /// The pages that are open to somebody who looks after others.
    pub(super) ways: Vec<Way>,
}

/// A page that every page leads to.
#[derive(Debug, Clone)]
pub(super) struct Way {
    /// Below the hub's path.
    pub(super) href: &'static str,
    pub(super) label: &'static str,
    /// Whether it is this page, or one below it.
    pub(super) is_here: bool,
}

/// Who is looking.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// Their name.
    pub name: String,
    /// What forms of their session carry.
    pub token: String,
}

impl Visitor {
    /// Whose session it is.
    pub(super) fn of(session: &Session) -> Self {
        Self { name: session.user.to_string(), token: session.form_token() }
    }
}

impl Frame {
    /// The frame for nobody in particular.
    pub(super) fn without_visitor(hub: &config::Hub) -> Self {
        Self {
            hub: hub.name.clone(),
            base: hub.base().to_owned(),
            announcement: hub.announcement.clone(),
            visitor: None,
            ways: Vec::new(),
        }
    }

    /// The frame for somebody who is logged in.
    pub(super) fn for_session(hub: &config::Hub, session: &Session) -> Self {
        Self { visitor: Some(Visitor::of(session)), ..Self::without_visitor(hub) }
    }

    /// The same with the pages that are open to somebody with `role`, who is at `path`; students have one only, and no list.
    pub(super) fn with_ways(self, role: Role, path: &str) -> Self {
        let ways = [
            ("/hub/home", "My page", Role::Helper),
            ("/hub/people", "People", Role::Helper),
            ("/hub/usage", "Usage", Role::Teacher),
            ("/hub/packages", "Packages", Role::Admin),
            ("/hub/settings", if role == Role::Admin { "Settings" } else { "Announcement" }, Role::Teacher),
        ];
        let open = ways.into_iter().filter(|(.., least)| role >= *least);
        let is_here = |href: &str| path.strip_prefix(href).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        Self { ways: open.map(|(href, label, _)| Way { href, label, is_here: is_here(href) }).collect(), ..self }
    }

    /// Where the style sheet and the script are.
    pub(super) fn assets(&self) -> String {
        format!("{}{}", self.base, assets::base())
    }
}

/// A question with one button.
#[derive(Template)]
#[template(path = "confirm.html")]
pub(super) struct Confirm<'page> {
    pub(super) look: Look,
    pub(super) frame: Frame,
    pub(super) title: &'page str,
    pub(super) message: &'page str,
    /// Where the button leads.
    pub(super) action: &'page str,
    /// What is on it.
    pub(super) label: &'page str,
    /// Where to go afterwards; empty: the action knows.
    pub(super) next: &'page str,
}

/// The page as an answer.
///
/// # Errors
/// When the template can't be filled in.
pub(super) fn render(status: StatusCode, template: &impl Template) -> Result<Response, Problem> {
    let page = template.render().map_err(|error| Problem::internal(&error.into()))?;
    let mut response = Response::new(page.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    Ok(response)
}
