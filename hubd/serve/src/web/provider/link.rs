//! Linking one's account at a provider while one is logged in here, by whoever knows the password: a session that somebody left
//! open gives nobody a way in for ever.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use http::header::SET_COOKIE;
use http::request::Parts;
use hub_core::config::Provider;
use hub_core::outside::Request;

use super::super::Hub;
use super::super::csrf::{Visitor, same};
use super::super::error::Problem;
use super::super::form::Form;
use super::super::frame::{Frame, Look, render};
use super::super::kept_out::{not_begun, not_linked};
use super::super::password::refused_password;
use super::{ask, find, in_words, link_pam, to_provider};
use crate::auth::{Purpose, Vouched};
use crate::control::named;

#[derive(Template)]
#[template(path = "link_login.html")]
struct Page<'page> {
    look: Look,
    frame: Frame,
    title: &'page str,
    address: &'page str,
}

/// `POST /hub/login/NAME`: whoever is logged in links their account there. The way there is a link on the answer: browsers let no
/// form lead away.
pub(in super::super) async fn submit(
    State(hub): State<Arc<Hub>>,
    visitor: Visitor,
    Path(name): Path<String>,
    parts: Parts,
    form: Form,
) -> Result<Response, Problem> {
    visitor.check(&form)?;
    let config = hub.config.get();
    let by_pam = config.login.pam.as_ref().filter(|pam| pam.login.as_str() == name);
    let by_provider = if by_pam.is_none() { Some(find(&config, &name)?) } else { None };
    let (user, client) = (&visitor.session.user, visitor.client);
    let origin = hub.people.origin(client.address, &parts.headers, client.https, user.as_str());
    if let Err(error) = hub.people.knows_password(user, form.text("current"), origin).await {
        return refused_password(&hub, &visitor, &parts, error).await;
    }
    if let Some(pam) = by_pam {
        return link_pam::link(&hub, &visitor, pam, &parts, &form).await;
    }
    let Some((login, provider)) = by_provider else { return Err(Problem::not_found()) };
    let purpose = Purpose::Link { session: visitor.session.page_key() };
    let (address, cookie) = to_provider(&hub, (&login, provider), purpose, "", &parts).await?;
    let frame = Frame::for_session(&config.hub, &visitor.session);
    let page = Page { look: Look::Narrow, frame, title: &provider.title, address: &address };
    let mut response = render(StatusCode::OK, &page)?;
    response.headers_mut().extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}

/// Back from there.
pub(super) async fn finish(
    hub: &Hub,
    visitor: Option<Visitor>,
    (session, provider): (&str, &Provider),
    finish: Request,
) -> Result<Response, Problem> {
    let visitor = visitor.filter(|visitor| same(&visitor.session.page_key(), session)).ok_or_else(not_begun)?;
    let claims = ask::person(hub, provider, &finish).await.map_err(|trouble| in_words(provider, trouble.kind))?;
    let reserved = named(&hub.config.get());
    match hub.people.link_login(Vouched::by_provider(provider, &claims, &reserved), &visitor.session).await {
        Ok(()) => Ok(Redirect::to("/hub/password?after=link").into_response()),
        Err(why) => {
            tracing::info!(user = %visitor.session.user, "no account of {} was linked: {why}", provider.title);
            Err(not_linked(&provider.title, why))
        }
    }
}
