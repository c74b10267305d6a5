//! Linking one's account of the machine while one is logged in here, with both passwords: whoever has a role, or a password of the hub,
//! logs in by PAM from then on.

use axum::response::{IntoResponse, Redirect, Response};
use http::request::Parts;
use hub_core::config::Pam;

use super::super::Hub;
use super::super::csrf::Visitor;
use super::super::error::Problem;
use super::super::form::Form;
use super::super::kept_out::not_linked;
use super::super::pam::{NotLoggedIn, Typed, account, claims};
use super::super::password;
use crate::auth::Vouched;
use crate::control::named;

/// Links it. The hub's own password was asked for already, and is right.
pub(super) async fn link(hub: &Hub, visitor: &Visitor, pam: &Pam, parts: &Parts, form: &Form) -> Result<Response, Problem> {
    let (client, name) = (visitor.client, form.name("account"));
    let origin = hub.people.origin(client.address, &parts.headers, client.https, &name);
    let typed = Typed { name: &name, password: form.text("password"), origin, source: client.address };
    let claims = match account(hub, pam, typed).await {
        Ok(account) => claims(account),
        Err(NotLoggedIn::Again { status, problem, .. }) => return password::answer(hub, visitor, parts, status, &problem).await,
        Err(NotLoggedIn::Page(problem)) => return Err(problem),
    };
    let reserved = named(&hub.config.get());
    match hub.people.link_login(Vouched::by_pam(pam, &claims, &reserved), &visitor.session).await {
        Ok(()) => Ok(Redirect::to("/hub/password?after=link").into_response()),
        Err(why) => {
            tracing::info!(user = %visitor.session.user, "no account of {} was linked: {why}", pam.title);
            Err(not_linked(&pam.title, why))
        }
    }
}
