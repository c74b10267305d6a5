//! A problem with its place: `path:line:column`, the line, a mark below it, what to do.

mod excerpt;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use serde::Serialize;

use excerpt::Excerpt;

/// More problems than anybody reads at once.
const MOST: usize = 100;

/// One problem in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// What kind of problem, in one stable word: `syntax`, `unknown_key`, `renamed`, `not_in_this_version`, `wrong_type`,
    /// `wrong_value`, `duplicate`, `repeated`, `conflict`, `incomplete`, `encoding` or `too_large`.
    pub kind: &'static str,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// How many characters are marked.
    pub width: usize,
    /// The line itself.
    pub text: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Every problem of one file; as an error it prints them all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// What the file is called in messages.
    pub path: String,
    /// In the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// How many more there are.
    pub left_out: usize,
}

impl Diagnostic {
    /// Marks `span` (bytes) of `source`; a span beyond the line is cut at its end.
    pub fn new(source: &str, span: Range<usize>, message: impl Into<String>, hint: Option<&str>) -> Self {
        let words = Words { kind: "wrong_value", message: message.into(), hint: hint.map(str::to_owned) };
        Source::new(source).diagnostic(span, words)
    }

    fn render(&self, path: &str, paint: impl Fn(&str, &str) -> String) -> String {
        let Self { kind: _, line, column, width, text, message, hint } = self;
        let gutter = " ".repeat(line.to_string().len());
        let bar = paint(BLUE, "|");
        let Excerpt { text, before, marked } = Excerpt::new(text, column - 1, *width);
        let mut lines = vec![
            format!("{}:{line}:{column}: {}", visible(path), paint(BOLD, &visible(message))),
            format!("{gutter} {bar}"),
            format!("{} {bar} {text}", paint(BLUE, &line.to_string())).trim_end().to_owned(),
            format!("{gutter} {bar} {}{}", " ".repeat(before), paint(RED, &"^".repeat(marked))),
        ];
        lines.extend(hint.as_ref().map(|hint| format!("{gutter} {} hint: {}", paint(BLUE, "="), visible(hint))));
        lines.join("\n")
    }
}

const BOLD: &str = "1";
const RED: &str = "1;31";
const BLUE: &str = "1;34";

impl Problems {
    /// Every problem as people read it, in colour or without.
    pub fn render(&self, color: bool) -> String {
        let paint = |code: &str, text: &str| if color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() };
        let mut blocks: Vec<String> = self.diagnostics.iter().map(|problem| problem.render(&self.path, paint)).collect();
        if self.left_out > 0 {
            blocks.push(format!("and {} more", self.left_out));
        }
        blocks.join("\n")
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}

/// A text, and where its lines begin.
pub(super) struct Source<'text> {
    pub(super) text: &'text str,
    starts: Vec<usize>,
}

impl<'text> Source<'text> {
    pub(super) fn new(text: &'text str) -> Self {
        let after = text.match_indices('\n').map(|(newline, _)| newline + 1);
        Self { text, starts: std::iter::once(0).chain(after).collect() }
    }

    /// The line of a byte, counted from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at)
    }

    pub(super) fn diagnostic(&self, span: Range<usize>, words: Words) -> Diagnostic {
        let Words { kind, message, hint } = words;
        let start = self.text.floor_char_boundary(span.start);
        let line = self.line(start);
        let line_start = self.starts.get(line - 1).copied().unwrap_or_default();
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |newline| start + newline);
        let end = self.text.floor_char_boundary(span.end.min(line_end)).max(start);
        Diagnostic {
            kind,
            line,
            column: self.text[line_start..start].chars().count() + 1,
            width: self.text[start..end].chars().count().max(1),
            text: self.text[line_start..line_end].trim_end_matches('\r').to_owned(),
            message,
            hint,
        }
    }
}

/// What to say about a problem, without its place.
pub(super) struct Words {
    pub(super) kind: &'static str,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// The problems of one text, as they are found.
pub(super) struct Found<'text> {
    pub(super) source: Source<'text>,
    list: Vec<Diagnostic>,
    left_out: usize,
}

impl<'text> Found<'text> {
    pub(super) fn new(text: &'text str) -> Self {
        Self { source: Source::new(text), list: Vec::new(), left_out: 0 }
    }

    /// Notes a problem, and words it only if there is room for it.
    pub(super) fn push(&mut self, span: Range<usize>, words: impl FnOnce() -> Words) {
        if self.list.len() >= MOST {
            self.left_out += 1;
            return;
        }
        self.list.push(self.source.diagnostic(span, words()));
    }

    /// How many problems there are.
    pub(super) fn count(&self) -> usize {
        self.list.len() + self.left_out
    }

    /// All of them, in the order of the text, less what may be a mere consequence of another.
    pub(super) fn finish(self, path: &str) -> Result<(), Problems> {
        if self.count() == 0 {
            return Ok(());
        }
        let Self { source, mut list, left_out } = self;
        list.sort_by_key(|problem| (problem.line, problem.column));
        // Each line that can't be read has one problem: its first.
        let is_broken = |problem: &Diagnostic| matches!(problem.kind, "syntax" | "duplicate");
        let broken: BTreeSet<usize> = list.iter().filter(|problem| is_broken(problem)).map(|problem| problem.line).collect();
        let mut last = 0;
        list.retain(|problem| {
            let keep = !broken.contains(&problem.line) || (is_broken(problem) && problem.line != last);
            last = if keep { problem.line } else { last };
            keep
        });
        // After half a header nobody knows where a key belongs.
        let is_header = |line: usize| {
            let start = source.starts.get(line - 1).copied().unwrap_or_default();
            source.text[start..].trim_start().starts_with('[')
        };
        let is_lost = list.iter().any(|problem| problem.kind == "syntax" && is_header(problem.line));
        let is_misread = list.iter().any(|problem| matches!(problem.kind, "syntax" | "unknown_key" | "renamed"));
        list.retain(|problem| match problem.kind {
            "unknown_key" => !is_lost,
            "incomplete" => !is_misread,
            _ => true,
        });
        Err(Problems { path: path.to_owned(), diagnostics: list, left_out })
    }
}

/// The text without anything that could drive a terminal or turn the direction of reading; line ends stay.
fn visible(text: &str) -> String {
    text.split('\n').map(|line| line.chars().map(excerpt::visible).collect::<String>()).collect::<Vec<_>>().join("\n")
}
