//! A class list as people write it: one name a line, or CSV from a spreadsheet or a learning platform. All or nothing:
//! every bad line is reported with its place, and then nobody is added. Where nobody looks before it is done ([`parse`]), nothing
//! is guessed: a list with several columns says what they are. Where somebody does ([`plan`]), columns are guessed and login names
//! made. In both only what is called a password is one. Pure.

mod class;
mod columns;
mod fields;
mod found;
mod header;
mod logins;
mod newcomer;
mod people;
mod person;
mod plan;
mod proposal;
mod table;

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use hub_core::accounts::{NameError, Username};
use hub_core::config::{Diagnostic, Problems};
use hub_core::control::NewUser;
use hub_core::text::{self, NoText};

use fields::{Field, split};
use found::{Cause, Found};
use header::{Columns, First};

pub use class::{ClassChange, Known, Listed, NewPerson, Profile};
pub use newcomer::{new_name, profile};
pub use plan::{Rules, plan};

/// A list of ten thousand names with passwords fits, in bytes.
pub const LARGEST: u64 = 1 << 20;
/// More people than one machine teaches.
const MOST_PEOPLE: usize = 10_000;
/// What separates columns; none of them can be part of a name. Where two are as frequent, the earlier one does.
const SEPARATORS: [char; 3] = ['\t', ';', ','];

/// What a class list says.
#[derive(Debug, PartialEq, Eq)]
pub struct Roster {
    /// In the order of the file.
    pub people: Vec<NewUser>,
    /// Columns that mean nothing here.
    pub unused_columns: Vec<String>,
    /// What was left out, one sentence each.
    pub notes: Vec<String>,
}

/// A name as it is typed; what can't be one comes with another that could.
pub fn typed(text: &str) -> Result<Username, String> {
    text.parse().map_err(|error: NameError| match proposal::propose(text, &HashSet::new()) {
        Some(name) => format!("{error}; `{name}` would do"),
        None => error.to_string(),
    })
}

/// Reads a class list; `path` is what messages call it, `judge` says what is wrong with somebody's password.
pub fn parse(content: &[u8], path: &str, judge: impl Fn(&Username, &str) -> Result<(), String>) -> Result<Roster, Problems> {
    let problems = |diagnostics| Problems { path: path.to_owned(), diagnostics, left_out: 0 };
    let decoded = text::decode_guessing(content, LARGEST).map_err(|reason| problems(vec![unreadable(content, &reason)]))?;
    let mut reader = Reader::new(&decoded.text, decoded.is_guessed);
    reader.header();
    let people = if reader.found.is_empty() { reader.people(judge) } else { Vec::new() };
    if reader.found.is_empty() {
        Ok(Roster { people, unused_columns: reader.columns.unused, notes: reader.notes })
    } else {
        Err(problems(reader.found.told()))
    }
}

/// What is no text, at its place.
fn unreadable(content: &[u8], reason: &NoText) -> Diagnostic {
    let (text, at, message) = match reason {
        NoText::Nul { at, .. } => (String::from_utf8_lossy(content), *at, "a NUL character".to_owned()),
        other => (String::new().into(), 0, format!("the list can't be read: {other}")),
    };
    let mut diagnostic = Diagnostic::new(&text, at..at + 1, message, Some(reason.hint()));
    // What follows the first separator may be a password.
    diagnostic.text = diagnostic.text.chars().take_while(|c| !SEPARATORS.contains(c)).collect();
    diagnostic
}

/// A line that says something, and where it starts.
#[derive(Clone, Copy)]
struct Line<'source> {
    number: usize,
    start: usize,
    text: &'source str,
}

/// Lines that begin with `#` are remarks, where `has_remarks`.
fn content_lines(source: &str, has_remarks: bool) -> Vec<Line<'_>> {
    let mut start = 0;
    let mut lines = Vec::new();
    for (index, text) in source.split('\n').enumerate() {
        let says = text.trim_matches(|c: char| c.is_whitespace() || SEPARATORS.contains(&c));
        let is_remark = has_remarks && text.trim_start().starts_with('#');
        if !says.is_empty() && !is_remark {
            lines.push(Line { number: index + 1, start, text });
        }
        start += text.len() + 1;
    }
    lines
}

