//! The rows of a class list, whatever program wrote it: fields by column, the line each row is on. Pure.

use hub_core::control::roster::{LineProblem, MOST_COLUMNS, MOST_PEOPLE};

use super::fields::split;
use super::header::plain;
use super::{content_lines, named_separator, usual_separator};

/// How exports of Brightspace begin, which put a `#` before numbers and login names, so that spreadsheets take them for texts.
const MARKED: &str = "orgdefinedid";

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Its line.
    pub(super) line: usize,
    /// From the first column on.
    pub(super) fields: Vec<String>,
}

impl Row {
    /// What stands in column `at`; nothing where there is none.
    pub(super) fn text(&self, at: usize) -> &str {
        self.fields.get(at).map_or("", |field| field.trim())
    }
}

/// The rows of `source`, and what could not be read.
pub(super) fn rows(source: &str) -> (Vec<Row>, Vec<LineProblem>) {
    let is_marked = content_lines(source, true).first().is_some_and(|line| plain(line.text).starts_with(MARKED));
    let mut lines = content_lines(source, !is_marked);
    let named = lines.first().and_then(|line| named_separator(line.text));
    if named.is_some() {
        lines.remove(0);
    }
    let separator = named.or_else(|| usual_separator(&lines));
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    for line in lines {
        // With a heading.
        if rows.len() > MOST_PEOPLE {
            let message = format!("the list has more than {MOST_PEOPLE} rows");
            problems.push(LineProblem { line: Some(line.number), message, hint: Some("split it".to_owned()) });
            break;
        }
        match split(line.text, separator) {
            Ok(fields) => {
                let unmarked = |value: String| if is_marked { value.trim_start_matches('#').to_owned() } else { value };
                let fields = fields.into_iter().take(MOST_COLUMNS).map(|field| unmarked(field.value)).collect();
                rows.push(Row { line: line.number, fields });
            }
            Err((_, message)) => {
                problems.push(LineProblem { line: Some(line.number), message: message.to_owned(), hint: None });
            }
        }
    }
    (rows, problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_lines() {
        let (rows, problems) = rows("# class 7\nsep=;\nName; E-Mail\n\n\"M;x\";m@x.org\n\"open;y\n");
        let told: Vec<_> = rows.iter().map(|row| (row.line, row.text(0), row.text(1), row.text(2))).collect();
        assert_eq!(told, [(3, "Name", "E-Mail", ""), (5, "M;x", "m@x.org", "")]);
        assert_eq!(problems[0].line, Some(6));
    }

    #[test]
    fn what_brightspace_marks_is_no_remark() {
        let list = "OrgDefinedId,Username,Last Name,End-of-Line Indicator\n#0071,#jdoe,Doe,#\n";
        assert_eq!(rows(list).0[1].fields, ["0071", "jdoe", "Doe", ""]);
        assert_eq!(rows("Username,Last Name\n#jdoe,Doe\n").0.len(), 1);
    }

    #[test]
    fn more_than_one_machine_teaches_is_too_much() {
        let list = |count: usize| (0..count).map(|number| format!("s{number}\n")).collect::<String>();
        assert_eq!(rows(&list(MOST_PEOPLE + 1)).1, []);
        let (rows, problems) = rows(&list(MOST_PEOPLE + 9));
        assert_eq!((rows.len(), problems.len(), problems[0].line), (MOST_PEOPLE + 1, 1, Some(MOST_PEOPLE + 2)));
    }
}
