//! One line of CSV: fields, their places, quotes as spreadsheets write them. Pure.

use std::ops::Range;

/// What stands between two separators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// Without quotes; without the space around it unless it was quoted.
    pub(super) value: String,
    /// Where it stands in the line, in bytes, quotes included.
    pub(super) span: Range<usize>,
}

/// Splits a line; without a separator it is one field.
///
/// # Errors
/// Where and why a quoted field has no proper end.
pub(super) fn split(line: &str, separator: Option<char>) -> Result<Vec<Field>, (usize, &'static str)> {
    let mut fields = Vec::new();
    let mut start = 0;
    loop {
        let rest = &line[start..];
        let lead = rest.len() - rest.trim_start_matches(|c| is_blank(c) && Some(c) != separator).len();
        let from = start + lead;
        let (field, end) = if line[from..].starts_with('"') {
            quoted(line, from, separator)?
        } else {
            let end = line[from..].find(|c| Some(c) == separator).map_or(line.len(), |length| from + length);
            let value = line[from..end].trim_end_matches(is_blank);
            (Field { value: value.to_owned(), span: from..from + value.len() }, end)
        };
        fields.push(field);
        match (line[end..].chars().next(), separator) {
            (Some(found), Some(separator)) if found == separator => start = end + separator.len_utf8(),
            _ => return Ok(fields),
        }
    }
}

/// White space, and what is not seen at all but comes along from web pages and spreadsheets.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// The quoted field that starts at `from`, and where the next separator, or the end of the line, is.
fn quoted(line: &str, from: usize, separator: Option<char>) -> Result<(Field, usize), (usize, &'static str)> {
    let mut value = String::new();
    let mut characters = line[from..].char_indices().skip(1).peekable();
    while let Some((offset, character)) = characters.next() {
        if character != '"' {
            value.push(character);
        } else if characters.next_if(|&(_, next)| next == '"').is_some() {
            value.push('"');
        } else {
            let after = from + offset + 1;
            let rest = &line[after..];
            let end = after + rest.find(|c| Some(c) == separator).unwrap_or(rest.len());
            if !line[after..end].trim().is_empty() {
                return Err((after, "there is text after the closing quote"));
            }
            return Ok((Field { value, span: from..after }, end));
        }
    }
    Err((from, "this quote is not closed on its line"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(line: &str, separator: Option<char>) -> Vec<String> {
        split(line, separator).unwrap().into_iter().map(|field| field.value).collect()
    }

    #[test]
    fn splits_what_spreadsheets_write() {
        for (line, separator, expected) in [
            ("ada", None, vec!["ada"]),
            (" ada\t", None, vec!["ada"]),
            ("\u{a0}ada\u{200b},\u{feff}secret\u{2060}", Some(','), vec!["ada", "secret"]),
            ("ada,secret", Some(','), vec!["ada", "secret"]),
            (" ada ; secret ", Some(';'), vec!["ada", "secret"]),
            ("ada\t\tx", Some('\t'), vec!["ada", "", "x"]),
            ("ada,", Some(','), vec!["ada", ""]),
            ("\"ada\",\" with, \"\"all\"\" \"", Some(','), vec!["ada", " with, \"all\" "]),
            ("\"a\" , \"\"", Some(','), vec!["a", ""]),
            ("ada,it's 5\" long", Some(','), vec!["ada", "it's 5\" long"]),
            ("ädä,ß", Some(','), vec!["ädä", "ß"]),
        ] {
            assert_eq!(values(line, separator), expected, "{line:?}");
        }
    }

    #[test]
    fn knows_where_a_field_stands() {
        let spans: Vec<_> = split(" ada, \"x\"\"y\" ,z", Some(',')).unwrap().into_iter().map(|field| field.span).collect();
        assert_eq!(spans, [1..4, 6..12, 14..15]);
    }

    #[test]
    fn a_quote_must_close_before_the_separator() {
        assert_eq!(split("ada,\"open", Some(',')), Err((4, "this quote is not closed on its line")));
        assert_eq!(split("\"ada\"x,y", Some(',')), Err((5, "there is text after the closing quote")));
    }
}
