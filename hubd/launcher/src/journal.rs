//! What a server said, from the journal: the lines of its latest run, harmless to print.

use std::time::Duration;

use anyhow::{Context, Result};
use hub_core::text::is_unseen;
use hub_system::command::Command;
use serde::Deserialize;

use super::spec::LOG_NAMESPACE;

const JOURNALCTL: &str = "/usr/bin/journalctl";
const DEADLINE: Duration = Duration::from_secs(8);
/// Most lines that are ever returned.
pub(super) const MOST_LINES: u32 = 1000;
/// Longest line, in characters.
const LONGEST_LINE: usize = 2000;
/// systemd's own number for "a process of this unit was killed for want of memory".
const OUT_OF_MEMORY: &str = "fe6faa94e7774663a0da52717891d8ef";

/// The last `lines` that the run of `unit` with this invocation id logged, and that systemd logged about it; oldest first.
///
/// # Errors
/// When the journal can't be read.
pub(super) fn lines_of(unit: &str, invocation: &str, lines: u32) -> Result<Vec<String>> {
    settle();
    let matches = [
        // Set by the journal itself: nobody can put lines into somebody else's log.
        format!("_SYSTEMD_UNIT={unit}"),
        "+".to_owned(),
        "_UID=0".to_owned(),
        format!("INVOCATION_ID={invocation}"),
    ];
    let output = read(lines.clamp(1, MOST_LINES), "MESSAGE,_SYSTEMD_INVOCATION_ID,INVOCATION_ID", &matches)?;
    Ok(of_run(&output, invocation))
}

/// The texts of the entries in `output` that come after the last one of another run.
fn of_run(output: &str, invocation: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in output.lines() {
        // What the journal reads after the unit has ended has no run any more: whatever fails at once says its last words so.
        let is_of_another = run_of(entry).is_some_and(|run| run != invocation);
        if is_of_another {
            lines.clear();
        } else {
            lines.extend(message(entry));
        }
    }
    lines
}

/// The invocation id of the run that an entry is about, or of who logged it.
fn run_of(entry: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Entry {
        #[serde(rename = "INVOCATION_ID")]
        about: Option<String>,
        #[serde(rename = "_SYSTEMD_INVOCATION_ID")]
        by: Option<String>,
    }
    let Entry { about, by } = serde_json::from_str(entry).ok()?;
    about.or(by)
}

/// The invocation id of the latest run of `unit`, also when systemd has forgotten the unit.
///
/// # Errors
/// When the journal can't be read.
pub(super) fn latest_invocation(unit: &str) -> Result<Option<String>> {
    let output = read(MOST_LINES, "_SYSTEMD_INVOCATION_ID", &[format!("_SYSTEMD_UNIT={unit}")])?;
    Ok(output.lines().rev().find_map(run_of))
}

/// Whether the kernel killed a process of that run for want of memory. Only kernels with cgroup v2 tell.
///
/// # Errors
/// When the journal can't be read.
pub(super) fn ran_out_of_memory(invocation: &str) -> Result<bool> {
    let matches = [format!("MESSAGE_ID={OUT_OF_MEMORY}"), "_PID=1".to_owned(), format!("INVOCATION_ID={invocation}")];
    Ok(!read(1, "MESSAGE", &matches)?.trim().is_empty())
}

/// Waits until what was said before is in the journals: the server's words are in one, systemd's in the other.
fn settle() {
    let namespace = format!("--namespace={LOG_NAMESPACE}");
    for arguments in [vec!["--sync"], vec![namespace.as_str(), "--sync"]] {
        if let Err(error) = Command::new(JOURNALCTL, DEADLINE).args(arguments).run() {
            tracing::debug!("the journal may lack the newest lines: {error:#}");
        }
    }
}

fn read(lines: u32, field: &str, matches: &[String]) -> Result<String> {
    Command::new(JOURNALCTL, DEADLINE)
        // The machine's journal and people's, together.
        .arg(format!("--namespace=+{LOG_NAMESPACE}"))
        .args(["--quiet", "--no-pager", "--output=json", &format!("--output-fields={field}"), &format!("--lines={lines}")])
        .args(matches.iter().cloned())
        .run()
        .context("reading the journal")
}

