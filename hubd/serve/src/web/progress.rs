//! How the start of one's own server goes, until it runs or it is clear why not.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;

use super::Hub;
use super::csrf::Visitor;
use super::error::Problem;
use super::form::Form;
use super::frame::{Frame, Look, render};
use super::next::Next;
use super::spawn::target;
use super::state;

#[derive(Template)]
#[template(path = "progress.html")]
struct Page<'page> {
    look: Look,
    frame: Frame,
    token: &'page str,
    state: state::State,
    next: &'page str,
}

/// `GET /hub/progress?next=PATH`
pub(super) async fn page(State(hub): State<Arc<Hub>>, visitor: Visitor, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let query = Form::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let next = target(&hub, &visitor.session, Next::parse(query.text("next"), hub.config.get().hub.base()).as_ref());
    let state = state::State::of(&hub.servers.watch(&visitor.session.user).borrow());
    if state.phase == "running" {
        return Ok(Redirect::to(&next).into_response());
    }
    let page = Page {
        look: Look::Narrow,
        frame: Frame::for_session(&hub.config.get().hub, &visitor.session),
        token: &visitor.session.form_token(),
        state,
        next: &next,
    };
    render(StatusCode::OK, &page)
}
