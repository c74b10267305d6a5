//! Where a new key belongs in the text, and which part of the text an old one takes.

use std::ops::Range;

use toml_edit::{Document, InlineTable, Item, Key, TableLike, Value};

use super::key::KeyPath;
use super::{EditError, Splice, line_end, line_start};

/// A `[section]` as it is written, from its heading to the next one.
struct Section {
    path: KeyPath,
    text: Range<usize>,
    heading_end: usize,
}

/// What writes the new `key`.
pub(super) fn insertion(source: &str, document: &Document<&str>, key: &KeyPath, value: &Value) -> Result<Splice, EditError> {
    let layout = || EditError::Layout(key.clone());
    let parts = key.parts();
    let (mut depth, mut item) = (0, document.as_item());
    while let Some(inner) = parts.get(depth).and_then(|part| item.get(part)) {
        (depth, item) = (depth + 1, inner);
    }
    let rest = key.rest(depth);
    match item {
        Item::Value(Value::InlineTable(table)) => into_inline(table, &format!("{rest} = {value}")).ok_or_else(layout),
        Item::Value(_) | Item::ArrayOfTables(_) => Err(EditError::Taken(key.clone())),
        Item::Table(table) if table.is_dotted() => {
            let (child, _) =
                table.get_values().last().and_then(|(keys, value)| Some((*keys.first()?, *value))).ok_or_else(layout)?;
            let (start, last) = (child.span().ok_or_else(layout)?.start, last_value(table).ok_or_else(layout)?);
            let before = &source[line_start(source, start)..start];
            Ok(line(source, line_end(source, last), &format!("{before}{rest} = {value}")))
        }
        _ => {
            let sections = sections(source, document);
            let home = key.beginning(parts.len() - 1);
            let own = KeyPath::new(parts.last());
            if let Some(section) = sections.iter().find(|section| section.path == home) {
                let values = values_in(document, &section.text);
                let at = commented_out(source, section, &own, &values)
                    .or_else(|| values.iter().map(|value| value.end).max())
                    .unwrap_or(section.heading_end);
                return Ok(line(source, line_end(source, at.saturating_sub(1)), &format!("{own} = {value}")));
            }
            let text = format!("[{home}]\n{own} = {value}");
            // Beside the sections of the same family, or at the end.
            let family = key.beginning(parts.len().saturating_sub(1).min(2));
            let relative =
                sections.iter().rev().find(|section| parts.len() > 2 && section.path.parts().starts_with(family.parts()));
            match relative {
                Some(section) => {
                    let values = values_in(document, &section.text);
                    let at = values.iter().map(|value| value.end).max().unwrap_or(section.heading_end);
                    Ok(line(source, line_end(source, at.saturating_sub(1)), &format!("\n{text}")))
                }
                None if source.trim().is_empty() => Ok((source.len()..source.len(), format!("{text}\n"))),
                None => Ok(line(source, source.len(), &format!("\n{text}"))),
            }
        }
    }
}

/// What takes `key` out.
pub(super) fn removal(source: &str, document: &Document<&str>, key: &KeyPath, value: &Value) -> Result<Vec<Splice>, EditError> {
    let layout = || EditError::Layout(key.clone());
    let span = value.span().ok_or_else(layout)?;
    let parent = key.parts()[..key.parts().len() - 1].iter().try_fold(document.as_item(), |item, part| item.get(part));
    let parent = parent.ok_or_else(layout)?;
    if let Some(table) = enclosing_inline(document, key) {
        return from_inline(table, &span).map(|splice| vec![splice]).ok_or_else(layout);
    }
    let name = parent.as_table_like().and_then(|table| table.key(key.parts().last()?)).and_then(Key::span).ok_or_else(layout)?;
    Ok(vec![(line_start(source, name.start)..line_end(source, span.end), String::new())])
}

/// What takes everything in the section `key` out, its headings too.
pub(super) fn section_removal(source: &str, document: &Document<&str>, key: &KeyPath) -> Result<Vec<Splice>, EditError> {
    let mut splices = Vec::new();
    for section in sections(source, document).iter().filter(|section| section.path.parts().starts_with(key.parts())) {
        splices.push((line_start(source, section.text.start)..section.heading_end, String::new()));
    }
    let item = super::find(document, key).and_then(Item::as_table_like);
    let mut leaves = Vec::new();
    item.into_iter().for_each(|table| collect(table, key, &mut leaves));
    for (leaf, value) in leaves {
        splices.extend(removal(source, document, &leaf, value)?);
    }
    Ok(splices)
}