/// The text of one entry; `None` for a line that is cut off at its beginning.
fn message(entry: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Entry {
        #[serde(rename = "MESSAGE")]
        message: Message,
    }
    /// The journal prints what is not plain text as a list of bytes, and what is too long not at all.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Message {
        Text(String),
        Bytes(Vec<u8>),
        TooLong(()),
    }
    let Entry { message } = serde_json::from_str(entry).ok()?;
    Some(match message {
        Message::Text(text) => printable(&text),
        Message::Bytes(bytes) => printable(&String::from_utf8_lossy(&bytes)),
        Message::TooLong(()) => "(a line of more than 4096 bytes)".to_owned(),
    })
}

/// `text` without terminal escapes and control characters, and not endless.
fn printable(text: &str) -> String {
    let mut characters = text.chars().peekable();
    let mut clean = String::new();
    let mut length = 0;
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_escape(&mut characters),
            '\t' => clean.push(' '),
            // Also those that reverse or hide text.
            c if c.is_control() || is_unseen(c) => continue,
            c => clean.push(c),
        }
        length += 1;
        if length == LONGEST_LINE {
            clean.push('…');
            break;
        }
    }
    clean
}

/// Reads past the rest of an escape sequence: `[...letter`, `]...BEL or ESC \`, or one character.
fn skip_escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match characters.next() {
        Some('[') => while characters.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
        Some(']') => {
            while let Some(c) = characters.next() {
                if c == '\u{7}' {
                    break;
                }
                if c == '\u{1b}' {
                    characters.next_if_eq(&'\\');
                    break;
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kept_and_escapes_are_not() {
        for (said, shown) in [
            ("[I 2026] JupyterLab is running", "[I 2026] JupyterLab is running"),
            ("\u{1b}[32m[I]\u{1b}[0m ready", "[I] ready"),
            ("\u{1b}]0;title\u{7}after", "after"),
            ("\u{1b}]8;;http://x\u{1b}\\link", "link"),
            ("bell\u{7} back\u{8} null\0 csi\u{9b}31m", "bell back null csi31m"),
            ("a\tb", "a b"),
            ("\u{202e}evil\u{2028}\u{2029}", "evil"),
            ("\u{1b}", ""),
            ("\u{1b}[", ""),
            ("grüße 日本", "grüße 日本"),
        ] {
            assert_eq!(printable(said), shown, "{said:?}");
        }
    }

    #[test]
    fn a_line_has_an_end() {
        assert_eq!(printable(&"x".repeat(100_000)).chars().count(), LONGEST_LINE + 1);
    }

    #[test]
    fn last_words_without_a_run_are_those_of_the_latest() {
        let entry = |text: &str, run: &str| match run {
            "" => format!("{{\"MESSAGE\":\"{text}\"}}\n"),
            run => format!("{{\"MESSAGE\":\"{text}\",\"_SYSTEMD_INVOCATION_ID\":\"{run}\"}}\n"),
        };
        let told = |entries: &[(&str, &str)]| {
            let output: String = entries.iter().map(|(text, run)| entry(text, run)).collect();
            of_run(&output, "now").join(" ")
        };
        assert_eq!(told(&[("a", "before"), ("b", "now"), ("c", "")]), "b c");
        assert_eq!(told(&[("a", ""), ("b", "before"), ("c", ""), ("d", "now")]), "c d");
        assert_eq!(told(&[("a", "")]), "a");
        assert_eq!(told(&[("a", "before")]), "");
    }

    #[test]
    fn reads_every_form_of_an_entry() {
        for (entry, shown) in [
            (r#"{"MESSAGE":"hello","__CURSOR":"s=1"}"#, Some("hello")),
            (r#"{"MESSAGE":[104,105,27,91,109]}"#, Some("hi")),
            (r#"{"MESSAGE":null}"#, Some("(a line of more than 4096 bytes)")),
            (r#"lo","__CURSOR":"s=1"}"#, None),
            ("", None),
        ] {
            assert_eq!(message(entry).as_deref(), shown, "{entry}");
        }
    }
}
