//! Changing one's own password.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::RETRY_AFTER;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use hub_core::accounts::Username;
use hub_core::config::{LoginName, Pam};
use hub_core::password::PasswordProblem;

use super::Hub;
use super::csrf::Visitor;
use super::error::Problem;
use super::form::Form;
use super::frame::{Frame, Look, render};
use super::kept_out::unexpected;
use super::login::{cookies, is_unencrypted};
use super::state::seconds_in_words;
use crate::auth::{LoginError, PeopleError};

#[derive(Template)]
#[template(path = "password.html")]
struct Page<'page> {
    look: Look,
    frame: Frame,
    name: &'page str,
    token: &'page str,
    problem: &'page str,
    unencrypted: bool,
    notice: &'page str,
    /// Whether there is a password to change.
    has_password: bool,
    /// Logins elsewhere.
    logins: Vec<Elsewhere>,
}

/// A login elsewhere, as this page shows it.
struct Elsewhere {
    name: String,
    title: String,
    is_linked: bool,
    /// Whether it is with name and password, by PAM.
    by_pam: bool,
}

/// `GET /hub/password`
pub(super) async fn page(State(hub): State<Arc<Hub>>, visitor: Visitor, parts: Parts) -> Result<Response, Problem> {
    answer(&hub, &visitor, &parts, StatusCode::OK, "").await
}

/// `POST /hub/password`
pub(super) async fn submit(State(hub): State<Arc<Hub>>, visitor: Visitor, parts: Parts, form: Form) -> Result<Response, Problem> {
    visitor.check(&form)?;
    if form.text("password") != form.text("repeat") {
        return answer(&hub, &visitor, &parts, StatusCode::BAD_REQUEST, "The two new passwords differ.").await;
    }
    let (current, new) = (form.text("current"), form.text("password"));
    let (user, client) = (&visitor.session.user, visitor.client);
    let origin = hub.people.origin(client.address, &parts.headers, client.https, user.as_str());
    match hub.people.change_password(user, current, new, origin).await {
        Ok(begun) => {
            tracing::info!(user = %begun.session.user, "password changed");
            Ok((cookies(&hub, &parts.headers, visitor.client, &begun), Redirect::to("/hub/home?after=password")).into_response())
        }
        Err(error) => refused_password(&hub, &visitor, &parts, error).await,
    }
}

/// The page again, with why a password was not taken.
pub(super) async fn refused_password(
    hub: &Hub,
    visitor: &Visitor,
    parts: &Parts,
    error: LoginError,
) -> Result<Response, Problem> {
    match error {
        LoginError::Wrong | LoginError::Malformed(_) | LoginError::Blocked | LoginError::Outranked => {
            answer(hub, visitor, parts, StatusCode::FORBIDDEN, "The current password is not right.").await
        }
        LoginError::WeakPassword(problem) => answer(hub, visitor, parts, StatusCode::BAD_REQUEST, &sentence(problem)).await,
        LoginError::TooMany(wait) => {
            let seconds = wait.as_secs() + 1;
            let problem = format!("Too many wrong passwords. Please wait {} and try again.", seconds_in_words(seconds));
            let mut response = answer(hub, visitor, parts, StatusCode::TOO_MANY_REQUESTS, &problem).await?;
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            Ok(response)
        }
        error => Err(unexpected(error)),
    }
}

/// A password problem as a sentence.
pub(super) fn sentence(problem: PasswordProblem) -> String {
    let text = problem.to_string();
    let mut letters = text.chars();
    letters.next().map(|first| format!("{}{}.", first.to_uppercase(), letters.as_str())).unwrap_or_default()
}

pub(super) async fn answer(
    hub: &Hub,
    visitor: &Visitor,
    parts: &Parts,
    status: StatusCode,
    problem: &str,
) -> Result<Response, Problem> {
    let user = &visitor.session.user;
    let store = |error: PeopleError| Problem::internal(&error.into());
    let has_password = hub.people.find(user).await.map_err(store)?.is_some_and(|person| person.has_password);
    let page = Page {
        notice: if parts.uri.query() == Some("after=link") {
            "Your account is linked. From now on it opens your page."
        } else {
            ""
        },
        has_password,
        logins: logins(hub, user).await?,
        look: Look::Narrow,
        frame: Frame::for_session(&hub.config.get().hub, &visitor.session),
        name: visitor.session.user.as_str(),
        token: &visitor.session.form_token(),
        problem,
        unencrypted: is_unencrypted(&parts.headers, visitor.client),
    };
    render(status, &page)
}

/// Which logins elsewhere there are, and which are linked.
async fn logins(hub: &Hub, user: &Username) -> Result<Vec<Elsewhere>, Problem> {
    let config = hub.config.get();
    if config.login.providers.is_empty() && config.login.pam.is_none() {
        return Ok(Vec::new());
    }
    let linked = hub.people.links_of(user).await.map_err(|error| Problem::internal(&error.into()))?;
    let shown = |name: &LoginName, title: &str, issuer: &str| Elsewhere {
        name: name.to_string(),
        title: title.to_owned(),
        is_linked: linked.iter().any(|link| link.issuer == issuer),
        by_pam: issuer == Pam::ISSUER,
    };
    let by_provider = config.login.providers.iter().map(|(name, provider)| shown(name, &provider.title, &provider.issuer));
    let by_pam = config.login.pam.iter().map(|pam| shown(&pam.login, &pam.title, Pam::ISSUER));
    Ok(by_provider.chain(by_pam).collect())
}
