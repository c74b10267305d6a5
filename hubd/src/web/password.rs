//! Changing one's own password.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::RETRY_AFTER;
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use super::Hub;
use super::error::Problem;
use super::form::Form;
use super::frame::{Frame, Look, render};
use super::guard::Visitor;
use super::login::{cookies, is_unencrypted, unexpected};
use super::state::seconds_in_words;
use crate::auth::{LoginError, PasswordProblem};

#[derive(Template)]
#[template(path = "password.html")]
struct Page<'page> {
    look: Look,
    frame: Frame,
    name: &'page str,
    token: &'page str,
    problem: &'page str,
    unencrypted: bool,
}

/// `GET /hub/password`
pub(super) async fn page(State(hub): State<Arc<Hub>>, visitor: Visitor, parts: Parts) -> Result<Response, Problem> {
    answer(&hub, &visitor, &parts, StatusCode::OK, "")
}

/// `POST /hub/password`
pub(super) async fn submit(State(hub): State<Arc<Hub>>, visitor: Visitor, parts: Parts, form: Form) -> Result<Response, Problem> {
    visitor.check(&form)?;
    if form.text("password") != form.text("repeat") {
        return answer(&hub, &visitor, &parts, StatusCode::BAD_REQUEST, "The two new passwords differ.");
    }
    let (current, new) = (form.text("current"), form.text("password"));
    let (user, client) = (&visitor.session.user, visitor.client);
    let origin = hub.people.origin(client.address, &parts.headers, client.https, user.as_str());
    match hub.people.change_password(user, current, new, origin).await {
        Ok(begun) => {
            tracing::info!(user = %begun.session.user, "password changed");
            Ok((cookies(&hub, &parts.headers, visitor.client, &begun), Redirect::to("/hub/home?after=password")).into_response())
        }
        Err(LoginError::Wrong | LoginError::Malformed(_) | LoginError::Blocked | LoginError::Outranked) => {
            answer(&hub, &visitor, &parts, StatusCode::FORBIDDEN, "The current password is not right.")
        }
        Err(LoginError::WeakPassword(problem)) => answer(&hub, &visitor, &parts, StatusCode::BAD_REQUEST, &sentence(problem)),
        Err(LoginError::TooMany(wait)) => {
            let seconds = wait.as_secs() + 1;
            let problem = format!("Too many wrong passwords. Please wait {} and try again.", seconds_in_words(seconds));
            let mut response = answer(&hub, &visitor, &parts, StatusCode::TOO_MANY_REQUESTS, &problem)?;
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            Ok(response)
        }
        Err(error) => Err(unexpected(error)),
    }
}

/// A password problem as a sentence.
pub(super) fn sentence(problem: PasswordProblem) -> String {
    let text = problem.to_string();
    let mut letters = text.chars();
    letters.next().map(|first| format!("{}{}.", first.to_uppercase(), letters.as_str())).unwrap_or_default()
}

fn answer(hub: &Hub, visitor: &Visitor, parts: &Parts, status: StatusCode, problem: &str) -> Result<Response, Problem> {
    let page = Page {
        look: Look::Narrow,
        frame: Frame::for_session(&hub.config.get().hub, &visitor.session),
        name: visitor.session.user.as_str(),
        token: &visitor.session.form_token(),
        problem,
        unencrypted: is_unencrypted(&parts.headers, visitor.client),
    };
    render(status, &page)
}
