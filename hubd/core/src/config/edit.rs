//! Changes single keys of a configuration text and leaves every other byte as it is: comments, order, spelling. What
//! comes out is read again and compared with what was wanted before anybody gets it. Pure.

mod array;
mod key;
mod place;
#[cfg(test)]
mod tests;

use std::ops::Range;

use toml_edit::{Array, Document, Item, Value};

pub use key::KeyPath;

/// Why a text could not be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The text is not TOML, so nothing has a place in it.
    #[error("the file is not valid TOML: {0}")]
    NotToml(String),
    /// The key is a section, which has no value of its own.
    #[error("`{0}` is a section; expected a key in it, as in `{0}.NAME`")]
    Section(KeyPath),
    /// The key has one value, to which nothing can be added.
    #[error("`{0}` is not a list")]
    NotList(KeyPath),
    /// Something above the key is a value already.
    #[error("`{0}` can't be written into this file, because a part of its name has a value there")]
    Taken(KeyPath),
    /// The file is laid out in a way in which this change would do more than it should.
    #[error("`{0}` can't be changed without changing more of this file; edit it by hand")]
    Layout(KeyPath),
}

/// A part of the text, in bytes, and what comes in its place.
type Splice = (Range<usize>, String);

/// Gives `key` the value `value`. A key that has none yet is written below its commented-out example, or at the end of
/// its section.
///
/// # Errors
/// When `key` is a section, or can't be written where it belongs.
pub fn set(source: &str, key: &KeyPath, value: &Value) -> Result<String, EditError> {
    let document = read(source)?;
    let bare = bare(value);
    let splice = match find(&document, key) {
        Some(Item::Value(old)) => (old.span().ok_or_else(|| EditError::Layout(key.clone()))?, bare.to_string()),
        Some(_) => return Err(EditError::Section(key.clone())),
        None => place::insertion(source, &document, key, &bare)?,
    };
    checked(source, key, Some(&bare), vec![splice])
}

/// Takes `key`, or everything in the section `key`, out of the text. Comments on lines of their own stay.
/// `None`: it is not there.
///
/// # Errors
/// When it can't be taken out alone.
pub fn unset(source: &str, key: &KeyPath) -> Result<Option<String>, EditError> {
    let document = read(source)?;
    let Some(item) = find(&document, key) else { return Ok(None) };
    let splices = match item {
        Item::Value(value) => place::removal(source, &document, key, value)?,
        _ => place::section_removal(source, &document, key)?,
    };
    checked(source, key, None, splices).map(Some)
}

/// Adds those of `values` to the list `key` that are not in it. `None`: all are.
///
/// # Errors
/// When `key` is not a list.
pub fn add(source: &str, key: &KeyPath, values: &[String]) -> Result<Option<String>, EditError> {
    let mut text = source.to_owned();
    for value in values {
        let document = read(&text)?;
        let Some(array) = list(&document, key)? else {
            text = set(&text, key, &Value::from(Array::from_iter([value.as_str()])))?;
            continue;
        };
        if array.iter().any(|item| item.as_str() == Some(value)) {
            continue;
        }
        let mut wanted = array.clone();
        wanted.push(value.as_str());
        let splices = array::addition(&text, array, &bare(&Value::from(value.as_str())).to_string());
        let splices = splices.ok_or_else(|| EditError::Layout(key.clone()))?;
        text = checked(&text, key, Some(&bare(&Value::from(wanted))), splices)?;
    }
    Ok((text != source).then_some(text))
}

/// Takes those of `values` out of the list `key` that are in it. `None`: none is.
///
/// # Errors
/// When `key` is not a list.
pub fn remove(source: &str, key: &KeyPath, values: &[String]) -> Result<Option<String>, EditError> {
    let mut text = source.to_owned();
    loop {
        let document = read(&text)?;
        let Some(array) = list(&document, key)? else { return Ok(None) };
        let is_unwanted = |item: &Value| item.as_str().is_some_and(|item| values.iter().any(|value| value == item));
        let Some(index) = array.iter().position(is_unwanted) else { break };
        let mut wanted = array.clone();
        wanted.remove(index);
        let splice = array::removal(&text, array, index).ok_or_else(|| EditError::Layout(key.clone()))?;
        text = checked(&text, key, Some(&bare(&Value::from(wanted))), vec![splice])?;
    }
    Ok((text != source).then_some(text))
}

fn read(source: &str) -> Result<Document<&str>, EditError> {
    Document::parse(source).map_err(|error| EditError::NotToml(error.message().to_owned()))
}

fn find<'document>(document: &'document Document<&str>, key: &KeyPath) -> Option<&'document Item> {
    key.parts().iter().try_fold(document.as_item(), |item, part| item.get(part))
}

fn list<'document>(document: &'document Document<&str>, key: &KeyPath) -> Result<Option<&'document Array>, EditError> {
    match find(document, key) {
        None => Ok(None),
        Some(item) => item.as_array().map(Some).ok_or_else(|| EditError::NotList(key.clone())),
    }
}

/// `value` as it is written without anything around it.
fn bare(value: &Value) -> Value {
    let mut value = value.clone();
    if let Value::Array(array) = &mut value {
        array.fmt();
        array.set_trailing_comma(false);
        array.set_trailing("");
    }
    value.decorated("", "")
}

/// Makes the changes, then makes sure that `key` has the value wanted, and that nothing else has another one.
fn checked(source: &str, key: &KeyPath, wanted: Option<&Value>, mut splices: Vec<Splice>) -> Result<String, EditError> {
    let layout = || EditError::Layout(key.clone());
    splices.sort_by_key(|(range, _)| range.start);
    let mut text = source.to_owned();
    for (range, replacement) in splices.iter().rev() {
        text.replace_range(range.clone(), replacement);
    }
    let values = |text: &str| toml::from_str::<toml::Table>(text).map_err(|_| layout());
    let (mut before, mut after) = (values(source)?, values(&text)?);
    take(&mut before, key.parts());
    let found = take(&mut after, key.parts());
    let wanted = match wanted {
        None => None,
        Some(value) => values(&format!("value = {value}"))?.remove("value"),
    };
    if before == after && found == wanted { Ok(text) } else { Err(layout()) }
}

/// Takes a value out of nested tables, and the tables that are empty then.
fn take(table: &mut toml::Table, parts: &[String]) -> Option<toml::Value> {
    let (first, rest) = parts.split_first()?;
    if rest.is_empty() {
        return table.remove(first);
    }
    let inner = table.get_mut(first)?.as_table_mut()?;
    let taken = take(inner, rest);
    if inner.is_empty() {
        table.remove(first);
    }
    taken
}

/// Where the line begins that has the byte `at`.
fn line_start(source: &str, at: usize) -> usize {
    source[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Where the line ends that has the byte `at`, its line feed included.
fn line_end(source: &str, at: usize) -> usize {
    source[at..].find('\n').map_or(source.len(), |newline| at + newline + 1)
}
