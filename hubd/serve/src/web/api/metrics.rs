//! `/hub/metrics`: how the hub is, for Prometheus.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use hub_core::control::tokens::Scope;
use hub_core::control::{Reply, Request};
use jiff::Timestamp;

use super::super::Hub;
use super::caller::Caller;
use super::figures::{Figures, text};
use super::refused::Refused;

pub(super) async fn show(State(hub): State<Arc<Hub>>, caller: Caller) -> Result<Response, Refused> {
    caller.needs(&[Scope::ReadMetrics])?;
    let status = match caller.ask(&hub, &Request::Status).await? {
        Reply::Status(status) => status,
        other => return Err(Refused::of(&other)),
    };
    let https = match caller.ask(&hub, &Request::Https).await? {
        Reply::Https(https) => https,
        other => return Err(Refused::of(&other)),
    };
    let users = match caller.ask(&hub, &Request::UserList).await? {
        Reply::Users { users } => users,
        other => return Err(Refused::of(&other)),
    };
    let last_active = users.iter().filter_map(|user| user.last_active.as_deref()?.parse().ok()).collect();
    let certificate_days = https.certificate.map(|certificate| certificate.days_left);
    let figures = Figures { status, certificate_days, last_active, now: Timestamp::now() };
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text(&figures)).into_response())
}
