//! Adding to and taking from a list as a person would write it: on the same line, or one entry per line.

use std::ops::Range;

use toml_edit::Array;

use super::{Splice, line_end, line_start};

/// What adds `value` at the end. `None`: the list has no place in the text.
pub(super) fn addition(source: &str, array: &Array, value: &str) -> Option<Vec<Splice>> {
    let span = array.span()?;
    let closing = span.end - 1;
    let Some(last) = spans(array)?.pop() else {
        let inner = span.start + 1..closing;
        return Some(vec![if source[inner.clone()].trim().is_empty() {
            (inner, value.to_owned())
        } else {
            // Nothing but comments, so the bracket closes on a line of its own.
            let start = line_start(source, closing);
            (start..start, format!("    {value},\n"))
        }]);
    };
    let start = line_start(source, last.start);
    if start <= span.start {
        return Some(vec![(last.end..last.end, format!(", {value}"))]);
    }
    let indent: String = source[start..].chars().take_while(|c| matches!(c, ' ' | '\t')).collect();
    let comma = comma_after(source, last.end, closing);
    let anchor = comma.map_or(last.end, |comma| comma + 1);
    // Behind the remark that stands on the line of the last entry.
    let end = source[anchor..closing].find('\n').map_or(anchor, |newline| anchor + newline);
    Some(match comma {
        Some(_) => vec![(end..end, format!("\n{indent}{value},"))],
        None if end == last.end => vec![(end..end, format!(",\n{indent}{value}"))],
        None => vec![(last.end..last.end, ",".to_owned()), (end..end, format!("\n{indent}{value}"))],
    })
}

/// What takes the entry `index` out, with the rest of its line where it has one of its own.
pub(super) fn removal(source: &str, array: &Array, index: usize) -> Option<Splice> {
    let closing = array.span()?.end - 1;
    let spans = spans(array)?;
    let entry = spans.get(index)?.clone();
    let comma = comma_after(source, entry.end, closing);
    let own = line_start(source, entry.start)..line_end(source, entry.end);
    if source[own.start..entry.start].trim().is_empty() && own.end <= closing {
        let rest = source[entry.end..own.end].trim_start();
        let after_comma = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        let comma_is_here = comma.is_none_or(|comma| comma < own.end);
        if comma_is_here && (after_comma.is_empty() || after_comma.starts_with('#')) {
            return Some((own, String::new()));
        }
    }
    Some(match (comma, index.checked_sub(1).and_then(|before| spans.get(before))) {
        (Some(comma), _) if index + 1 < spans.len() => {
            let blanks = source[comma + 1..].chars().take_while(|c| matches!(c, ' ' | '\t')).count();
            (entry.start..comma + 1 + blanks, String::new())
        }
        (_, Some(before)) if !source[before.end..entry.start].contains('#') => (before.end..entry.end, String::new()),
        (Some(comma), None) => (entry.start..comma + 1, String::new()),
        _ => (entry, String::new()),
    })
}

fn spans(array: &Array) -> Option<Vec<Range<usize>>> {
    array.iter().map(toml_edit::Value::span).collect()
}

/// The comma between `from` and the next entry or `closing`; comments are skipped.
fn comma_after(source: &str, from: usize, closing: usize) -> Option<usize> {
    let mut in_comment = false;
    for (offset, character) in source[from..closing].char_indices() {
        match character {
            '\n' => in_comment = false,
            _ if in_comment => {}
            '#' => in_comment = true,
            ',' => return Some(from + offset),
            character if character.is_whitespace() => {}
            _ => return None,
        }
    }
    None
}
