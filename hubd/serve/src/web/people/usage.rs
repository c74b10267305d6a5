//! `GET /hub/usage`: what was used of the machine, as pictures that the hub draws itself, each with a table behind it.

mod chart;
mod picture;

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use hub_core::control::usage::{Shortage, Span};
use hub_core::control::{Reply, Request};
use jiff::tz::TimeZone;

use self::chart::{Chart, charts};
use super::super::Hub;
use super::super::error::Problem;
use super::super::form::Form;
use super::super::frame::{Frame, Look, render};
use super::super::staff::{Staff, unexpected};
use super::short::shortages;

#[derive(Template)]
#[template(path = "usage.html")]
struct Page<'page> {
    look: Look,
    frame: Frame,
    /// For `short.html`.
    base: &'page str,
    shortages: Vec<Shortage>,
    is_day: bool,
    charts: Vec<Chart>,
}

/// `GET /hub/usage?span=WHICH`
pub(in super::super) async fn page(
    State(hub): State<Arc<Hub>>,
    staff: Staff,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = Form::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let span = if asked.text("span") == "term" { Span::Term } else { Span::Day };
    let Reply::UsageHistory { history } = staff.ask(&hub, &Request::UsageHistory { span }).await? else {
        return Err(unexpected());
    };
    let config = hub.config.get();
    let page = Page {
        look: Look::Full,
        frame: staff.frame(&hub),
        base: config.hub.base(),
        shortages: shortages(&hub, &staff.visitor.session.user).await?,
        is_day: span == Span::Day,
        charts: charts(&history, span, &TimeZone::system()),
    };
    render(StatusCode::OK, &page)
}
