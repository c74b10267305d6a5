//! `/hub/people/add`: new people from a list that is typed or pasted, read as `hubctl user add --from` reads one.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use hub_core::accounts::Username;
use hub_core::config::Problems;
use hub_core::control::{AddedUser, NewUser, Reply, Request};

use super::super::Hub;
use super::super::error::Problem;
use super::super::form::LongForm;
use super::super::frame::{Frame, Look, render};
use super::act::Outcome;
use super::slips;
use super::staff::{Staff, unexpected};
use crate::auth::password;
use crate::roster;

/// More lines with problems than somebody reads at once.
const MOST_PROBLEMS: usize = 20;

#[derive(Template)]
#[template(path = "people_add.html")]
struct Page<'page> {
    look: Look,
    frame: Frame,
    token: &'page str,
    list: &'page str,
    problems: Vec<Finding>,
    /// How many more there are.
    left_out: usize,
}

/// What is wrong with a line.
struct Finding {
    place: String,
    message: String,
    hint: String,
}

/// `GET /hub/people/add`
pub(in super::super) async fn page(State(hub): State<Arc<Hub>>, staff: Staff) -> Result<Response, Problem> {
    may(&staff)?;
    show(&hub, &staff, StatusCode::OK, "", (Vec::new(), 0))
}

/// `POST /hub/people/add`
pub(in super::super) async fn submit(
    State(hub): State<Arc<Hub>>,
    staff: Staff,
    LongForm(form): LongForm,
) -> Result<Response, Problem> {
    staff.visitor.check(&form)?;
    may(&staff)?;
    let list = form.text("list");
    let check = |name: &Username, text: &str| password::check(name, text).map_err(|problem| problem.to_string());
    let roster = match roster::parse(list.as_bytes(), "the list", check) {
        Ok(roster) => roster,
        Err(problems) => return show(&hub, &staff, StatusCode::BAD_REQUEST, list, findings(problems)),
    };
    if roster.people.is_empty() {
        let nobody = Finding {
            place: String::new(),
            message: "There is no name in the list.".to_owned(),
            hint: "Write one name on each line.".to_owned(),
        };
        return show(&hub, &staff, StatusCode::BAD_REQUEST, list, (vec![nobody], 0));
    }
    let mut notes = roster.notes;
    if !roster.unused_columns.is_empty() {
        notes.push(format!("Columns that are not used: {}.", roster.unused_columns.join(", ")));
    }
    enrol(&hub, &staff, roster.people, notes).await
}

fn may(staff: &Staff) -> Result<(), Problem> {
    if staff.is_teacher() { Ok(()) } else { Err(Problem::staff_only()) }
}

async fn enrol(hub: &Hub, staff: &Staff, users: Vec<NewUser>, mut notes: Vec<String>) -> Result<Response, Problem> {
    let Reply::Added { users } = staff.ask(hub, &Request::UserAdd { users }).await? else { return Err(unexpected()) };
    let old: Vec<&str> = users.iter().filter(|user| !user.added).map(|user| user.name.as_str()).collect();
    if !old.is_empty() {
        notes.push(format!("Already on the list, and left as they are: {}.", old.join(", ")));
    }
    let given = users.iter().filter(|user| user.added && user.link.is_none()).count();
    if given > 0 {
        notes.push(format!("With a password from the list: {given}."));
    }
    let slip = |user: &AddedUser| {
        let (link, expires) = (user.link.as_deref()?, user.expires.as_deref().unwrap_or_default());
        Some(slips::slip(hub, staff, &user.name, link, expires))
    };
    let outcome = Outcome {
        look: Look::Wide,
        frame: staff.frame(hub),
        title: match users.iter().filter(|user| user.added).count() {
            0 => "Everybody is on the list already".to_owned(),
            1 => "One person was added".to_owned(),
            some => format!("{some} people were added"),
        },
        problems: Vec::new(),
        notes,
        slips: users.iter().filter_map(slip).collect(),
        address: slips::login_address(hub, staff),
    };
    render(StatusCode::OK, &outcome)
}

fn findings(problems: Problems) -> (Vec<Finding>, usize) {
    let left_out = problems.left_out + problems.diagnostics.len().saturating_sub(MOST_PROBLEMS);
    let finding = |found: hub_core::config::Diagnostic| Finding {
        place: format!("Line {}", found.line),
        message: found.message,
        hint: found.hint.unwrap_or_default(),
    };
    (problems.diagnostics.into_iter().take(MOST_PROBLEMS).map(finding).collect(), left_out)
}

fn show(
    hub: &Hub,
    staff: &Staff,
    status: StatusCode,
    list: &str,
    (problems, left_out): (Vec<Finding>, usize),
) -> Result<Response, Problem> {
    let page = Page { look: Look::Wide, frame: staff.frame(hub), token: &staff.token(), list, problems, left_out };
    render(status, &page)
}
