//! How a download is shown: a bar on a terminal, a line for each quarter of it elsewhere.

use std::io;

use hub_core::packages::Download;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Printer;
use crate::text::printable;

const BAR: &str = "{bar:30} {msg}";

/// A download as far as it was shown.
pub(super) struct Shown {
    bar: ProgressBar,
    /// Quarters that were told of where there is no terminal.
    quarters: u64,
}

impl Shown {
    /// Nothing yet. Nobody is shown a bar who wants no words.
    pub(super) fn new(printer: &Printer<'_>) -> Self {
        let target = if printer.json || printer.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        // A template that can't be read would only cost the looks.
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            bar.set_style(style);
        }
        Self { bar, quarters: 0 }
    }

    /// Shows how far it is.
    pub(super) fn show(&mut self, printer: &mut Printer<'_>, download: Option<&Download>) -> io::Result<()> {
        let Some(download) = download.filter(|download| !download.packages.is_empty() && download.total_bytes > 0) else {
            self.clear();
            return Ok(());
        };
        let text = printable(&download.to_string());
        if self.bar.is_hidden() {
            let quarters = download.bytes.saturating_mul(4) / download.total_bytes;
            if quarters > self.quarters && !printer.json {
                self.quarters = quarters;
                printer.say(&format!("          {text}"))?;
            }
            return Ok(());
        }
        if self.bar.is_finished() {
            self.bar.reset();
        }
        self.bar.set_length(download.total_bytes);
        self.bar.set_position(download.bytes);
        self.bar.set_message(text);
        Ok(())
    }

    /// Takes the bar away, for words.
    pub(super) fn clear(&self) {
        if !self.bar.is_hidden() {
            self.bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_a_quarter_is_a_line() {
        let (mut output, mut messages) = (Vec::new(), Vec::new());
        let mut printer =
            Printer { output: &mut output, messages: &mut messages, color: false, json: false, quiet: false, with_sudo: true };
        let mut shown = Shown { bar: ProgressBar::hidden(), quarters: 0 };
        let download = |megabytes: u64, packages: &[&str]| Download {
            bytes: megabytes << 20,
            total_bytes: 40 << 20,
            packages: packages.iter().map(|&name| name.to_owned()).collect(),
        };
        for (megabytes, packages) in [(0, &["a", "b"][..]), (9, &["b"]), (11, &["b"]), (12, &["b"]), (31, &["b"]), (40, &[])] {
            shown.show(&mut printer, Some(&download(megabytes, packages))).unwrap();
        }
        shown.show(&mut printer, None).unwrap();
        assert_eq!(String::from_utf8(messages).unwrap(), "          11 MB of 40 MB: b\n          31 MB of 40 MB: b\n");
    }
}
