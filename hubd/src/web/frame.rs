//! What is around every page: the hub's name, the visitor's name, the way out.

use askama::Template;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use hub_core::config;

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
}

/// Who is looking.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    /// The visitor's name.
    pub(super) name: String,
    /// What forms carry.
    pub(super) token: String,
}

impl Frame {
    /// The frame for nobody in particular.
    pub(super) fn without_visitor(hub: &config::Hub) -> Self {
        Self { hub: hub.name.clone(), base: hub.base().to_owned(), announcement: hub.announcement.clone(), visitor: None }
    }

    /// The frame for somebody who is logged in.
    pub(super) fn for_session(hub: &config::Hub, session: &Session) -> Self {
        let visitor = Visitor { name: session.user.to_string(), token: session.form_token() };
        Self { visitor: Some(visitor), ..Self::without_visitor(hub) }
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
