//! `/hub/packages/NUMBER`: how a change of the packages goes, and how it ended.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::StatusCode;
use hub_core::control::environment::{BuildState, EnvironmentReply, EnvironmentRequest, Record};
use hub_core::packages::VersionChange;
use serde::Serialize;

use super::super::Hub;
use super::super::error::Problem;
use super::super::events::over;
use super::super::form::Form;
use super::super::frame::{Frame, Look, render};
use super::super::staff::{Staff, unexpected};
use super::ask;
use super::page::outcome;

/// A stream ends after this time; the page opens it again.
const LONGEST_STREAM: Duration = Duration::from_secs(3600);
/// From one look to the next.
const PAUSE: Duration = Duration::from_secs(1);
/// Lines of the log that the page shows.
const LOG_LINES: usize = 200;

#[derive(Template)]
#[template(path = "package_build.html")]
struct Page<'page> {
    look: Look,
    frame: Frame,
    token: &'page str,
    number: u32,
    what: String,
    who: String,
    now: Now,
    is_over: bool,
    has_failed: bool,
    /// Why it did not work; else nothing.
    reason: String,
    hint: String,
    changes: Vec<VersionChange>,
    /// "in 12 seconds"
    took: String,
    log: String,
}

/// What is being done, for the page that follows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Now {
    phase: &'static str,
    message: String,
    /// How much is downloaded; else nothing.
    download: String,
}

impl Now {
    fn of(record: &Record) -> Self {
        Self {
            phase: match record.state {
                BuildState::Waiting => "queued",
                BuildState::Building => "starting",
                BuildState::Failed => "failed",
                BuildState::Done | BuildState::Unchanged | BuildState::Planned => "running",
            },
            message: match record.state {
                BuildState::Waiting => "Something else is being done first.".to_owned(),
                BuildState::Building => record.phase.clone(),
                state => outcome(state).to_owned(),
            },
            download: record.download.as_ref().map(ToString::to_string).unwrap_or_default(),
        }
    }
}

/// `GET /hub/packages/NUMBER`
pub(in super::super) async fn page(
    State(hub): State<Arc<Hub>>,
    staff: Staff,
    Path(number): Path<u32>,
) -> Result<Response, Problem> {
    let (record, log) = look(&hub, &staff, number).await?;
    let lines: Vec<&str> = log.lines().collect();
    let page = Page {
        look: Look::Wide,
        frame: staff.frame(&hub),
        token: &staff.token(),
        number,
        now: Now::of(&record),
        is_over: record.is_over(),
        has_failed: record.state == BuildState::Failed,
        what: record.what,
        who: record.who,
        reason: record.reason.unwrap_or_default(),
        hint: record.hint.unwrap_or_default(),
        changes: record.changes,
        took: record.seconds.map(|seconds| format!("It took {seconds:.0} seconds.")).unwrap_or_default(),
        log: lines[lines.len().saturating_sub(LOG_LINES)..].join("\n"),
    };
    render(StatusCode::OK, &page)
}

/// `GET /hub/packages/NUMBER/events?token=TOKEN`
pub(in super::super) async fn stream(
    State(hub): State<Arc<Hub>>,
    staff: Staff,
    Path(number): Path<u32>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    staff.visitor.check(&Form::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default())?;
    look(&hub, &staff, number).await?;
    let until = tokio::time::Instant::now() + LONGEST_STREAM;
    let first = Following { hub, staff, number, until, told: None, over: false };
    Ok(Sse::new(stream::unfold(first, next)).keep_alive(KeepAlive::new().interval(Duration::from_secs(20))).into_response())
}

struct Following {
    hub: Arc<Hub>,
    staff: Staff,
    number: u32,
    until: tokio::time::Instant,
    told: Option<Now>,
    over: bool,
}

/// Each look asks anew, so that whoever has lost the role hears no more.
async fn next(mut following: Following) -> Option<(Result<Event, Infallible>, Following)> {
    while !following.over && tokio::time::Instant::now() < following.until {
        if following.told.is_some() {
            tokio::time::sleep(PAUSE).await;
        }
        let has_access = !*following.staff.visitor.session.ended.borrow();
        let event = match look(&following.hub, &following.staff, following.number).await {
            Ok((record, _)) if has_access && !record.is_over() => {
                let now = Now::of(&record);
                if following.told.as_ref() == Some(&now) {
                    continue;
                }
                let text = serde_json::to_string(&now).unwrap_or_default();
                following.told = Some(now);
                Event::default().data(text)
            }
            // It has ended, or may not be looked at any more: the page is loaded again, and says which.
            _ => {
                following.over = true;
                over()
            }
        };
        return Some((Ok(event), following));
    }
    None
}

async fn look(hub: &Hub, staff: &Staff, number: u32) -> Result<(Record, String), Problem> {
    match ask(hub, staff, EnvironmentRequest::Progress { number, after: 0 }).await? {
        EnvironmentReply::Progress { record, log, .. } => Ok((record, log)),
        _ => Err(unexpected()),
    }
}
