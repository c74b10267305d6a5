//! A class list as people write it: one name a line, or CSV from a spreadsheet or a learning platform. All or nothing:
//! every bad line is reported with its place, and then nobody is added. Pure.

mod fields;

use std::collections::HashMap;

use hub_core::accounts::{NameError, Username};
use hub_core::config::{Diagnostic, Problems};
use hub_core::control::NewUser;

use fields::{Field, split};

/// More people than one machine teaches.
const MOST_PEOPLE: usize = 10_000;
/// What separates columns; none of them can be part of a name.
const SEPARATORS: [char; 3] = [',', ';', '\t'];

/// What a class list says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Roster {
    /// In the order of the file.
    pub(super) people: Vec<NewUser>,
    /// Columns that mean nothing here.
    pub(super) unused_columns: Vec<String>,
}

/// Reads a class list; `path` is what messages call it, `judge` says what is wrong with somebody's password.
pub(super) fn parse(
    content: &[u8],
    path: &str,
    judge: impl Fn(&Username, &str) -> Result<(), String>,
) -> Result<Roster, Problems> {
    let problems = |diagnostics| Problems { path: path.to_owned(), diagnostics, left_out: 0 };
    let source = decode(content).map_err(|diagnostic| problems(vec![diagnostic]))?;
    let lines = content_lines(&source);
    let first = lines.first().map(|line| line.number);
    let mut reader = Reader { source: &source, lines, first, columns: Columns::default(), found: Vec::new() };
    let unused_columns = reader.header();
    let people = reader.people(judge);
    if reader.found.is_empty() {
        Ok(Roster { people, unused_columns })
    } else {
        reader.found.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        Err(problems(reader.found))
    }
}

/// The text with plain line ends and without the mark that Windows programs put first.
fn decode(content: &[u8]) -> Result<String, Diagnostic> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let hint = "save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")";
    if content.starts_with(b"\xff\xfe") || content.starts_with(b"\xfe\xff") {
        return Err(Diagnostic::new("", 0..0, "the file is UTF-16", Some(hint)));
    }
    match std::str::from_utf8(content) {
        Ok(text) => Ok(text.replace("\r\n", "\n").replace('\r', "\n")),
        Err(error) => {
            let text = String::from_utf8_lossy(content);
            let start = error.valid_up_to();
            let mut diagnostic = Diagnostic::new(&text, start..start + 1, "the file is not UTF-8 here", Some(hint));
            // What follows the first separator may be a password.
            diagnostic.text = diagnostic.text.chars().take_while(|c| !SEPARATORS.contains(c)).collect();
            Err(diagnostic)
        }
    }
}

/// A line that says something, and where it starts.
#[derive(Clone, Copy)]
struct Line<'source> {
    number: usize,
    start: usize,
    text: &'source str,
}

fn content_lines(source: &str) -> Vec<Line<'_>> {
    let mut start = 0;
    let mut lines = Vec::new();
    for (index, text) in source.split('\n').enumerate() {
        let says = text.trim_matches(|c: char| c.is_whitespace() || SEPARATORS.contains(&c));
        if !says.is_empty() && !text.trim_start().starts_with('#') {
            lines.push(Line { number: index + 1, start, text });
        }
        start += text.len() + 1;
    }
    lines
}

/// Which column is which.
struct Columns {
    separator: Option<char>,
    name: usize,
    password: Option<usize>,
    /// Whether the first line named them.
    named: bool,
}

impl Default for Columns {
    fn default() -> Self {
        Self { separator: None, name: 0, password: Some(1), named: false }
    }
}

struct Reader<'source> {
    source: &'source str,
    lines: Vec<Line<'source>>,
    /// The number of the first line that says something.
    first: Option<usize>,
    columns: Columns,
    found: Vec<Diagnostic>,
}