fn collect<'document>(table: &'document dyn TableLike, path: &KeyPath, leaves: &mut Vec<(KeyPath, &'document Value)>) {
    for (name, item) in table.iter() {
        let path = KeyPath::new(path.parts().iter().map(String::as_str).chain([name]));
        match item {
            Item::Value(value) => leaves.push((path, value)),
            Item::Table(table) => collect(table, &path, leaves),
            _ => {}
        }
    }
}

/// A line of its own at `at`, which is the beginning of a line or the end of the text.
fn line(source: &str, at: usize, text: &str) -> Splice {
    let broken = if at > 0 && !source[..at].ends_with('\n') { "\n" } else { "" };
    (at..at, format!("{broken}{text}\n"))
}

/// The `[sections]` in the order of the text.
fn sections(source: &str, document: &Document<&str>) -> Vec<Section> {
    let mut found = Vec::new();
    headings(document.as_table(), &KeyPath::new(Vec::<String>::new()), &mut found);
    found.sort_by_key(|(start, _)| *start);
    let ends: Vec<usize> = found.iter().skip(1).map(|(start, _)| *start).chain([source.len()]).collect();
    let section = |((start, path), end): ((usize, KeyPath), usize)| Section {
        path,
        text: start..end,
        heading_end: line_end(source, start),
    };
    found.into_iter().zip(ends).map(section).collect()
}

fn headings(table: &toml_edit::Table, path: &KeyPath, found: &mut Vec<(usize, KeyPath)>) {
    for (name, item) in table.iter() {
        let path = KeyPath::new(path.parts().iter().map(String::as_str).chain([name]));
        if let Item::Table(table) = item {
            if let Some(span) = table.span().filter(|_| !table.is_implicit() && !table.is_dotted()) {
                found.push((span.start, path.clone()));
            }
            headings(table, &path, found);
        }
    }
}

/// The places of all values that begin in `text`.
fn values_in(document: &Document<&str>, text: &Range<usize>) -> Vec<Range<usize>> {
    let mut leaves = Vec::new();
    collect(document.as_table(), &KeyPath::new(Vec::<String>::new()), &mut leaves);
    leaves.into_iter().filter_map(|(_, value)| value.span()).filter(|span| text.contains(&span.start)).collect()
}

/// The end of the line in `section` that has `key` as a comment, as in `# memory = "1G"`.
fn commented_out(source: &str, section: &Section, key: &KeyPath, values: &[Range<usize>]) -> Option<usize> {
    let mut start = section.heading_end;
    while start < section.text.end {
        let end = line_end(source, start);
        let comment = source[start..end].trim().strip_prefix('#').map(str::trim_start);
        let is_example =
            comment.and_then(|text| text.strip_prefix(&key.to_string())).is_some_and(|rest| rest.trim_start().starts_with('='));
        if is_example && !values.iter().any(|value| value.contains(&start)) {
            return Some(end);
        }
        start = end;
    }
    None
}

fn last_value(table: &toml_edit::Table) -> Option<usize> {
    table.get_values().iter().filter_map(|(_, value)| value.span()).map(|span| span.end).max()
}

fn into_inline(table: &InlineTable, text: &str) -> Option<Splice> {
    let span = table.span()?;
    Some(match table.get_values().iter().filter_map(|(_, value)| value.span()).map(|span| span.end).max() {
        Some(end) => (end..end, format!(", {text}")),
        None => (span, format!("{{ {text} }}")),
    })
}

/// The outermost `{ ... }` around `key`.
fn enclosing_inline<'document>(document: &'document Document<&str>, key: &KeyPath) -> Option<&'document InlineTable> {
    let mut item = document.as_item();
    for part in key.parts() {
        if let Item::Value(Value::InlineTable(table)) = item {
            return Some(table);
        }
        item = item.get(part)?;
    }
    None
}

/// Takes one entry out of `{ ... }`, with the comma that is too much then.
fn from_inline(table: &InlineTable, value: &Range<usize>) -> Option<Splice> {
    let entries: Vec<(usize, usize)> = table
        .get_values()
        .iter()
        .map(|(keys, value)| Some((keys.first()?.span()?.start, value.span()?.end)))
        .collect::<Option<_>>()?;
    let index = entries.iter().position(|(_, end)| *end == value.end)?;
    let (start, end) = *entries.get(index)?;
    Some(match (entries.get(index + 1), index.checked_sub(1).and_then(|before| entries.get(before))) {
        (Some((next, _)), _) => (start..*next, String::new()),
        (None, Some((_, before))) => (*before..end, String::new()),
        (None, None) => (start..end, String::new()),
    })
}
