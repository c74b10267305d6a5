//! `/hub/people/add`: a class list, pasted or as a file, and what comes of it. First a page says what it would change; then that
//! is done, if the hub comes to the same once more.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use hub_core::accounts::Username;
use hub_core::control::roster::{
    Absent, Change, Changed, Column, Comer, FoundColumn, Go, LARGEST, LineProblem, RosterDone, RosterPlan, RosterReply,
    RosterRequest,
};
use hub_core::control::{AddedUser, Reply, Request};
use hub_core::text::decode_guessing;

use super::super::Hub;
use super::super::error::Problem;
use super::super::form::Form;
use super::super::frame::{Frame, Look, render};
use super::super::staff::{Staff, unexpected};
use super::super::upload::Upload;
use super::act::Outcome;
use super::slips;

/// More lines with problems, or notes, than somebody reads at once.
const MOST_PROBLEMS: usize = 20;
/// More people than somebody reads through.
const MOST_SHOWN: usize = 1_000;
/// What the choices for columns are called: this, and a number.
const COLUMN: &str = "column.";

#[derive(Template)]
#[template(path = "people_add.html")]
struct Page<'page> {
    look: Look,
    frame: Frame,
    token: &'page str,
    list: &'page str,
    problem: &'page str,
}

#[derive(Template)]
#[template(path = "people_plan.html")]
struct PlanPage<'page> {
    look: Look,
    frame: Frame,
    token: &'page str,
    /// Why nothing was done although it was asked for; else nothing.
    alert: &'page str,
    list: &'page str,
    is_guessed: bool,
    whole_class: bool,
    plan: &'page RosterPlan,
    columns: Vec<Choices<'page>>,
    /// Whether some of those who come have a password in the list.
    has_passwords: bool,
    /// The first of them, as all that follow.
    comes: &'page [Comer],
    changes: Vec<ChangeRow<'page>>,
    absent: &'page [Absent],
    problems: &'page [LineProblem],
    notes: &'page [String],
    /// "3 people are new. 12 people stay as they are."
    summary: String,
}

/// Somebody whose full name or address changes.
struct ChangeRow<'page> {
    name: &'page Username,
    texts: [Option<&'page Changed>; 2],
}

/// A column, and what it may be taken for.
struct Choices<'page> {
    title: &'page str,
    example: &'page str,
    /// Each with its word, what it is called, and whether it is chosen.
    choices: Vec<(&'static str, String, bool)>,
}

/// `GET /hub/people/add`
pub(in super::super) async fn page(State(hub): State<Arc<Hub>>, staff: Staff) -> Result<Response, Problem> {
    may(&staff)?;
    show(&hub, &staff, StatusCode::OK, "", "")
}

/// A list of one, whose full name or address is corrected on their page.
fn one_person(form: &Form) -> Option<String> {
    let quoted = |text: &str| format!("\"{}\"", text.trim().replace('"', "\"\""));
    let fields = ["login", "full_name", "email"].map(|field| quoted(form.text(field)));
    (!form.text("login").is_empty()).then(|| format!("username,full name,email\n{}\n", fields.join(",")))
}

/// `POST /hub/people/add`
pub(in super::super) async fn submit(
    State(hub): State<Arc<Hub>>,
    staff: Staff,
    Upload { form, file }: Upload,
) -> Result<Response, Problem> {
    staff.visitor.check(&form)?;
    may(&staff)?;
    let one = one_person(&form);
    let content = file.as_deref().unwrap_or_else(|| one.as_deref().unwrap_or(form.text("list")).as_bytes());
    let list = match decode_guessing(content, LARGEST) {
        Ok(list) => list,
        Err(error) => {
            let problem = format!("The list can't be read: {error}. What helps: {}.", error.hint());
            return show(&hub, &staff, StatusCode::BAD_REQUEST, if file.is_none() { form.text("list") } else { "" }, &problem);
        }
    };
    if list.text.trim().is_empty() {
        let problem = "There is no name in the list. Write one on each line, or choose a file.";
        return show(&hub, &staff, StatusCode::BAD_REQUEST, "", problem);
    }
    let mut ask = request(&form, list.text, list.is_guessed);
    let plan = look(&hub, &staff, &ask).await?.plan;
    if form.text("do") != "go" {
        return preview(&hub, &staff, StatusCode::OK, &ask, &plan, "");
    }
    let is_sure = form.text("many") == "yes";
    let alert = match () {
        () if form.text("mark") != plan.mark => {
            "Nothing was done yet, because something has changed since you last looked. Look at it once more."
        }
        () if !plan.problems.is_empty() => "Nothing was done yet.",
        () if plan.absent_leave && plan.many_leave && !is_sure => {
            "Nothing was done yet: many people would be blocked. Confirm that this is right, or say that this is not the whole class."
        }
        () => "",
    };
    if !alert.is_empty() {
        return preview(&hub, &staff, StatusCode::CONFLICT, &ask, &plan, alert);
    }
    ask.go = Some(Go { mark: plan.mark, many_leave: is_sure });
    match look(&hub, &staff, &ask).await? {
        RosterReply { plan, done: Some(done) } => outcome(&hub, &staff, &plan, done),
        RosterReply { plan, done: None } => {
            let alert = "Nothing was done yet: somebody changed the list of people meanwhile. Look at it once more.";
            preview(&hub, &staff, StatusCode::CONFLICT, &ask, &plan, alert)
        }
    }
}

