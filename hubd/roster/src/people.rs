//! Who is on a class list: each row with what its columns say, and what is wrong with it. Pure.

use hub_core::accounts::Username;
use hub_core::control::roster::{Column, LineProblem};
use hub_core::text::composed;

use super::person;
use super::table::Row;

/// One person of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) line: usize,
    /// As it is written; valid or not.
    pub(super) login: Option<String>,
    pub(super) full_name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) id: Option<String>,
    pub(super) password: Option<String>,
}

/// The people of `rows`, lines that are nobody's left out, and what is wrong.
pub(super) fn people(rows: &[Row], columns: &[Column]) -> (Vec<Entry>, Vec<LineProblem>, Vec<String>) {
    let (mut entries, mut problems, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        if let Some(note) = nobody(row, columns) {
            notes.push(format!("Line {}: {note}.", row.line));
            continue;
        }
        match entry(row, columns) {
            Ok(entry) => entries.push(entry),
            Err((message, hint)) => problems.push(LineProblem { line: Some(row.line), message, hint: Some(hint.to_owned()) }),
        }
    }
    (entries, problems, notes)
}

/// Why a row of a platform's export is nobody's.
fn nobody(row: &Row, columns: &[Column]) -> Option<&'static str> {
    let says = |text: &str| row.fields.iter().any(|field| field.trim().eq_ignore_ascii_case(text));
    let used = || columns.iter().enumerate().filter(|(_, column)| **column != Column::Unused);
    let login = columns.iter().position(|column| *column == Column::Login);
    match () {
        () if login.is_none_or(|at| row.text(at).is_empty()) && says("Points Possible") => {
            Some("`Points Possible` of a gradebook is left out")
        }
        () if says("Student, Test") => Some("the test student of the platform is left out"),
        () if used().all(|(at, _)| row.text(at).is_empty()) => Some("it says nothing about a person, and is left out"),
        () => None,
    }
}

fn entry(row: &Row, columns: &[Column]) -> Result<Entry, (String, &'static str)> {
    let at = |wanted| columns.iter().position(|column| *column == wanted);
    let text = |wanted| at(wanted).map(|at| row.text(at)).filter(|text| !text.is_empty());
    const SHORTER: &str = "correct it, or say that the column is not used";
    let full_name = match text(Column::FullName) {
        Some(text) => person::full_name(text),
        None => {
            let parts = [text(Column::GivenName), text(Column::FamilyName)];
            // A comma in one of them does not part given from family names.
            person::full_name(&parts.into_iter().flatten().map(|part| part.replace(',', " ")).collect::<Vec<_>>().join(" "))
        }
    };
    let email = text(Column::Email).map_or(Ok(None), person::email);
    let entry = Entry {
        line: row.line,
        login: text(Column::Login).map(|text| composed(text).into_owned()),
        full_name: full_name.map_err(|message| (message, SHORTER))?,
        email: email.map_err(|message| (message, "correct it, or leave the field empty"))?,
        id: text(Column::Id).map(|text| text.chars().take(200).collect()),
        // Spaces count in a password.
        password: at(Column::Password).and_then(|at| row.fields.get(at)).filter(|text| !text.is_empty()).cloned(),
    };
    if at(Column::Login).is_some() && entry.login.is_none() {
        let hint = "write it, delete the line, or say that the column is not used: then login names are made";
        return Err(("the login name is missing on this line".to_owned(), hint));
    }
    if entry.login.is_none() && entry.email.is_none() && entry.full_name.is_none() {
        return Err(("neither a name nor an e-mail address is on this line".to_owned(), "write one, or delete the line"));
    }
    Ok(entry)
}

/// Whether two rows say the same about a person.
pub(super) fn is_same(one: &Entry, other: &Entry) -> bool {
    Entry { line: 0, ..one.clone() } == Entry { line: 0, ..other.clone() }
}

/// What a row without a name to log in with is known by for good, the surest first.
pub(super) fn identities(entry: &Entry) -> Vec<String> {
    let mail = entry.email.as_ref().map(|email| format!("mail:{}", email.to_lowercase()));
    let id = entry.id.as_ref().map(|id| format!("id:{}", person::key(id)));
    let name = entry.full_name.as_ref().map(|name| format!("name:{}", person::key(name)));
    let sure: Vec<String> = mail.into_iter().chain(id).collect();
    if sure.is_empty() { name.into_iter().collect() } else { sure }
}

/// What a name to log in with is made from, the best first.
pub(super) fn sources(entry: &Entry) -> impl Iterator<Item = &str> {
    let login = entry.login.as_deref();
    let others = [entry.email.as_deref(), entry.full_name.as_deref(), entry.id.as_deref()];
    login.into_iter().chain(others.into_iter().flatten())
}

/// The name to log in with that the list itself has.
pub(super) fn own_login(entry: &Entry) -> Option<Username> {
    entry.login.as_ref().and_then(|login| login.parse().ok())
}
