//! One's own apps: what there is, how one is, start, stop, open.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use hub_core::control::ServerPhase;

use super::Hub;
use super::csrf::Visitor;
use super::error::Problem;
use super::events;
use super::form::Form;
use super::frame::{Frame, Look, render};
use super::next::app_location;
use super::state;
use crate::apps::{OneApp, address};

/// An app as a page shows it.
pub(super) struct Shown {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) href: String,
    pub(super) state: state::State,
}

#[derive(Template)]
#[template(path = "app.html")]
struct Page<'page> {
    look: Look,
    frame: Frame,
    token: &'page str,
    app: Shown,
    state: state::State,
}

impl Shown {
    fn of(app: &OneApp, visitor: &Visitor) -> Self {
        let user = &visitor.session.user;
        Self {
            name: app.name.to_string(),
            title: app.app.title.clone(),
            description: app.app.description.clone().unwrap_or_default(),
            href: address(user, &app.name),
            state: state::State::of(&app.servers.watch(user).borrow()),
        }
    }
}

/// All of the configuration that `visitor` can start, by name, and the hub's own app, unless the configuration has one of that name.
pub(super) fn all(hub: &Hub, visitor: &Visitor) -> (Vec<Shown>, Option<Shown>) {
    let config = hub.config.get();
    let (written, own): (Vec<_>, Vec<_>) = hub.apps.all().into_iter().partition(|app| config.apps.contains_key(&app.name));
    let shown = |apps: Vec<Arc<OneApp>>| apps.iter().map(|app| Shown::of(app, visitor)).collect::<Vec<_>>();
    (shown(written), shown(own).pop())
}

/// `GET /hub/apps/NAME`
pub(super) async fn page(State(hub): State<Arc<Hub>>, visitor: Visitor, Path(name): Path<String>) -> Result<Response, Problem> {
    let app = find(&hub, &name)?;
    let shown = Shown::of(&app, &visitor);
    let config = hub.config.get();
    let page = Page {
        look: Look::Narrow,
        frame: Frame::for_session(&config.hub, &visitor.session).with_ways(config.role_of(&visitor.session.user), "/hub/apps"),
        token: &visitor.session.form_token(),
        state: shown.state.clone(),
        app: shown,
    };
    render(StatusCode::OK, &page)
}

/// `POST /hub/apps/NAME`
pub(super) async fn submit(
    State(hub): State<Arc<Hub>>,
    visitor: Visitor,
    Path(name): Path<String>,
    form: Form,
) -> Result<Response, Problem> {
    visitor.check(&form)?;
    let (app, user) = (find(&hub, &name)?, &visitor.session.user);
    match form.text("do") {
        "stop" => {
            tracing::info!(%user, app = %app.name, "stops the own app");
            app.servers.stop(user);
            Ok(Redirect::to("/hub/home").into_response())
        }
        _ => {
            tracing::info!(%user, app = %app.name, "starts the own app");
            let phase = app.servers.ensure(user).borrow().phase;
            let to = if phase == ServerPhase::Running { address(user, &app.name) } else { app_location(&app.name) };
            Ok(Redirect::to(&to).into_response())
        }
    }
}

/// `GET /hub/apps/NAME/events?token=TOKEN`
pub(super) async fn stream(
    State(hub): State<Arc<Hub>>,
    visitor: Option<Visitor>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let visitor = events::own_page(visitor, query)?;
    let app = find(&hub, &name)?;
    Ok(events::of(app.servers.watch(&visitor.session.user), visitor.session.ended))
}

fn find(hub: &Hub, name: &str) -> Result<Arc<OneApp>, Problem> {
    name.parse().ok().and_then(|name| hub.apps.find(&name)).ok_or_else(Problem::not_found)
}
