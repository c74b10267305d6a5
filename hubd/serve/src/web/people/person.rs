//! `/hub/people/NAME`: one person, and the log of their server.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use hub_core::accounts::Username;
use hub_core::config::{Config, ExplainedLimit, Origin, Role, effects};
use hub_core::control::{Reply, Request};

use super::super::Hub;
use super::super::error::Problem;
use super::super::form::Form;
use super::super::frame::{Frame, Look, render};
use super::super::settings::{self, Field, Shape, label};
use super::super::staff::{Staff, unexpected};
use super::act::Act;
use super::rows::{Row, everybody};

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
    /// The limits of this person's own, for whoever may change them.
    fields: Vec<Field>,
    is_teacher: bool,
}

/// A limit and where it comes from.
struct Limit {
    label: String,
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
    let Reply::Limits { limits } = staff.ask(&hub, &Request::Limits { name: name.clone() }).await? else {
        return Err(unexpected());
    };
    let fields = if row.is_enrolled { fields(&hub.config.get(), &name, &limits, staff.role) } else { Vec::new() };
    let is_blocked = row.is_blocked;
    let acts = Act::open_to(staff.role).filter(|act| match act {
        Act::Link | Act::LogOut | Act::Remove => true,
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
        limits: limits.iter().map(limit).collect(),
        fields,
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

fn limit(limit: &ExplainedLimit) -> Limit {
    Limit { label: label(&limit.key).to_owned(), value: value(limit), origin: origin(&limit.origin) }
}

fn value(limit: &ExplainedLimit) -> String {
    match limit.value.trim_matches('"') {
        "true" => "on".to_owned(),
        "false" => "off".to_owned(),
        other => other.to_owned(),
    }
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Default => "the default".to_owned(),
        Origin::Everybody => "as for everybody".to_owned(),
        Origin::Group(group) => format!("from group {group}"),
        Origin::User => "for this person".to_owned(),
    }
}

/// What a limit for `name` alone is typed into; where there is none, with what holds now.
fn fields(config: &Config, name: &Username, limits: &[ExplainedLimit], role: Role) -> Vec<Field> {
    let mut fields = settings::limits(&["users", name.as_str()], &effects::values(config), role);
    for field in &mut fields {
        let key = field.key.parts().last().map(String::as_str).unwrap_or_default();
        field.default = match limits.iter().find(|limit| limit.key == key) {
            Some(held) if held.origin != Origin::User => format!("{} ({})", value(held), origin(&held.origin)),
            _ => "what others have".to_owned(),
        };
    }
    fields
}
