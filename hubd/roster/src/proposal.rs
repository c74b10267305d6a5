//! A name to log in with for somebody whose name can't be one: close to what is written, valid, and free. It is proposed and
//! never put in its place. Pure.

use std::collections::HashSet;

use hub_core::accounts::Username;

/// Leaves room for a number behind it.
const LONGEST: usize = 60;
/// Letters that two stand for, where people learn that at school; all others are left to the table of letters.
const PAIRS: [(char, &str); 8] =
    [('ä', "ae"), ('ö', "oe"), ('ü', "ue"), ('Ä', "ae"), ('Ö', "oe"), ('Ü', "ue"), ('ø', "oe"), ('å', "aa")];

/// A name for `text` that is not in `taken`.
pub(super) fn propose(text: &str, taken: &HashSet<Username>) -> Option<Username> {
    let plain = plain(text)?;
    let numbered = (2..=taken.len() + 2).filter_map(|number| with_number(&plain, number));
    std::iter::once(plain.clone()).chain(numbered).find(|name| !taken.contains(name))
}

/// One of several who would have the name `plain`.
pub(super) fn with_number(plain: &Username, number: usize) -> Option<Username> {
    let gap = if plain.as_str().ends_with(|c: char| c.is_ascii_digit()) { "." } else { "" };
    format!("{plain}{gap}{number}").parse().ok()
}

/// The name that is closest to `text`, taken or not.
pub(super) fn plain(text: &str) -> Option<Username> {
    let person = text.split('@').next().unwrap_or(text);
    let person = if person.len() < text.len() { person.split('+').next().unwrap_or(person) } else { person };
    let composed = hub_core::text::composed(person);
    let letters: String = composed
        .chars()
        .map(|letter| match PAIRS.iter().find(|(from, _)| *from == letter) {
            Some((_, to)) => (*to).to_owned(),
            None => deunicode::deunicode_char(letter).unwrap_or_default().to_owned(),
        })
        .collect();
    let mut plain = String::new();
    for character in letters.trim().chars() {
        match character.to_ascii_lowercase() {
            character if character.is_ascii_alphanumeric() => plain.push(character),
            _ if plain.is_empty() || plain.ends_with(['.', '_', '-']) => {}
            character @ ('.' | '_' | '-') => plain.push(character),
            ' ' | ',' => plain.push('.'),
            _ => {}
        }
    }
    plain.truncate(LONGEST);
    let plain = plain.trim_end_matches(['.', '_', '-']);
    plain.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposed(text: &str, taken: &[&str]) -> Option<String> {
        propose(text, &taken.iter().map(|name| name.parse().unwrap()).collect()).map(|name| name.to_string())
    }

    #[test]
    fn proposes_what_somebody_would_have_chosen() {
        for (text, name) in [
            ("Müller", "mueller"),
            ("Mu\u{308}ller", "mueller"),
            ("Anna Schmidt", "anna.schmidt"),
            ("Müller, Anna-Lena", "mueller.anna-lena"),
            ("Anna.Alexandra@school.example", "anna.alexandra"),
            ("anna+class@school.example", "anna"),
            ("O'Brien", "obrien"),
            ("Łukasz Żółć", "lukasz.zolc"),
            ("Zoë", "zoe"),
            ("Straße", "strasse"),
            ("Иванов", "ivanov"),
            ("_ada_", "ada"),
            ("../etc/passwd", "etcpasswd"),
        ] {
            assert_eq!(proposed(text, &[]).as_deref(), Some(name), "{text}");
        }
        assert_eq!(proposed("???", &[]), None);
        assert_eq!(proposed(&"Ä".repeat(100), &[]).unwrap().len(), LONGEST);
    }

    #[test]
    fn proposes_what_is_free() {
        assert_eq!(proposed("Müller", &["mueller"]).as_deref(), Some("mueller2"));
        assert_eq!(proposed("Müller", &["mueller", "mueller2"]).as_deref(), Some("mueller3"));
        assert_eq!(proposed("Klasse 9", &["klasse.9"]).as_deref(), Some("klasse.9.2"));
    }
}
