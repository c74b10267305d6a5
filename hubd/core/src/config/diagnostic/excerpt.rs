//! One line of a file as a terminal may show it: tabs as spaces, nothing that drives the terminal, and of a very long line
//! the part that matters.

use unicode_width::UnicodeWidthChar;

/// How far apart tab stops are.
const TAB: usize = 4;
/// Columns of a line that are shown.
const WIDEST: usize = 100;
/// Columns that stay before the mark when the line is cut.
const BEFORE: usize = 40;

/// A line, and where its mark goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    pub(super) text: String,
    /// Columns before the mark.
    pub(super) before: usize,
    /// Columns that are marked.
    pub(super) marked: usize,
}

impl Excerpt {
    /// `start` and `width` count characters of `line`.
    pub(super) fn new(line: &str, start: usize, width: usize) -> Self {
        // Each character with the column it begins at.
        let mut cells: Vec<(usize, String)> = Vec::new();
        let mut column = 0;
        for character in line.chars() {
            let (text, columns) = cell(character, column);
            cells.push((column, text));
            column += columns;
        }
        let at = |index: usize| cells.get(index).map_or(column + index.saturating_sub(cells.len()), |(column, _)| *column);
        let (from, to) = (at(start), at(start + width).max(at(start) + 1));
        if column <= WIDEST {
            return Self { text: cells.into_iter().map(|(_, text)| text).collect(), before: from, marked: to - from };
        }
        let left = if to <= WIDEST { 0 } else { from.saturating_sub(BEFORE) };
        let right = left + WIDEST;
        let shown: Vec<&(usize, String)> = cells.iter().filter(|(column, _)| (left..right).contains(column)).collect();
        let left = shown.first().map_or(left, |(column, _)| *column);
        let mut text: String = shown.into_iter().map(|(_, text)| text.as_str()).collect();
        let indent = usize::from(left > 0);
        if indent > 0 {
            text.insert(0, '…');
        }
        if column > right {
            text.push('…');
        }
        Self { text, before: from - left + indent, marked: to.min(right).saturating_sub(from).max(1) }
    }
}

/// What stands for `character` in the column `column`, and how many columns that takes.
fn cell(character: char, column: usize) -> (String, usize) {
    if character == '\t' {
        let columns = TAB - column % TAB;
        return (" ".repeat(columns), columns);
    }
    let shown = visible(character);
    (shown.to_string(), shown.width().unwrap_or(1))
}

/// A control character as the picture of it; what is invisible or turns the direction of reading as a question mark.
pub(super) fn visible(character: char) -> char {
    match character {
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{e0000}'..='\u{e007f}' => '\u{fffd}',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(line: &str, start: usize, width: usize) -> [String; 2] {
        let Excerpt { text, before, marked } = Excerpt::new(line, start, width);
        [text, format!("{}{}", " ".repeat(before), "^".repeat(marked))]
    }

    #[test]
    fn the_mark_stands_below_what_is_meant() {
        assert_eq!(drawn("a = 1", 4, 1), ["a = 1", "    ^"]);
        assert_eq!(drawn("\ta\t= 1", 5, 1), ["    a   = 1", "          ^"]);
        assert_eq!(drawn("名 = 1", 4, 1), ["名 = 1", "     ^"], "wide characters take two columns");
        assert_eq!(drawn("名 = 1", 0, 1), ["名 = 1", "^^"]);
        assert_eq!(drawn("a =", 3, 1), ["a =", "   ^"], "the end of the line");
        assert_eq!(drawn("", 0, 1), ["", "^"]);
    }

    #[test]
    fn nothing_in_a_line_drives_the_terminal() {
        let line = "a = \"\u{1b}[31m\u{7}\u{202e}\u{9b}x\"";
        let [shown, mark] = drawn(line, 10, 1);
        assert_eq!(shown, "a = \"␛[31m␇\u{fffd}\u{fffd}x\"");
        assert_eq!(mark, "          ^");
    }

    #[test]
    fn a_long_line_is_cut_around_the_mark() {
        let line = format!("{}!{}", "x".repeat(500), "y".repeat(500));
        let [shown, mark] = drawn(&line, 500, 1);
        assert_eq!(shown, format!("…{}!{}…", "x".repeat(40), "y".repeat(59)));
        assert_eq!(mark, format!("{}^", " ".repeat(41)));
        let [shown, mark] = drawn(&line, 0, 1000);
        assert_eq!((shown.chars().count(), mark.len()), (101, 100), "cut at the right alone");
        let [shown, mark] = drawn(&line, 1001, 1);
        assert!(shown.starts_with('…') && !shown.ends_with('…'));
        assert_eq!(mark.trim_start(), "^");
    }
}