impl Reader<'_> {
    /// Finds the separator and, if the first line names the columns, takes that line away. Returns the columns not used.
    fn header(&mut self) -> Vec<String> {
        self.columns.separator = self.lines.iter().find_map(|line| line.text.chars().find(|c| SEPARATORS.contains(c)));
        let Some(first) = self.lines.first() else { return Vec::new() };
        let Ok(fields) = split(first.text, self.columns.separator) else { return Vec::new() };
        let titles: Vec<String> = fields.iter().map(|field| field.value.to_lowercase()).collect();
        let position = |title: &str| titles.iter().position(|candidate| candidate == title);
        let Some(name) = position("username").or_else(|| position("name")) else { return Vec::new() };
        let password = position("password");
        self.columns = Columns { separator: self.columns.separator, name, password, named: true };
        self.lines.remove(0);
        let unused = |&(index, field): &(usize, &Field)| index != name && Some(index) != password && !field.value.is_empty();
        fields.iter().enumerate().filter(unused).map(|(_, field)| field.value.clone()).collect()
    }

    fn people(&mut self, judge: impl Fn(&Username, &str) -> Result<(), String>) -> Vec<NewUser> {
        let mut people = Vec::new();
        let mut seen: HashMap<Username, usize> = HashMap::new();
        for line in std::mem::take(&mut self.lines) {
            let fields = match split(line.text, self.columns.separator) {
                Ok(fields) => fields,
                Err((at, message)) => {
                    self.problem(line, &[], at..at + 1, message, None);
                    continue;
                }
            };
            let Some((name, name_span)) = self.name(line, &fields) else { continue };
            if let Some(first) = seen.get(&name) {
                let message = format!("{name} is on line {first} already");
                self.problem(line, &fields, name_span, message, Some("every person needs a name of their own"));
                continue;
            }
            seen.insert(name.clone(), line.number);
            let password = self.columns.password.and_then(|index| fields.get(index)).filter(|field| !field.value.is_empty());
            if let Some(field) = password
                && let Err(message) = judge(&name, &field.value)
            {
                self.problem(line, &fields, field.span.clone(), message, None);
                continue;
            }
            if !self.columns.named
                && let Some(third) = fields.iter().skip(2).find(|field| !field.value.is_empty())
            {
                let hint = "name the columns in a first line; `username` and `password` are used, the others are not";
                self.problem(line, &fields, third.span.clone(), "more than a name and a password", Some(hint));
                continue;
            }
            if people.len() == MOST_PEOPLE {
                let message = format!("more than {MOST_PEOPLE} people");
                self.problem(line, &fields, name_span, message, Some("split the file"));
                break;
            }
            people.push(NewUser { name, password: password.map(|field| field.value.clone()) });
        }
        people
    }

    fn name(&mut self, line: Line<'_>, fields: &[Field]) -> Option<(Username, std::ops::Range<usize>)> {
        let empty = Field { value: String::new(), span: 0..0 };
        let field = fields.get(self.columns.name).unwrap_or(&empty);
        match field.value.parse::<Username>() {
            Ok(name) => Some((name, field.span.clone())),
            Err(error) => {
                let heading = (self.first == Some(line.number) && !self.columns.named)
                    .then(|| "if this line names the columns, call the one to log in with `username`".to_owned());
                let near = suggestion(&field.value).map(|name| format!("`{name}` would do"));
                let hint = near.into_iter().chain(heading).collect::<Vec<_>>().join("; ");
                let message = match &error {
                    NameError::Empty => "the name is missing on this line".to_owned(),
                    error => error.to_string(),
                };
                self.problem(line, fields, field.span.clone(), message, Some(hint.as_str()).filter(|hint| !hint.is_empty()));
                None
            }
        }
    }

    /// Notes a problem at `span` of the line. Passwords on the line are not repeated.
    fn problem(
        &mut self,
        line: Line<'_>,
        fields: &[Field],
        span: std::ops::Range<usize>,
        message: impl Into<String>,
        hint: Option<&str>,
    ) {
        let place = line.start + span.start..line.start + span.end;
        let mut diagnostic = Diagnostic::new(self.source, place, message, hint);
        let end = diagnostic.column + diagnostic.width - 1;
        let password = self.columns.password.and_then(|index| fields.get(index)).map(|field| field.span.clone());
        diagnostic.text = match password {
            Some(password) => line.text.char_indices().map(|(at, c)| if password.contains(&at) { '*' } else { c }).collect(),
            // Without fields there is no telling where a password would be.
            None if fields.is_empty() => line.text.chars().take(end).map(|c| if c.is_alphanumeric() { '*' } else { c }).collect(),
            None => line.text.to_owned(),
        };
        self.found.push(diagnostic);
    }
}

/// A name close to `text` that would be accepted: lower case, the part of an e-mail address before the `@`.
fn suggestion(text: &str) -> Option<Username> {
    let text = text.split('@').next().unwrap_or(text);
    let text: String = text.trim().to_lowercase().split_whitespace().collect::<Vec<_>>().join(".");
    text.parse().ok()
}

#[cfg(test)]
mod tests;