fn may(staff: &Staff) -> Result<(), Problem> {
    if staff.is_teacher() { Ok(()) } else { Err(Problem::staff_only()) }
}

/// What the form asks for. Columns are as somebody chose them, once they were shown.
fn request(form: &Form, list: String, is_guessed: bool) -> RosterRequest {
    let chosen = |at: usize| form.text(&format!("{COLUMN}{at}")).parse::<Column>().ok();
    let mut columns = Vec::new();
    while let Some(column) = chosen(columns.len()) {
        columns.push(column);
    }
    RosterRequest {
        list,
        is_guessed: is_guessed || form.text("guessed") == "yes",
        columns,
        has_heading: match form.text("heading") {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        },
        whole_class: form.text("whole") == "yes",
        go: None,
    }
}

async fn look(hub: &Hub, staff: &Staff, ask: &RosterRequest) -> Result<RosterReply, Problem> {
    match staff.ask(hub, &Request::Roster { ask: Box::new(ask.clone()) }).await? {
        Reply::Roster(reply) => Ok(*reply),
        _ => Err(unexpected()),
    }
}

fn show(hub: &Hub, staff: &Staff, status: StatusCode, list: &str, problem: &str) -> Result<Response, Problem> {
    render(status, &Page { look: Look::Wide, frame: staff.frame(hub), token: &staff.token(), list, problem })
}

fn preview(
    hub: &Hub,
    staff: &Staff,
    status: StatusCode,
    ask: &RosterRequest,
    plan: &RosterPlan,
    alert: &str,
) -> Result<Response, Problem> {
    let status = if plan.problems.is_empty() { status } else { StatusCode::BAD_REQUEST };
    let page = PlanPage {
        look: Look::Full,
        frame: staff.frame(hub),
        token: &staff.token(),
        alert,
        list: &ask.list,
        is_guessed: ask.is_guessed,
        whole_class: ask.whole_class,
        plan,
        columns: plan.columns.iter().map(choices).collect(),
        has_passwords: plan.comes.iter().any(|comer| comer.has_password),
        comes: first(&plan.comes, MOST_SHOWN),
        changes: first(&plan.changes, MOST_SHOWN).iter().map(change_row).collect(),
        absent: first(&plan.absent, MOST_SHOWN),
        problems: first(&plan.problems, MOST_PROBLEMS),
        notes: first(&plan.notes, MOST_PROBLEMS),
        summary: summary(plan),
    };
    render(status, &page)
}

fn choices(found: &FoundColumn) -> Choices<'_> {
    let choice = |column: Column| (column.word(), column.to_string(), column == found.column);
    Choices { title: &found.title, example: &found.example, choices: Column::EACH.map(choice).into() }
}

fn change_row(change: &Change) -> ChangeRow<'_> {
    ChangeRow { name: &change.name, texts: [change.full_name.as_ref(), change.email.as_ref()] }
}

fn first<T>(all: &[T], most: usize) -> &[T] {
    all.get(..most).unwrap_or(all)
}

fn summary(plan: &RosterPlan) -> String {
    let parts = [
        (plan.comes.len(), "is new", "are new"),
        (plan.changes.len(), "changes", "change"),
        (plan.unchanged, "stays as they are", "stay as they are"),
    ];
    let said: Vec<String> = parts
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| if count == 1 { format!("One person {one}") } else { format!("{count} people {many}") })
        .collect();
    if said.is_empty() { String::new() } else { format!("{}.", said.join(". ")) }
}

fn outcome(hub: &Hub, staff: &Staff, plan: &RosterPlan, done: RosterDone) -> Result<Response, Problem> {
    let counted = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("One person {one}")),
        some => Some(format!("{some} people {many}")),
    };
    let title = [
        counted(plan.comes.len(), "was added", "were added"),
        counted(plan.changes.len(), "was changed", "were changed"),
        counted(plan.leaves().len(), "was blocked", "were blocked"),
    ];
    let mut title = title.into_iter().flatten();
    let mut notes: Vec<String> = Vec::new();
    let first = title.next().unwrap_or_else(|| "There was nothing to do".to_owned());
    notes.extend(title.map(|more| format!("{more}.")));
    let given = plan.comes.iter().filter(|comer| comer.has_password).count();
    if given > 0 {
        notes.push(format!("With a password from the list: {given}."));
    }
    let slip = |(user, comer): (&AddedUser, &Comer)| {
        let (link, expires) = (user.link.as_deref()?, user.expires.as_deref().unwrap_or_default());
        Some(slips::slip(hub, staff, (&user.name, comer.full_name.as_deref().unwrap_or_default()), (link, expires)))
    };
    let outcome = Outcome {
        look: Look::Wide,
        frame: staff.frame(hub),
        title: first,
        problems: done.problems,
        notes,
        slips: done.users.iter().zip(&plan.comes).filter_map(slip).collect(),
        address: slips::login_address(hub, staff),
    };
    render(StatusCode::OK, &outcome)
}
