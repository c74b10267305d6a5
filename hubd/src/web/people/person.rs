//! `/hub/people/NAME`: one person, and the log of their server.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use hub_core::accounts::Username;
use hub_core::config::{ExplainedLimit, Origin};
use hub_core::control::{Reply, Request};

use super::super::Hub;
use super::super::error::Problem;
use super::super::form::Form;
use super::super::frame::{Frame, Look, render};
use super::act::Act;
use super::rows::{Row, everybody};
use super::staff::{Staff, unexpected};

/// Lines of a log that a page shows.
const LOG_LINES: u32 = 300;

#[derive(Template)]
#[template(path = "person.html")]
struct Page<'page> {
    look: Look,
    frame: Frame,
    token: &'page str,
    notice: String,
    row: Row,
    /// What may be done about the account.
    acts: Vec<Act>,
    limits: Vec<Limit>,
    is_teacher: bool,
}

/// A limit and where it comes from.
struct Limit {
    key: String,
    value: String,
    origin: String,
}

#[derive(Template)]
#[template(path = "person_log.html")]
struct Log<'page> {
    look: Look,
    frame: Frame,
    name: &'page Username,
    lines: String,
}

/// `GET /hub/people/NAME`
pub(in super::super) async fn page(
    State(hub): State<Arc<Hub>>,
    staff: Staff,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let name: Username = name.parse().map_err(|_| Problem::not_found())?;
    let asked = Form::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let rows = everybody(&hub, &staff.visitor.session.user).await?;
    let row = rows.into_iter().find(|row| row.name == name).ok_or_else(|| Problem::nobody_called(&name))?;
    let Reply::Limits { limits } = staff.ask(&hub, &Request::Limits { name }).await? else { return Err(unexpected()) };
    let is_blocked = row.is_blocked;
    let acts = Act::open_to(staff.role).filter(|act| match act {
        Act::Link | Act::Remove => true,
        Act::Block => !is_blocked,
        Act::Unblock => is_blocked,
        Act::Start | Act::StartPlain | Act::Restart | Act::Stop => false,
    });
    let page = Page {
        look: Look::Wide,
        frame: staff.frame(&hub),
        token: &staff.token(),
        notice: Act::notice(&asked),
        acts: if row.is_enrolled { acts.collect() } else { Vec::new() },
        row,
        limits: limits.into_iter().map(limit).collect(),
        is_teacher: staff.is_teacher(),
    };
    render(StatusCode::OK, &page)
}

/// `GET /hub/people/NAME/log`
pub(in super::super) async fn log(
    State(hub): State<Arc<Hub>>,
    staff: Staff,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let name: Username = name.parse().map_err(|_| Problem::not_found())?;
    let request = Request::ServerLogs { name: name.clone(), lines: LOG_LINES };
    let Reply::Logs { lines, .. } = staff.ask(&hub, &request).await? else { return Err(unexpected()) };
    render(StatusCode::OK, &Log { look: Look::Full, frame: staff.frame(&hub), name: &name, lines: lines.join("\n") })
}

fn limit(limit: ExplainedLimit) -> Limit {
    let key = match limit.key.as_str() {
        "memory" => "Memory",
        "swap" => "Swap",
        "cpu_quota" => "Processor time, in cores",
        "cpu_weight" => "Share of the processors",
        "tasks" => "Processes",
        "network" => "Network",
        other => other,
    };
    let origin = match limit.origin {
        Origin::Default => "the default".to_owned(),
        Origin::Everybody => "as for everybody".to_owned(),
        Origin::Group(group) => format!("from group {group}"),
        Origin::User => "for this person".to_owned(),
    };
    Limit { key: key.to_owned(), value: limit.value.trim_matches('"').to_owned(), origin }
}
