//! One's own page: what runs, how much memory it has, start, stop, open.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use hub_core::config::{DefaultApp, Role};

use super::Hub;
use super::apps;
use super::csrf::{Origin, Visitor};
use super::error::Problem;
use super::form::Form;
use super::frame::{Frame, Look, render};
use super::health::Health;
use super::spawn::{go, target};
use super::state;

#[derive(Template)]
#[template(path = "home.html")]
struct Page<'page> {
    look: Look,
    frame: Frame,
    token: &'page str,
    name: &'page str,
    state: state::State,
    notice: &'page str,
    next: &'page str,
    app: &'page str,
    idle: String,
    role: Role,
    apps: Vec<apps::Shown>,
    files: Option<apps::Shown>,
    health: Health,
}

/// `GET /`: straight to one's own server when it runs or may be started, else to one's own page.
pub(super) async fn front_door(State(hub): State<Arc<Hub>>, visitor: Option<Visitor>) -> Response {
    match visitor {
        None => Redirect::to("/hub/login").into_response(),
        Some(visitor) => go(&hub, &visitor.session, None, visitor.origin != Origin::Foreign),
    }
}

/// `GET /hub/home`
pub(super) async fn page(State(hub): State<Arc<Hub>>, visitor: Visitor, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let query = Form::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let user = &visitor.session.user;
    let role = hub.config.get().role_of(user);
    let health = Health::of(&hub, role).await;
    let (apps, files) = apps::all(&hub, &visitor);
    let page = Page {
        look: Look::Wide,
        frame: Frame::for_session(&hub.config.get().hub, &visitor.session).with_ways(role, "/hub/home"),
        token: &visitor.session.form_token(),
        name: user.as_str(),
        state: state::State::of(&hub.servers.watch(user).borrow()),
        notice: if query.text("after") == "password" { "Your password is changed." } else { "" },
        next: &target(&hub, &visitor.session, None),
        app: match hub.config.get().servers.default_app {
            DefaultApp::Lab => "JupyterLab",
            DefaultApp::Notebook => "Jupyter Notebook",
        },
        idle: hub.config.get().servers.idle_timeout.map(state::in_words).unwrap_or_default(),
        role,
        apps,
        files,
        health,
    };
    render(StatusCode::OK, &page)
}