/// The separator that a first line like `sep=;` names, as Excel writes it.
fn named_separator(line: &str) -> Option<char> {
    let rest =
        line.trim().trim_matches('"').strip_prefix("sep=").or_else(|| line.trim().trim_matches('"').strip_prefix("SEP="))?;
    let mut characters = rest.chars();
    let separator = characters.next().filter(|c| SEPARATORS.contains(c))?;
    characters.next().is_none().then_some(separator)
}

/// What stands most often between the fields of the first line that has any.
fn usual_separator(lines: &[Line<'_>]) -> Option<char> {
    lines.iter().find_map(|line| {
        let mut in_quotes = false;
        let outside: Vec<char> = line
            .text
            .chars()
            .filter(|c| {
                in_quotes ^= *c == '"';
                !in_quotes && SEPARATORS.contains(c)
            })
            .collect();
        let count = |separator: char| outside.iter().filter(|c| **c == separator).count();
        SEPARATORS.into_iter().rev().max_by_key(|separator| count(*separator)).filter(|separator| count(*separator) > 0)
    })
}

struct Reader<'source> {
    source: &'source str,
    lines: Vec<Line<'source>>,
    separator: Option<char>,
    columns: Columns,
    /// Whether a first line named the columns.
    is_headed: bool,
    /// Whether letters beyond ASCII may be wrong.
    is_guessed: bool,
    found: Found,
    notes: Vec<String>,
}

impl<'source> Reader<'source> {
    fn new(source: &'source str, is_guessed: bool) -> Self {
        let mut lines = content_lines(source, true);
        let named = lines.first().and_then(|line| named_separator(line.text));
        if named.is_some() {
            lines.remove(0);
        }
        let separator = named.or_else(|| usual_separator(&lines));
        Self {
            source,
            lines,
            separator,
            columns: Columns::default(),
            is_headed: false,
            is_guessed,
            found: Found::default(),
            notes: Vec::new(),
        }
    }

    /// If the first line names the columns, takes it away. One problem if nobody says what they are.
    fn header(&mut self) {
        let Some(&first) = self.lines.first() else { return };
        let Ok(fields) = split(first.text, self.separator) else { return };
        match header::read(&fields) {
            First::Heading(columns) => {
                (self.columns, self.is_headed) = (columns, true);
                self.lines.remove(0);
            }
            First::Unusable(message) => {
                let hint = "add a column `username`: the name that each person logs in with (a-z, 0-9, `.`, `_`, `-`); \
                            `hubctl roster apply` makes them";
                let all = 0..first.text.trim_end().len();
                self.found.push(Cause::Own, Diagnostic::new(self.source, place(first, &all), message, Some(hint)));
            }
            First::Data => self.require_one_column(),
        }
    }

    fn require_one_column(&mut self) {
        let rows = self.lines.iter().filter_map(|line| Some((*line, split(line.text, self.separator).ok()?)));
        let several = rows.filter_map(|(line, fields)| {
            let (first, others) = fields.split_first()?;
            let second = others.iter().find(|field| !field.value.is_empty())?;
            Some((line, first.span.clone(), second.span.clone()))
        });
        let Some((line, name, span)) = { several }.next() else { return };
        let hint = "names alone go one on each line; for columns, put a line above them that says what they are, as in \
                    `username,email` or `username,password` (only what is called `password` is taken for one)";
        let message = "the list has more than one column, and its first line does not say what they are";
        let mut diagnostic = Diagnostic::new(self.source, place(line, &span), message, Some(hint));
        diagnostic.text = masked(line.text, |at| !name.contains(&at) && !line.text[at..].starts_with(SEPARATORS));
        self.found.push(Cause::Own, diagnostic);
    }

