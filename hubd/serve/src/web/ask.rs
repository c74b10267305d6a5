//! The question before something is done on a person's server because of a link: another site may have written it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;

use super::Hub;
use super::csrf::Visitor;
use super::error::Problem;
use super::followed::{below, followed, what};
use super::form::Form;
use super::frame::{Confirm, Frame, Look, render};
use super::next::Next;
use super::spawn::{start, target};
use crate::below::{self, Followed, Kind, Pull};

#[derive(Template)]
#[template(path = "pull.html")]
struct Page<'page> {
    look: Look,
    frame: Frame,
    token: &'page str,
    next: &'page str,
    pull: &'page Pull,
}

/// What is asked about.
enum Question {
    Pull(Pull),
    /// A program of the person's server, by its path there.
    Open(String),
}

/// `GET /hub/ask?next=PATH`
pub(super) async fn page(State(hub): State<Arc<Hub>>, visitor: Visitor, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let query = Form::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let Some((next, question)) = question(&hub, &visitor, query.text("next"))? else { return Ok(elsewhere(&hub, &visitor)) };
    let frame = Frame::for_session(&hub.config.get().hub, &visitor.session);
    match question {
        Question::Pull(pull) => {
            let token = &visitor.session.form_token();
            render(StatusCode::OK, &Page { look: Look::Narrow, frame, token, next: next.as_str(), pull: &pull })
        }
        Question::Open(path) => {
            let message =
                format!("A link leads to \u{201c}{path}\u{201d} on your server. What happens there is up to that program.");
            let confirm = Confirm {
                look: Look::Narrow,
                frame,
                title: "Open this program?",
                message: &message,
                action: "/hub/ask",
                label: "Open it",
                next: next.as_str(),
            };
            render(StatusCode::OK, &confirm)
        }
    }
}

/// `POST /hub/ask`: yes, to just that and once.
pub(super) async fn submit(State(hub): State<Arc<Hub>>, visitor: Visitor, form: Form) -> Result<Response, Problem> {
    visitor.check(&form)?;
    let Some((next, question)) = question(&hub, &visitor, form.text("next"))? else { return Ok(elsewhere(&hub, &visitor)) };
    let user = &visitor.session.user;
    if let Question::Pull(pull) = question {
        tracing::info!(%user, repository = pull.repository, folder = pull.folder, "agrees to a copy");
    }
    hub.people.consents().give(&visitor.session.page_key(), what(next.as_str()));
    Ok(start(&hub, user, next.as_str()))
}

/// What there is to ask about `next`; `None`: nothing.
fn question(hub: &Hub, visitor: &Visitor, next: &str) -> Result<Option<(Next, Question)>, Problem> {
    let user = &visitor.session.user;
    let Some(next) = Next::parse(next, hub.config.get().hub.base()) else { return Ok(None) };
    if followed(user, next.as_str()) != Some(Followed::Asked) {
        return Ok(None);
    }
    let path = below(user, next.path()).unwrap_or_default().to_owned();
    if below::kind(&path) != Kind::Pull {
        return Ok(Some((next, Question::Open(path))));
    }
    let query = what(next.as_str()).split_once('?').map_or("", |(_, query)| query);
    let pull = Pull::read(query).map_err(Problem::bad_link)?;
    Ok(Some((next, Question::Pull(pull))))
}

fn elsewhere(hub: &Hub, visitor: &Visitor) -> Response {
    Redirect::to(&target(hub, &visitor.session, None)).into_response()
}
