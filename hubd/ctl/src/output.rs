//! The printer: aligned tables, the same words with and without colour, JSON on request. Data goes to standard output,
//! talk to standard error.

use std::io::{self, Write};

use serde::Serialize;

use super::text::printable;
use super::typed;

/// Where things are printed, and how.
pub struct Printer<'a> {
    /// Standard output: what was asked for.
    pub output: &'a mut dyn Write,
    /// Standard error: everything said beside it.
    pub messages: &'a mut dyn Write,
    /// Whether standard output understands colours.
    pub color: bool,
    /// `--json`: declared types instead of words.
    pub json: bool,
    /// `--quiet`: no talk, only errors.
    pub quiet: bool,
    /// Whether who reads this types sudo before commands that they are told.
    pub with_sudo: bool,
}

/// Standard output or error, read by somebody who may have had enough of it (`hubctl user list | head`). Every error of the
/// kind says so, and can't be taken for the end of another connection.
#[derive(Debug)]
pub struct Told<W>(pub W);

/// Whoever read our output has gone.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads what is printed")]
struct NobodyReads;

/// Whether an error is the end of our own output.
pub(super) fn nobody_reads(error: &anyhow::Error) -> bool {
    let source = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    source.is_some_and(|source| source.is::<NobodyReads>())
}

fn told<T>(result: io::Result<T>) -> io::Result<T> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::new(io::ErrorKind::BrokenPipe, NobodyReads),
        _ => error,
    })
}

impl<W: Write> Write for Told<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        told(self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        told(self.0.flush())
    }
}

/// What a word means; shown in colour where there is colour, and never only there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Warning,
    Bad,
    Faint,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "32",
            Self::Warning => "33",
            Self::Bad => "31",
            Self::Faint => "2",
        }
    }
}

/// One cell of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// Whatever the text is, it takes one line and can't drive the terminal.
    pub(super) fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { text: printable(text.as_ref()), tone }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// Rows below a heading, or without one.
#[derive(Debug, Default)]
pub(super) struct Table {
    heading: Vec<Cell>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(super) fn with_heading<const N: usize>(heading: [&str; N]) -> Self {
        Self { heading: heading.into_iter().map(|text| Cell::new(text, Tone::Faint)).collect(), rows: Vec::new() }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, with colours or without.
    pub(super) fn lines(&self, color: bool) -> Vec<String> {
        let all = || Some(&self.heading).filter(|heading| !heading.is_empty()).into_iter().chain(&self.rows);
        let columns = all().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| all().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count()).max().unwrap_or(0))
            .collect();
        all()
            .map(|row| {
                let mut line = String::new();
                for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
                    line.push_str(&paint(&cell.text, cell.tone, color));
                    if index + 1 < row.len() {
                        line.push_str(&" ".repeat(width - cell.text.chars().count() + 2));
                    }
                }
                line
            })
            .collect()
    }
}

impl Printer<'_> {
    /// Prints a value for machines.
    pub(super) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
        writeln!(self.output, "{text}")
    }

    pub(super) fn table(&mut self, table: &Table) -> io::Result<()> {
        for line in table.lines(self.color) {
            writeln!(self.output, "{}", line.trim_end())?;
        }
        Ok(())
    }

    /// Prints a line of what was asked for.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.output, "{}", printable(text))
    }

    /// Prints a line behind a word that has a colour where there are colours.
    pub(super) fn toned(&mut self, word: &str, tone: Tone, text: &str) -> io::Result<()> {
        writeln!(self.output, "{}: {}", paint(word, tone, self.color), lines_printable(text))
    }

    /// Says something beside it, unless nobody wants to hear it.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        let text = self.typed(text);
        if self.quiet { Ok(()) } else { writeln!(self.messages, "{text}") }
    }

    /// Says something that has to be heard.
    pub(super) fn warn(&mut self, text: &str) -> io::Result<()> {
        let text = self.typed(text);
        writeln!(self.messages, "{}", lines_printable(&text))
    }

    /// Says what went wrong, and what to do about it.
    pub(super) fn error(&mut self, message: &str, hint: Option<&str>) -> io::Result<()> {
        let (message, hint) = (self.typed(message), hint.map(|hint| self.typed(hint)));
        writeln!(self.messages, "error: {}", lines_printable(&message))?;
        hint.map_or(Ok(()), |hint| writeln!(self.messages, "hint: {}", lines_printable(&hint)))
    }

    /// A remark with its commands as they can be typed where it is read.
    pub(super) fn typed(&self, text: &str) -> String {
        if self.with_sudo { text.to_owned() } else { typed::remark(text) }
    }
}

fn lines_printable(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

/// `text` in its colour, where there are colours.
pub(super) fn paint(text: &str, tone: Tone, color: bool) -> String {
    if color && tone != Tone::Plain && !text.is_empty() {
        format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code())
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_output_has_nobody_who_reads_it() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut writer = Told(writer);
        let error = anyhow::Error::new(writeln!(writer, "text").unwrap_err()).context("writing to the terminal");
        assert!(nobody_reads(&error), "{error:#}");
        let hub = anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe)).context("asking the hub");
        assert!(!nobody_reads(&hub));
        assert!(!nobody_reads(&anyhow::Error::new(io::Error::from(io::ErrorKind::StorageFull))));
    }

    fn example() -> Table {
        let mut table = Table::with_heading(["NAME", "STATE", "NOTE"]);
        table.row(["ada".into(), Cell::new("running", Tone::Good), "".into()]);
        table.row(["grace.hopper".into(), Cell::new("failed", Tone::Bad), "ended by \u{1b}[5mherself\n".into()]);
        table
    }

    #[test]
    fn columns_are_aligned() {
        assert_eq!(
            example().lines(false),
            ["NAME          STATE    NOTE", "ada           running  ", "grace.hopper  failed   ended by herself"]
        );
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let painted = example().lines(true);
        assert!(painted[1].contains("\u{1b}[32mrunning\u{1b}[0m"));
        let plain: Vec<String> = painted.iter().map(|line| printable(line)).collect();
        assert_eq!(plain, example().lines(false));
    }
}