    fn people(&mut self, judge: impl Fn(&Username, &str) -> Result<(), String>) -> Vec<NewUser> {
        let mut people = Vec::new();
        let mut seen: HashMap<Username, usize> = HashMap::new();
        let mut misnamed = Vec::new();
        for line in std::mem::take(&mut self.lines) {
            let fields = match split(line.text, self.separator) {
                Ok(fields) => fields,
                Err((at, message)) => {
                    self.problem(Cause::Same(message.to_owned()), line, &[], at..at + 1, message, None);
                    continue;
                }
            };
            let nothing = Field { value: String::new(), span: 0..0 };
            let field = fields.get(self.columns.name).unwrap_or(&nothing).clone();
            if let Some(note) = self.columns.nobody(&fields, &field.value).filter(|_| self.is_headed) {
                self.notes.push(format!("line {}: {note}", line.number));
                continue;
            }
            let name: Username = match field.value.parse() {
                Ok(name) => name,
                Err(NameError::Empty) => {
                    let message = "the name is missing on this line";
                    self.problem(Cause::Same(message.to_owned()), line, &fields, field.span, message, None);
                    continue;
                }
                Err(error) => {
                    misnamed.push((line, fields, field, error));
                    continue;
                }
            };
            if let Some(first) = seen.get(&name) {
                let message = format!("{name} is on line {first} already");
                let hint = Some("every person needs a name of their own");
                self.problem(Cause::Same("repeated".to_owned()), line, &fields, field.span, message, hint);
                continue;
            }
            seen.insert(name.clone(), line.number);
            let password = self.columns.password.and_then(|index| fields.get(index)).filter(|field| !field.value.is_empty());
            if let Some(field) = password
                && let Err((message, hint)) = self.judged(&name, &field.value, &judge)
            {
                self.problem(Cause::Same(message.clone()), line, &fields, field.span.clone(), message, hint);
                continue;
            }
            if people.len() == MOST_PEOPLE {
                let message = format!("more than {MOST_PEOPLE} people");
                self.problem(Cause::Own, line, &fields, field.span, message, Some("split the file"));
                break;
            }
            people.push(NewUser { name, password: password.map(|field| field.value.clone()) });
        }
        let mut taken: HashSet<Username> = seen.into_keys().collect();
        for (line, fields, field, error) in misnamed {
            let proposal = proposal::propose(&field.value, &taken);
            taken.extend(proposal.clone());
            let hint = proposal.as_ref().map(|name| format!("`{name}` would do"));
            self.problem(Cause::Name(field.value, proposal), line, &fields, field.span, error.to_string(), hint.as_deref());
        }
        people
    }

    /// What is wrong with a password, and what to do about it.
    fn judged(
        &self,
        name: &Username,
        password: &str,
        judge: impl Fn(&Username, &str) -> Result<(), String>,
    ) -> Result<(), (String, Option<&'static str>)> {
        if self.is_guessed && !password.is_ascii() {
            let message = "the password has letters beyond ASCII, and the list is not UTF-8".to_owned();
            return Err((message, Some("save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")")));
        }
        judge(name, password).map_err(|message| (message, None))
    }

    /// Notes a problem at `span` of the line. Passwords on the line are not repeated.
    fn problem(
        &mut self,
        cause: Cause,
        line: Line<'_>,
        fields: &[Field],
        span: Range<usize>,
        message: impl Into<String>,
        hint: Option<&str>,
    ) {
        let mut diagnostic = Diagnostic::new(self.source, place(line, &span), message, hint);
        let end = diagnostic.column + diagnostic.width - 1;
        let password = self.columns.password.and_then(|index| fields.get(index)).map(|field| field.span.clone());
        diagnostic.text = match password {
            Some(password) => masked(line.text, |at| password.contains(&at)),
            // Without fields there is no telling where a password would be.
            None if fields.is_empty() => line.text.chars().take(end).map(|c| if c.is_alphanumeric() { '*' } else { c }).collect(),
            None => line.text.to_owned(),
        };
        self.found.push(cause, diagnostic);
    }
}

fn place(line: Line<'_>, span: &Range<usize>) -> Range<usize> {
    line.start + span.start..line.start + span.end
}

fn masked(text: &str, is_secret: impl Fn(usize) -> bool) -> String {
    text.char_indices().map(|(at, c)| if is_secret(at) { '*' } else { c }).collect()
}

#[cfg(test)]
mod tests;
