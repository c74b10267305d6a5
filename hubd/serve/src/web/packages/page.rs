//! `GET /hub/packages`: what everybody has, and what was done to it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use hub_core::control::environment::{BuildState, EnvironmentReply, EnvironmentRequest, GenerationInfo, Record};
use hub_core::packages::Installed;
use hub_core::packages::Requirement;
use jiff::Timestamp;

use super::super::Hub;
use super::super::error::Problem;
use super::super::frame::{Frame, Look, render};
use super::super::staff::{Staff, unexpected};
use super::super::state::in_words;
use super::ask;

/// Of what was done, the latest.
const MOST_DONE: usize = 20;

#[derive(Template)]
#[template(path = "packages.html")]
pub(super) struct Page<'page> {
    look: Look,
    frame: Frame,
    token: &'page str,
    /// Why what was asked for was not begun; else nothing.
    problem: String,
    /// What was typed.
    typed: String,
    python: String,
    asked: Vec<Requirement>,
    packages: Vec<Installed>,
    /// A build that is not over.
    building: Option<Building>,
    kept: Vec<Kept>,
    done: Vec<Done>,
}

struct Building {
    number: u32,
    what: String,
}

/// A state of the packages to which new servers can be brought back.
struct Kept {
    number: u32,
    what: String,
    when: String,
    is_current: bool,
}

/// Something that was asked for.
struct Done {
    number: u32,
    what: String,
    who: String,
    when: String,
    outcome: &'static str,
}

/// `GET /hub/packages`
pub(in super::super) async fn page(State(hub): State<Arc<Hub>>, staff: Staff) -> Result<Response, Problem> {
    show(&hub, &staff, StatusCode::OK, (String::new(), String::new())).await
}

/// The page, with why something was not begun, and what was typed for it.
pub(super) async fn show(
    hub: &Hub,
    staff: &Staff,
    status: StatusCode,
    (problem, typed): (String, String),
) -> Result<Response, Problem> {
    let EnvironmentReply::Status(now) = ask(hub, staff, EnvironmentRequest::Status).await? else { return Err(unexpected()) };
    let EnvironmentReply::Generations { generations } = ask(hub, staff, EnvironmentRequest::List).await? else {
        return Err(unexpected());
    };
    let EnvironmentReply::History { records } = ask(hub, staff, EnvironmentRequest::History).await? else {
        return Err(unexpected());
    };
    let packages = match now.current {
        Some(_) => match ask(hub, staff, EnvironmentRequest::Show { number: None }).await? {
            EnvironmentReply::Packages { packages, .. } => packages,
            _ => return Err(unexpected()),
        },
        None => Vec::new(),
    };
    let time = Timestamp::now();
    let page = Page {
        look: Look::Wide,
        frame: staff.frame(hub),
        token: &staff.token(),
        problem,
        typed,
        python: now.python.unwrap_or_default(),
        asked: now.asked,
        packages,
        building: now.building.map(|record| Building { number: record.number, what: record.what }),
        kept: generations.into_iter().rev().map(|one| kept(one, time)).collect(),
        done: records.iter().rev().take(MOST_DONE).map(|record| done(record, time)).collect(),
    };
    render(status, &page)
}

fn kept(one: GenerationInfo, now: Timestamp) -> Kept {
    let asked: Vec<String> = one.asked.iter().map(ToString::to_string).collect();
    Kept {
        number: one.number,
        what: if asked.is_empty() { "what comes with the hub".to_owned() } else { asked.join(", ") },
        when: one.when.map_or_else(|| "with the hub".to_owned(), |when| ago(&when, now)),
        is_current: one.is_current,
    }
}

fn done(record: &Record, now: Timestamp) -> Done {
    Done {
        number: record.number,
        what: record.what.clone(),
        who: record.who.clone(),
        when: ago(&record.when, now),
        outcome: outcome(record.state),
    }
}

/// How far something is, in a word or two.
pub(super) fn outcome(state: BuildState) -> &'static str {
    match state {
        BuildState::Waiting => "waits",
        BuildState::Building => "is being done",
        BuildState::Done => "done",
        BuildState::Unchanged => "nothing to change",
        BuildState::Planned => "planned",
        BuildState::Failed => "did not work",
    }
}

fn ago(when: &str, now: Timestamp) -> String {
    let passed = |then: Timestamp| format!("{} ago", in_words(now.duration_since(then).unsigned_abs()));
    when.parse().map_or_else(|_| when.to_owned(), passed)
}
