//! One-time links: whoever has one sets the person's password. Looking at the page uses nothing up.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};

use super::Hub;
use super::csrf::client;
use super::error::Problem;
use super::form::Form;
use super::frame::{Frame, Look, render};
use super::login::{cookies, forget_other, is_unencrypted, replace_session};
use super::outside::Outside;
use super::password::sentence;
use super::spawn::go;
use crate::auth::{PeopleError, Token};
use crate::listen::Client;

#[derive(Template)]
#[template(path = "link.html")]
struct Page<'page> {
    look: Look,
    frame: Frame,
    token: &'page str,
    name: &'page str,
    problem: &'page str,
    unencrypted: bool,
}

/// `GET /hub/link/TOKEN`
pub(super) async fn page(State(hub): State<Arc<Hub>>, Path(token): Path<String>, parts: Parts) -> Result<Response, Problem> {
    let token = Token::parse(&token).ok_or_else(Problem::link_over)?;
    answer(&hub, &token, &parts.headers, client(&parts)?, StatusCode::OK, "").await
}

/// `POST /hub/link/TOKEN`
pub(super) async fn submit(
    State(hub): State<Arc<Hub>>,
    Path(token): Path<String>,
    parts: Parts,
    form: Form,
) -> Result<Response, Problem> {
    let client = client(&parts)?;
    let token = Token::parse(&token).ok_or_else(Problem::link_over)?;
    let problem = if !Outside::of(&parts.headers, client.https).is_some_and(|outside| outside.check(&form)) {
        (
            StatusCode::FORBIDDEN,
            "This page was open for a long time, or your browser keeps no cookies for this site. Try once more.".to_owned(),
        )
    } else if form.text("password") != form.text("repeat") {
        (StatusCode::BAD_REQUEST, "The two passwords differ.".to_owned())
    } else {
        match hub.people.use_link(&token, form.text("password"), client.address).await {
            Ok(begun) => {
                let forget = forget_other(&hub, &parts.headers, client, &begun);
                replace_session(&hub, &parts.headers, client, &begun).await;
                let cookies = cookies(&hub, &parts.headers, client, &begun);
                return Ok((AppendHeaders(forget), cookies, go(&hub, &begun.session, None, true)).into_response());
            }
            Err(PeopleError::WeakPassword(problem)) => (StatusCode::BAD_REQUEST, sentence(problem)),
            Err(error) => return Err(problem_of(error)),
        }
    };
    answer(&hub, &token, &parts.headers, client, problem.0, &problem.1).await
}

async fn answer(
    hub: &Hub,
    token: &Token,
    headers: &HeaderMap,
    client: Client,
    status: StatusCode,
    problem: &str,
) -> Result<Response, Problem> {
    let name = hub.people.look_at_link(token).await.map_err(problem_of)?;
    let (outside, cookie) = Outside::ensure(headers, client.https)?;
    let page = Page {
        look: Look::Narrow,
        frame: Frame::without_visitor(&hub.config.get().hub),
        token: &outside.form_token(),
        name: name.as_str(),
        problem,
        unencrypted: is_unencrypted(headers, client),
    };
    let mut response = render(status, &page)?;
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

fn problem_of(error: PeopleError) -> Problem {
    match error {
        PeopleError::LinkOver | PeopleError::Unknown(_) => Problem::link_over(),
        PeopleError::LinkRevoked => Problem::link_revoked(),
        PeopleError::Blocked => Problem::link_of_blocked(),
        PeopleError::Busy(_) => {
            Problem::unavailable("Very many people are doing this right now. Please try again in a few seconds.")
        }
        error => Problem::internal(&error.into()),
    }
}
