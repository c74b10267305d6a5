//! Words for people: strange text made harmless, spans of time, moments. Pure.

use hub_core::accounts::Username;
use hub_core::config::format_bytes;
use hub_core::control::MemoryKills;
use hub_core::text::{is_joiner, is_unseen};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// `text` without terminal escapes and control characters, so that a log line or a name can't drive the terminal.
pub(super) fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_escape(&mut characters),
            '\t' => clean.push_str("    "),
            // Marks that turn the reading direction can make a line say something else.
            character if is_unseen(character) && !is_joiner(character) => {}
            character if character.is_control() => {}
            character => clean.push(character),
        }
    }
    clean
}

/// Drops the rest of an escape sequence: to the final byte of a control sequence, to the terminator of a string.
fn skip_escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match characters.next() {
        Some('[') => {
            while characters.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)).is_some() {}
            characters.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(character) = characters.next() {
                match character {
                    '\u{7}' => break,
                    '\u{1b}' => {
                        characters.next_if_eq(&'\\');
                        break;
                    }
                    _ => {}
                }
            }
        }
        Some(' '..='/') => {
            while characters.next_if(|c| (' '..='/').contains(c)).is_some() {}
            characters.next();
        }
        _ => {}
    }
}

/// `3 days`, `2 hours`, `5 minutes`, `40 seconds`.
pub(super) fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        s if s >= 2 * 86400 => (s / 86400, "day"),
        s if s >= 2 * 3600 => (s / 3600, "hour"),
        s if s >= 2 * 60 => (s / 60, "minute"),
        s => (s, "second"),
    };
    counted(count as usize, unit, &format!("{unit}s"))
}

/// `1 person`, `2 people`.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// `ada`, `ada, bob and cyd`, `ada, bob, cyd and 37 more`.
pub(super) fn enumerate(names: &[Username]) -> String {
    const SHOWN: usize = 5;
    match names {
        [] => "nobody".to_owned(),
        [only] => only.to_string(),
        [first @ .., last] if names.len() <= SHOWN => {
            format!("{} and {last}", first.iter().map(Username::as_str).collect::<Vec<_>>().join(", "))
        }
        _ => {
            let first: Vec<_> = names[..SHOWN - 1].iter().map(Username::as_str).collect();
            format!("{} and {}", first.join(", "), counted(names.len() - first.len(), "more", "more"))
        }
    }
}

/// How long ago a moment (RFC 3339) was; the text itself where it is not one.
pub(super) fn ago(moment: &str, now: Timestamp) -> String {
    let Ok(then) = moment.parse::<Timestamp>() else { return printable(moment) };
    match u64::try_from(now.duration_since(then).as_secs()) {
        Ok(seconds) if seconds >= 60 => format!("{} ago", span(seconds)),
        _ => "just now".to_owned(),
    }
}

/// A moment (RFC 3339) on the clock of this machine: `14:02`, or `Tue 8 Sep, 14:02` on another day.
pub(super) fn moment(moment: &str, now: Timestamp, zone: &TimeZone) -> String {
    let Ok(then) = moment.parse::<Timestamp>() else { return printable(moment) };
    let (then, now) = (then.to_zoned(zone.clone()), now.to_zoned(zone.clone()));
    let format = match now.checked_add(300.days()) {
        _ if then.date() == now.date() => "today at %H:%M",
        Ok(limit) if then < limit => "%a %-d %b, %H:%M",
        _ => "%a %-d %b %Y, %H:%M",
    };
    then.strftime(format).to_string()
}

/// `1.2 GB of 2 GB`, `1.2 GB`, or a dash.
pub(super) fn memory(used: Option<u64>, allowed: Option<u64>) -> String {
    match (used, allowed) {
        (Some(used), Some(allowed)) => format!("{} of {}", format_bytes(used), format_bytes(allowed)),
        (Some(used), None) => format_bytes(used),
        (None, _) => "-".to_owned(),
    }
}

/// What the kernel ended in `name`'s server for want of memory, as a sentence; `None`: nothing.
pub(super) fn memory_kills(name: &Username, kills: MemoryKills, allowed: Option<u64>) -> Option<String> {
    let count = usize::try_from(kills.count).ok().filter(|count| *count > 0)?;
    let limit = allowed.map_or_else(|| "its memory".to_owned(), |bytes| format!("its {} of memory", format_bytes(bytes)));
    let when = kills.seconds_since_latest.map_or_else(String::new, |seconds| format!(", last {} ago", span(seconds)));
    let programs = counted(count, "program", "programs");
    Some(format!("{name}'s server used up {limit}: the kernel ended {programs} in it{when}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_reaches_the_terminal_as_a_command() {
        for (text, clean) in [
            ("plain – ä 漢", "plain – ä 漢"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{1b}(Bx\u{1b}", "x"),
            ("\u{1b}[", ""),
            ("bell\u{7} back\u{8}\r\u{9b}1m", "bell back1m"),
            ("a\tb", "a    b"),
            ("abc\u{202e}cba\u{2028}\u{feff}", "abccba"),
            ("\u{645}\u{200c}\u{646}", "\u{645}\u{200c}\u{646}"),
            ("\u{1b}P+q544e\u{1b}\\done", "done"),
        ] {
            assert_eq!(printable(text), clean, "{text:?}");
        }
    }

    #[test]
    fn spans_use_the_unit_people_would() {
        for (seconds, text) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (7300, "2 hours"),
            (3 * 86400, "3 days"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn moments_are_told_from_where_the_reader_is() {
        let now: Timestamp = "2026-09-07T10:00:00Z".parse().unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(moment("2026-09-07T12:02:00Z", now, &zone), "today at 14:02");
        assert_eq!(moment("2026-09-08T12:02:00Z", now, &zone), "Tue 8 Sep, 14:02");
        assert_eq!(moment("2028-09-08T12:02:00Z", now, &zone), "Fri 8 Sep 2028, 14:02");
        assert_eq!(ago("2026-09-07T07:30:00Z", now), "2 hours ago");
        assert_eq!(ago("2026-09-07T10:00:05Z", now), "just now");
        assert_eq!(moment("soon\u{1b}[2J", now, &zone), "soon");
    }
}
