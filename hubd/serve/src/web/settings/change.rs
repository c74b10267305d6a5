//! `POST /hub/settings`: one key gets another value. First what that would do is shown, then it is done, then it can be taken
//! back.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use hub_core::config::GroupName;
use hub_core::config::edit::KeyPath;
use hub_core::config::effects::Change;
use hub_core::control::change::{ChangeVerb, Ended, KeyChange, Manner, Outcome, Saved};
use hub_core::control::{Failed, Reply, Request};

use super::super::Hub;
use super::super::error::Problem;
use super::super::form::Form;
use super::super::frame::{Frame, Look, render};
use super::super::staff::{Staff, unexpected};
use super::field::{Field, Shape, label, takes_hold, typed_from};

#[derive(Template)]
#[template(path = "setting_change.html")]
struct Page<'page> {
    look: Look,
    frame: Frame,
    token: &'page str,
    title: String,
    /// Why it was not done; else nothing.
    problem: String,
    notes: Vec<String>,
    warnings: Vec<String>,
    lines: Vec<Line>,
    /// What is asked for on this page; `None`: it is over.
    question: Option<Asked>,
    /// The field once more, for another try.
    field: Option<Field>,
    /// What takes it back.
    undo: Option<Asked>,
    back: String,
    back_label: &'static str,
}

/// One value that changes.
struct Line {
    what: String,
    old: String,
    new: String,
    when: &'static str,
}

/// A change, as fields of a form.
struct Asked {
    key: String,
    verb: &'static str,
    value: String,
}

/// `POST /hub/settings`
pub(in super::super) async fn submit(State(hub): State<Arc<Hub>>, staff: Staff, form: Form) -> Result<Response, Problem> {
    staff.visitor.check(&form)?;
    let key = key_of(&form)?;
    let value = form.text("value").to_owned();
    let field = Field::new(key.clone(), None).map(|field| Field { value: value.clone(), ..field });
    let values = match (&field, form.text("do")) {
        // An empty field says that nothing is set, but for names, where it says that there are none.
        (Some(field), "set") if !value.trim().is_empty() || field.shape == Shape::Names => Some(field.words(&value)),
        (Some(_), _) => None,
        // A whole group has no value, and can be taken away.
        (None, "unset") if is_group(&key) => None,
        (None, _) => return Err(Problem::bad_request("There is no such setting.")),
    };
    let (verb, word) = if values.is_some() { (ChangeVerb::Set, "set") } else { (ChangeVerb::Unset, "unset") };
    let values = values.unwrap_or_default();
    let is_sure = !form.text("sure").is_empty();
    let manner = Manner { dry_run: !is_sure, allow_lockout: is_sure, json: true };
    let change = KeyChange { verb, key: key.parts().to_vec(), values, manner };
    let Reply::ConfigChanged { ended } = staff.ask(&hub, &Request::ConfigChange { change }).await? else {
        return Err(unexpected());
    };
    let asked = Asked { key: key.to_string(), verb: word, value };
    let token = staff.token();
    let (back, back_label) = back(&key);
    let page = Page {
        look: Look::Wide,
        frame: staff.frame(&hub),
        token: &token,
        title: String::new(),
        problem: String::new(),
        notes: Vec::new(),
        warnings: Vec::new(),
        lines: Vec::new(),
        question: None,
        field: None,
        undo: None,
        back,
        back_label,
    };
    render(StatusCode::OK, &told(page, &ended, &key, asked, field))
}

/// The key that the form is about. A group that is new has its name in a field of its own.
fn key_of(form: &Form) -> Result<KeyPath, Problem> {
    let group = form.name("group");
    if !group.is_empty() {
        let name: GroupName = group.parse().map_err(|error| {
            Problem::bad_request(&format!("A group can't be called “{group}”: {error}. Go back and choose another name."))
        })?;
        return Ok(KeyPath::new(["groups", name.as_str(), "members"]));
    }
    form.text("key").parse().map_err(|_| Problem::bad_request("The form does not say which setting it is about."))
}

