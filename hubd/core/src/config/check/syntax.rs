//! What is no TOML at all, in words for people who don't know the format by heart.

use std::ops::Range;

use toml::de::{DeTable, DeValue, Error};

use crate::config::diagnostic::{Found, Words};

/// Notes every place where the text can't be read.
pub(super) fn report(root: &DeTable<'_>, errors: Vec<Error>, found: &mut Found<'_>) {
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let words = if error.message() == "duplicate key" {
            duplicate(root, &span, found)
        } else {
            let (message, hint) = explain(error.message(), found.source.text, &span);
            Words { kind: "syntax", message, hint }
        };
        found.push(span, || words);
    }
}

fn duplicate(root: &DeTable<'_>, span: &Range<usize>, found: &Found<'_>) -> Words {
    let text = found.source.text;
    let at = text.floor_char_boundary(span.start);
    let written = text.get(span.clone()).unwrap_or_default();
    let mut before = Vec::new();
    places(root, written.trim_matches(['"', '\'']), at, &mut before);
    let line = line_around(text, at).trim();
    let is_header = line.starts_with('[');
    // The same key may be in another table too: the one that is meant has no header in between.
    let is_here = |first: &&usize| !text[**first..at].lines().skip(1).any(|line| line.trim_start().starts_with('['));
    let first = if is_header {
        text[..at].lines().position(|other| other.trim() == line).map(|index| index + 1)
    } else {
        before.iter().filter(is_here).max().map(|first| found.source.line(*first))
    };
    let first = first.map_or(String::new(), |line| format!(", first in line {line}"));
    let hint = if is_header { "put all keys of a table below one header" } else { "keep one of the two" };
    let message = format!("`{}` is there twice{first}", written.escape_debug());
    Words { kind: "duplicate", message, hint: Some(hint.to_owned()) }
}

/// Where keys called `name` are before the byte `limit`.
fn places(table: &DeTable<'_>, name: &str, limit: usize, found: &mut Vec<usize>) {
    for (key, value) in table {
        if key.get_ref() == name && key.span().start < limit {
            found.push(key.span().start);
        }
        if let DeValue::Table(inner) = value.get_ref() {
            places(inner, name, limit, found);
        }
    }
}

fn line_around(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    text[start..].lines().next().unwrap_or_default()
}

/// The parser's words in ours, with what to do; its own where we have none.
fn explain(message: &str, text: &str, span: &Range<usize>) -> (String, Option<String>) {
    let at = text.floor_char_boundary(span.start);
    let written = text.get(span.clone()).unwrap_or_default().trim();
    let (line, rest) = (line_around(text, at).trim_start(), text[at..].lines().next().unwrap_or_default());
    if line.starts_with('<') {
        return ("this is a web page, not a configuration".to_owned(), Some("look at where the file came from".to_owned()));
    }
    let unquoted = message.starts_with("string values must be quoted");
    if unquoted && !written.is_empty() {
        let hint =
            (written.chars().count() <= 60 && !written.contains(['"', '\''])).then(|| format!("put it in quotes: \"{written}\""));
        return (format!("`{}` is not a value", written.escape_debug()), hint);
    }
    let key = message.starts_with("invalid unquoted key");
    let comma = message.starts_with("missing comma between array elements");
    let words = [
        (
            message.starts_with("unclosed table"),
            "the name of a table ends with `]`",
            "a table begins as in [limits], alone in its line",
        ),
        (
            message.starts_with("invalid basic string, expected `\""),
            "the string does not end in its line",
            "a string ends with the quote that it began with: \"",
        ),
        (
            message.starts_with("invalid literal string, expected `'"),
            "the string does not end in its line",
            "a string ends with the quote that it began with: '",
        ),
        (
            message.starts_with("invalid basic string") || message.starts_with("invalid literal string"),
            "a string can't have this character",
            "take it out, or write it as an escape, as in \"\\u0009\"",
        ),
        (
            message.starts_with("missing escaped value"),
            "the backslash before it means something else",
            "write two backslashes, or put the string into single quotes",
        ),
        (unquoted, "the value is missing", "a line is as in memory = \"1G\""),
        (message.starts_with("invalid boolean"), "true and false are written in small letters", "write true or false"),
        (message.starts_with("key with no value"), "`=` and a value are missing here", "a line is as in memory = \"1G\""),
        (key && rest.starts_with(':'), "a key and its value have a `=` between them", "write = in place of :"),
        (key && rest.starts_with("//"), "this is not a comment", "comments begin with #"),
        (key, "a key can't have this character", "keys are made of a-z, 0-9, `_` and `-`"),
        (
            message.starts_with("unexpected key or value"),
            "the line goes on after its value",
            "one line has one key and one value; comments begin with #",
        ),
        (comma && rest.starts_with(char::is_alphabetic), "the list above does not end", "a list ends with ]"),
        (comma, "a comma is missing here", "items of a list have a comma between them; the list ends with ]"),
        (message.starts_with("unclosed array"), "the list does not end", "a list ends with ]"),
    ];
    let known = words.into_iter().find(|(applies, ..)| *applies);
    known.map_or((message.to_owned(), None), |(_, message, hint)| (message.to_owned(), Some(hint.to_owned())))
}
