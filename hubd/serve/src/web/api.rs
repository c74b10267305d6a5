//! `/hub/api` as JupyterHub 6.1 answers it, and `/hub/metrics`: for programs with a token, and for nobody else. No cookie
//! counts here, whoever's it is, so a page that makes a browser ask gets nothing. All is asked of the hub by the right of
//! whoever made the token, as `hubctl` would ask it.

mod caller;
mod figures;
mod metrics;
mod refused;
mod servers;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, StatusCode};
use hub_core::control::tokens::Scope;
use serde_json::{Value, json};

use super::Hub;
use super::limits::{LONGEST_ADDRESS, is_too_large};
use super::security_headers::harden;
use caller::Caller;
use refused::Refused;

/// The version of JupyterHub whose answers these are. Its clients compare it with their own.
const VERSION: &str = "6.1.1";
const VERSION_HEADER: HeaderName = HeaderName::from_static("x-jupyterhub-version");

/// `/hub/api`, what is below it, and `/hub/metrics`.
pub(super) fn router(hub: Arc<Hub>) -> Router {
    Router::new()
        .route("/hub/api", get(version))
        .route("/hub/api/", get(version))
        .route("/hub/api/info", get(info))
        .route("/hub/api/user", get(users::whoami))
        .route("/hub/api/users", get(users::list))
        .route("/hub/api/users/{name}", get(users::one))
        .route("/hub/api/users/{name}/server", post(servers::start).delete(servers::stop))
        .route("/hub/api/{*rest}", any(async || Refused::not_found()))
        .route("/hub/metrics", get(metrics::show))
        .layer(from_fn(around))
        .with_state(hub)
}

async fn version() -> Response {
    answer(&json!({ "version": VERSION }))
}

async fn info(State(hub): State<Arc<Hub>>, caller: Caller) -> Result<Response, Refused> {
    caller.needs(&[Scope::ReadHub])?;
    caller.ask(&hub, &hub_core::control::Request::Status).await?;
    let ours = env!("CARGO_PKG_VERSION");
    Ok(answer(&json!({
        "version": VERSION,
        "hubd": ours,
        "python": "",
        "sys_executable": "",
        "authenticator": { "class": "hubd", "version": ours },
        "spawner": { "class": "hubd", "version": ours },
    })))
}

fn answer(value: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// Refuses what is too large, and gives every answer the same headers and errors the same shape.
async fn around(request: Request, next: Next) -> Response {
    let is_long = request.uri().path_and_query().is_some_and(|address| address.as_str().len() > LONGEST_ADDRESS);
    let mut response = match (is_long, is_too_large(request.headers())) {
        (true, _) => Refused::new(StatusCode::URI_TOO_LONG, "The address is too long.").into_response(),
        (_, true) => Refused::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too large.").into_response(),
        _ => next.run(request).await,
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let allow = response.headers().get(http::header::ALLOW).cloned();
        response = Refused::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed").into_response();
        if let Some(allow) = allow {
            response.headers_mut().insert(http::header::ALLOW, allow);
        }
    }
    harden(response.headers_mut());
    response.headers_mut().insert(VERSION_HEADER, HeaderValue::from_static(VERSION));
    response
}
