//! Which page is where.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use super::error::Problem;
use super::{
    Hub, api, apps, ask, assets, clear, events, home, key, layers, link, login, news, packages, password, people, progress,
    provider, settings, spawn,
};

/// `/`, `/hub/*` with `/hub/api` in it, and a page for every other address. Requests carry [`crate::listen::Client`] as an extension.
pub fn router(hub: Arc<Hub>) -> Router {
    Router::new()
        .route("/", get(home::front_door))
        .route("/hub", get(home::front_door))
        .route("/hub/", get(home::front_door))
        .route("/hub/home", get(home::page))
        .route("/hub/login", get(login::page).post(login::submit))
        .route("/hub/login/{name}", get(provider::begin).post(provider::link))
        .route("/hub/login/{name}/callback", get(provider::callback))
        .route("/hub/logout", get(login::logout_page).post(login::logout))
        .route("/hub/link/{token}", get(link::page).post(link::submit))
        .route("/hub/password", get(password::page).post(password::submit))
        .route("/hub/spawn", get(spawn::page).post(spawn::submit))
        .route("/hub/spawn/{name}", get(spawn::named))
        .route("/hub/restart", post(spawn::restart))
        .route("/hub/stop", post(spawn::stop))
        .route("/hub/keep", post(spawn::keep))
        .route("/hub/apps/{name}", get(apps::page).post(apps::submit))
        .route("/hub/apps/{name}/events", get(apps::stream))
        .route("/hub/ask", get(ask::page).post(ask::submit))
        .route("/hub/people", get(people::page).post(people::submit))
        .route("/hub/people/add", get(people::add_page).post(people::add))
        .route("/hub/people/events", get(people::stream))
        .route("/hub/usage", get(people::usage))
        .route("/hub/people/{name}", get(people::person))
        .route("/hub/people/{name}/log", get(people::log))
        .route("/hub/settings", get(settings::page).post(settings::submit))
        .route("/hub/packages", get(packages::page).post(packages::submit))
        .route("/hub/packages/{number}", get(packages::build))
        .route("/hub/packages/{number}/events", get(packages::stream))
        .route("/hub/progress", get(progress::page))
        .route("/hub/events", get(events::stream))
        .route("/hub/key", get(key::show))
        .route("/hub/news", get(news::show))
        .route("/hub/user-redirect/{*path}", get(spawn::user_redirect))
        .route("/hub/clear", get(clear::page).post(clear::submit))
        .route("/hub/health", get(health))
        .route("/hub/static/{version}/{name}", get(assets::file))
        .route("/favicon.ico", get(assets::icon))
        .route("/robots.txt", get(robots))
        .fallback(async || Problem::not_found())
        .layer(from_fn_with_state(Arc::clone(&hub), layers::around))
        .with_state(Arc::clone(&hub))
        .merge(api::router(hub))
}

async fn health(State(hub): State<Arc<Hub>>) -> Response {
    match hub.people.probe().await {
        Ok(()) => json(StatusCode::OK, "{\"status\":\"ok\"}"),
        Err(error) => {
            tracing::warn!(error = %format_args!("{:#}", anyhow::Error::from(error)), "the hub is not healthy");
            json(StatusCode::SERVICE_UNAVAILABLE, "{\"status\":\"database\"}")
        }
    }
}

async fn robots() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain")], "User-agent: *\nDisallow: /\n")
}

fn json(status: StatusCode, text: &'static str) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], text).into_response()
}
