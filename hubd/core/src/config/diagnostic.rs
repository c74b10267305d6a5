//! A problem with its place: `path:line:column`, the line, a mark below it, what to do.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

/// One problem in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
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
}

impl Diagnostic {
    /// Marks `span` (bytes) of `source`; a span beyond the line is cut at its end.
    pub fn new(source: &str, span: Range<usize>, message: impl Into<String>, hint: Option<&str>) -> Self {
        let start = source.floor_char_boundary(span.start);
        let line_start = source[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = source[start..].find('\n').map_or(source.len(), |newline| start + newline);
        let end = source.floor_char_boundary(span.end.min(line_end)).max(start);
        Self {
            line: source[..start].matches('\n').count() + 1,
            column: source[line_start..start].chars().count() + 1,
            width: source[start..end].chars().count().max(1),
            text: source[line_start..line_end].trim_end_matches('\r').to_owned(),
            message: message.into(),
            hint: hint.map(str::to_owned),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().enumerate() {
            if index > 0 {
                writeln!(formatter)?;
            }
            let Diagnostic { line, column, width, text, message, hint } = diagnostic;
            let gutter = " ".repeat(line.to_string().len());
            writeln!(formatter, "{}:{line}:{column}: {message}", self.path)?;
            writeln!(formatter, "{gutter} |")?;
            writeln!(formatter, "{line} | {}", text.replace('\t', " "))?;
            write!(formatter, "{gutter} | {}{}", " ".repeat(column - 1), "^".repeat(*width))?;
            if let Some(hint) = hint {
                write!(formatter, "\n{gutter} = hint: {hint}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