/// `page` with what root's side said.
fn told<'page>(mut page: Page<'page>, ended: &Ended, key: &KeyPath, asked: Asked, field: Option<Field>) -> Page<'page> {
    let Ok(saved) = serde_json::from_str::<Saved>(&ended.output) else {
        page.title = "Nothing was changed".to_owned();
        page.problem = failure(ended);
        page.field = field;
        return page;
    };
    let own = saved.changes.iter().find(|change| change.key == key.to_string());
    page.lines = saved.changes.iter().map(line).collect();
    page.warnings = saved.lockouts.iter().chain(&saved.warnings).cloned().collect();
    let reason = |words: &str| format!("{words}{}.", saved.reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default());
    page.title = match saved.outcome {
        Outcome::Unchanged | Outcome::DryRun if saved.changes.is_empty() => {
            if let Some(field) = field.filter(|_| asked.verb == "unset") {
                page.notes.push(format!("An empty field means the default: {}.", field.default));
            }
            "It is already set to that".to_owned()
        }
        Outcome::Unchanged => "It is already set to that".to_owned(),
        Outcome::DryRun => {
            page.question = Some(asked);
            "Change this?".to_owned()
        }
        Outcome::Applied => {
            page.notes = saved.done.iter().map(|line| sentence(line)).collect();
            page.undo = own.map(|change| undo(key, change));
            "Changed".to_owned()
        }
        Outcome::SavedNotApplied => {
            page.problem = reason("The hub could not apply it");
            "Saved, but not applied".to_owned()
        }
        Outcome::RolledBack => {
            page.problem = reason("The hub did not work with it, so the old value was put back");
            "Nothing was changed".to_owned()
        }
    };
    page
}

fn line(change: &Change) -> Line {
    let or_not_set = |text: String| if text.is_empty() { "not set".to_owned() } else { text };
    Line {
        what: in_words(&change.key),
        old: or_not_set(typed_from(&change.old)),
        new: or_not_set(typed_from(&change.new)),
        when: takes_hold(change.effect),
    }
}

/// A key with whom it is about: "Memory of bob".
fn in_words(key: &str) -> String {
    let Ok(path) = key.parse::<KeyPath>() else { return key.to_owned() };
    match path.parts() {
        [table, name, .., key] if table == "users" => format!("{} of {name}", label(key)),
        [table, name, .., key] if table == "groups" => format!("{} of group {name}", label(key)),
        [.., key] => label(key).to_owned(),
        [] => key.to_owned(),
    }
}

fn undo(key: &KeyPath, change: &Change) -> Asked {
    let verb = if change.old.is_empty() { "unset" } else { "set" };
    Asked { key: key.to_string(), verb, value: typed_from(&change.old) }
}

fn is_group(key: &KeyPath) -> bool {
    matches!(key.parts(), [table, _] if table == "groups")
}

/// Where the form came from.
fn back(key: &KeyPath) -> (String, &'static str) {
    match key.parts() {
        [table, name, ..] if table == "users" => (format!("/hub/people/{name}"), "Back to this person"),
        _ => ("/hub/settings".to_owned(), "Back to the settings"),
    }
}

/// What went wrong before anything was changed.
fn failure(ended: &Ended) -> String {
    if let Ok(Failed { error }) = serde_json::from_str(&ended.output) {
        // An example of a command has the value at its end.
        let hint =
            error.hint.map(|hint| match hint.strip_prefix("as in: hubctl config set ").and_then(|rest| rest.split_once(' ')) {
                Some((_, value)) => format!(", as in {value}"),
                None => format!(" ({hint})"),
            });
        return sentence(&format!("{}{}", error.message, hint.unwrap_or_default()));
    }
    let said = ended.messages.trim();
    if said.is_empty() { "The machine did not say why.".to_owned() } else { said.to_owned() }
}

fn sentence(text: &str) -> String {
    let mut letters = text.trim().chars();
    let text: String = letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
    if text.ends_with(['.', '?', '!']) { text } else { format!("{text}.") }
}
