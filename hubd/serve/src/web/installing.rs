//! While the hub is being installed: how far that is, at the address where the first administrator's one-time link will
//! be, so that whoever keeps the page open ends on the page on which to choose a password.

use std::fs::File;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderName, HeaderValue, StatusCode};
use hub_core::config;
use hub_core::installing::{self, News};
use hub_core::token::{Token, TokenHash};

use super::assets;
use super::error::{Problem, wants_html};
use super::frame::{Frame, Look, render};
use super::security_headers::harden;

/// By this header the page's script tells it from a page of the hub.
const MARK: HeaderName = HeaderName::from_static("hubd-installing");

/// What the page shows, and to whom.
#[derive(Debug)]
pub struct Installing {
    /// The hub's name.
    pub hub: config::Hub,
    /// The installer's news.
    pub news: File,
    /// Of the secret in the address.
    pub link: TokenHash,
    /// Whether the first administrator chooses a password at that address, and has none yet.
    pub claims: bool,
}

#[derive(Template)]
#[template(path = "installing.html")]
struct Page<'page> {
    look: Look,
    frame: Frame,
    news: &'page News,
    /// What is being done, without the quotes of a terminal.
    title: String,
    problem: Option<&'page str>,
    claims: bool,
    /// Answers well as soon as `next` can be opened.
    ready: &'page str,
    next: &'page str,
}

/// The page at `/hub/link/TOKEN`; nothing else is there yet.
pub fn installing_router(installing: Installing) -> Router {
    let installing = Arc::new(installing);
    Router::new()
        .route("/hub/link/{token}", get(page))
        .route("/hub/static/{version}/{name}", get(assets::file))
        .fallback(async || Problem::unavailable("The hub is being installed. It is here in a minute or two."))
        .layer(from_fn_with_state(Arc::clone(&installing), around))
        .with_state(installing)
}

async fn page(State(installing): State<Arc<Installing>>, Path(token): Path<String>) -> Result<Response, Problem> {
    let token = Token::parse(&token).filter(|token| token.hash() == installing.link).ok_or_else(Problem::not_found)?;
    let (news, lives) = installing::read(&installing.news).map_err(|error| Problem::internal(&error.into()))?;
    let killed = (!lives).then_some("The installer was ended from outside.");
    let own = format!("/hub/link/{}", token.as_str());
    let (ready, next) = if installing.claims { (&*own, &*own) } else { ("/hub/health", "/hub/login") };
    let page = Page {
        look: Look::Narrow,
        frame: Frame::without_visitor(&installing.hub),
        news: &news,
        title: news.title.replace('`', ""),
        problem: news.problem.as_deref().or(killed),
        claims: installing.claims,
        ready,
        next,
    };
    render(StatusCode::OK, &page)
}

async fn around(State(installing): State<Arc<Installing>>, request: Request, next: Next) -> Response {
    let html = wants_html(request.headers());
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = problem.answer(&installing.hub, None, html);
    }
    let headers = response.headers_mut();
    harden(headers);
    headers.insert(MARK, HeaderValue::from_static("yes"));
    response
}
