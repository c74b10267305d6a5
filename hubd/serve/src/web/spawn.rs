//! Getting people to their servers: starting what does not run, on the way to where they wanted to go.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderValue, StatusCode, Uri};
use hub_core::accounts::Username;
use hub_core::control::ServerPhase;

use super::Hub;
use super::csrf::{Origin, Visitor};
use super::error::Problem;
use super::followed::{followed, what};
use super::form::Form;
use super::frame::{Confirm, Frame, Look, render};
use super::next::{Next, ask_location, login_location, progress_location};
use crate::auth::Session;
use crate::below::Followed;

/// Links of other sites that mean "on whoever's server opens this".
const USER_REDIRECT: &str = "/hub/user-redirect/";

/// `GET /hub/spawn?next=PATH`: JupyterLab's Restart comes here.
pub(super) async fn page(State(hub): State<Arc<Hub>>, visitor: Visitor, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let query = Form::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let next = Next::parse(query.text("next"), hub.config.get().hub.base());
    let target = target(&hub, &visitor.session, next.as_ref());
    if is_running(&hub, &visitor.session.user) || visitor.origin != Origin::Foreign {
        return Ok(start(&hub, &visitor.session.user, &target));
    }
    let confirm = Confirm {
        look: Look::Narrow,
        frame: Frame::for_session(&hub.config.get().hub, &visitor.session),
        title: "Your server is not running",
        message: "Starting it takes a few seconds. You then get to where you were going.",
        action: "/hub/spawn",
        label: "Start my server",
        next: &target,
    };
    render(StatusCode::OK, &confirm)
}

/// `POST /hub/spawn`
pub(super) async fn submit(State(hub): State<Arc<Hub>>, visitor: Visitor, form: Form) -> Result<Response, Problem> {
    visitor.check(&form)?;
    let target = target(&hub, &visitor.session, Next::parse(form.text("next"), hub.config.get().hub.base()).as_ref());
    Ok(start(&hub, &visitor.session.user, &target))
}

/// `GET /hub/spawn/NAME`
pub(super) async fn named(
    state: State<Arc<Hub>>,
    visitor: Visitor,
    Path(name): Path<String>,
    query: RawQuery,
) -> Result<Response, Problem> {
    if name == visitor.session.user.as_str() { page(state, visitor, query).await } else { Err(Problem::not_yours()) }
}

/// `POST /hub/stop`
pub(super) async fn stop(State(hub): State<Arc<Hub>>, visitor: Visitor, form: Form) -> Result<Response, Problem> {
    visitor.check(&form)?;
    tracing::info!(user = %visitor.session.user, "stops the own server");
    hub.servers.stop(&visitor.session.user);
    Ok(Redirect::to("/hub/home").into_response())
}

/// `POST /hub/keep`: as if it had been used.
pub(super) async fn keep(State(hub): State<Arc<Hub>>, visitor: Visitor, form: Form) -> Result<Response, Problem> {
    visitor.check(&form)?;
    hub.servers.touch(&visitor.session.user);
    Ok(Redirect::to("/hub/home").into_response())
}

/// `POST /hub/restart`: with the packages that are there now; with `plain`, without one's own packages and settings.
pub(super) async fn restart(State(hub): State<Arc<Hub>>, visitor: Visitor, form: Form) -> Result<Response, Problem> {
    visitor.check(&form)?;
    let user = &visitor.session.user;
    let is_plain = !form.text("plain").is_empty();
    let how = if is_plain { ", without own packages and settings" } else { "" };
    tracing::info!(%user, "restarts the own server{how}");
    hub.servers.restart(user, is_plain);
    let next = Next::parse(form.text("next"), hub.config.get().hub.base());
    Ok(found(&progress_location(&target(&hub, &visitor.session, next.as_ref()))))
}

/// `GET /hub/user-redirect/PATH?QUERY`: the same place on the visitor's own server, byte for byte.
pub(super) async fn user_redirect(State(hub): State<Arc<Hub>>, visitor: Option<Visitor>, uri: Uri) -> Result<Response, Problem> {
    let wanted = uri.path_and_query().map_or(USER_REDIRECT, |path| path.as_str());
    let next = Next::parse(wanted, hub.config.get().hub.base()).ok_or_else(Problem::address_too_long)?;
    match visitor {
        Some(visitor) => Ok(go(&hub, &visitor.session, Some(&next), visitor.origin != Origin::Foreign)),
        None => Ok(found(&login_location(next.as_str()))),
    }
}

/// Sends somebody who is logged in to where they were going. `may_start`: whether it is sure that they want to, so that
/// their server may be started for it.
pub(super) fn go(hub: &Hub, session: &Session, next: Option<&Next>, may_start: bool) -> Response {
    let target = target(hub, session, next);
    let is_own = target.starts_with(&format!("/user/{}/", session.user));
    match is_own {
        true if may_start => start(hub, &session.user, &target),
        true if !is_running(hub, &session.user) => found(&super::next::spawn_location(&target)),
        _ => found(&target),
    }
}

/// Where `next` leads for this person: without one to their own server. What may do something there is asked about first,
/// since nobody knows who wrote `next`.
pub(super) fn target(hub: &Hub, session: &Session, next: Option<&Next>) -> String {
    let target = plain_target(hub, &session.user, next);
    let is_asked = followed(&session.user, &target) == Some(Followed::Asked);
    match is_asked && !hub.people.consents().has(&session.page_key(), what(&target)) {
        true => ask_location(&target),
        false => target,
    }
}

fn plain_target(hub: &Hub, user: &Username, next: Option<&Next>) -> String {
    let home = format!("/user/{user}{}", hub.config.get().servers.default_app.path());
    let Some(next) = next else { return home };
    let place = match next.after(USER_REDIRECT) {
        Some(rest) => format!("/user/{user}/{rest}"),
        None => next.as_str().to_owned(),
    };
    match next.path() {
        // These lead in circles, or nowhere.
        "/" | "/hub" | "/hub/" => home,
        path if ["/hub/login", "/hub/logout", "/hub/spawn", "/hub/link/", "/hub/events"]
            .iter()
            .any(|page| path.starts_with(page)) =>
        {
            home
        }
        _ if followed(user, &place) == Some(Followed::Refused) => home,
        _ => place,
    }
}

fn is_running(hub: &Hub, user: &Username) -> bool {
    hub.servers.watch(user).borrow().phase == ServerPhase::Running
}

/// Starts the server unless it runs, and shows how that goes until it does.
pub(super) fn start(hub: &Hub, user: &Username, target: &str) -> Response {
    if is_running(hub, user) || hub.servers.ensure(user).borrow().phase == ServerPhase::Running {
        return found(target);
    }
    found(&progress_location(target))
}

/// 303: whatever the request was, the next one is a GET. `location` is one of ours or a [`Next`], which fit in a header.
fn found(location: &str) -> Response {
    match HeaderValue::try_from(location) {
        Ok(_) => Redirect::to(location).into_response(),
        Err(_) => Redirect::to("/hub/home").into_response(),
    }
}
