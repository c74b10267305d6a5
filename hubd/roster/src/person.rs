//! What a list says about one person, made fit to be kept and shown: names and addresses are text of strangers. Pure.

use hub_core::text::{composed, is_joiner, is_unseen};

/// Longest full name, in characters.
const LONGEST_NAME: usize = 120;
/// Longest e-mail address, in bytes; RFC 5321.
const LONGEST_ADDRESS: usize = 254;

/// A full name as it is kept: one line, letters composed, nothing that can't be seen or turns the reading direction.
///
/// # Errors
/// When it is too long for a name.
pub(super) fn full_name(text: &str) -> Result<Option<String>, String> {
    let visible: String = composed(text).chars().filter_map(visible).collect();
    let name = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    let name = given_first(&name);
    match name.chars().count() {
        0 => Ok(None),
        1..=LONGEST_NAME => Ok(Some(name)),
        count => Err(format!("the name has {count} characters; at most {LONGEST_NAME} are kept")),
    }
}

/// `Müller, Anna` as people say it.
fn given_first(name: &str) -> String {
    let mut parts = name.split(',').map(str::trim);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(family), Some(given), None) if !family.is_empty() && !given.is_empty() => format!("{given} {family}"),
        _ => name.to_owned(),
    }
}

/// An e-mail address as it is kept.
///
/// # Errors
/// When it can't be one.
pub(super) fn email(text: &str) -> Result<Option<String>, String> {
    let text: String = composed(text.trim()).chars().filter_map(visible).collect();
    let text = text.trim();
    let text = text.strip_prefix("mailto:").unwrap_or(text);
    if text.is_empty() {
        return Ok(None);
    }
    let shown: String = text.chars().take(60).collect();
    let halves = text.split_once('@').filter(|(person, host)| !person.is_empty() && !host.is_empty() && !host.contains('@'));
    if text.len() > LONGEST_ADDRESS || halves.is_none() || text.contains(char::is_whitespace) {
        return Err(format!("`{shown}` is not an e-mail address"));
    }
    Ok(Some(text.to_owned()))
}

/// A character that may be shown; spaces of all kinds are one.
fn visible(c: char) -> Option<char> {
    match c {
        _ if c.is_whitespace() => Some(' '),
        _ if c.is_control() => None,
        // Joiners are part of some scripts; all else here is not seen, or turns the reading direction.
        _ if is_unseen(c) && !is_joiner(c) => None,
        _ => Some(c),
    }
}

/// What is the same for one text however it is typed: capitals, spaces and what stands between the letters do not count.
pub(super) fn key(text: &str) -> String {
    let letters = composed(text);
    let plain: String = letters.chars().map(|c| if c.is_alphanumeric() || c == '@' { c } else { ' ' }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_line_of_visible_text() {
        for (text, name) in [
            ("  Anna   M\u{fc}ller\t", Some("Anna M\u{fc}ller")),
            ("Anna Mu\u{308}ller", Some("Anna M\u{fc}ller")),
            ("M\u{fc}ller, Anna-Lena", Some("Anna-Lena M\u{fc}ller")),
            ("a, b, c", Some("a, b, c")),
            ("An\u{202e}na\u{200b} \u{7}X\u{0}", Some("Anna X")),
            ("<b>Anna</b>", Some("<b>Anna</b>")),
            ("\u{200b} \u{feff}", None),
        ] {
            assert_eq!(full_name(text).unwrap().as_deref(), name, "{text:?}");
        }
        assert!(full_name(&"x".repeat(LONGEST_NAME)).is_ok());
        assert!(full_name(&"x".repeat(LONGEST_NAME + 1)).is_err());
    }

    #[test]
    fn an_address_has_one_at_sign_and_no_spaces() {
        for (text, address) in [
            (" Anna@School.example ", Some("Anna@School.example")),
            ("mailto:a@b", Some("a@b")),
            ("a\u{202e}@b", Some("a@b")),
            ("", None),
        ] {
            assert_eq!(email(text).unwrap().as_deref(), address, "{text:?}");
        }
        for text in ["-", "anna", "@b", "a@", "a@b@c", "a b@c", &format!("a@{}", "b".repeat(300))] {
            assert!(email(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_same_person_is_the_same_however_typed() {
        assert_eq!(key("  ANNA  Mu\u{308}ller-Lena"), key("anna m\u{fc}ller lena"));
        assert_ne!(key("a.b@c"), key("a.b"));
    }
}
