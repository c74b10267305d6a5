//! Takes out of a text what nobody else is to read: who is on the hub, where it is, what lets somebody in. What is taken out is
//! replaced by the same word each time, so that a report still tells a story. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// Shorter than any secret of the hub's, longer than any word.
const SECRET_LENGTH: usize = 20;
/// What stands before a secret, as a key of whatever kind.
const SECRET_KEYS: [&str; 7] = ["password", "passwd", "secret", "token", "authorization", "cookie", "private"];
/// Between words.
const APART: &[char] =
    &[' ', '\t', '"', '\'', '`', ',', ';', '(', ')', '[', ']', '{', '}', '<', '>', '=', '/', '|', '?', '&', '#', '\\'];

/// What is known of names, and what was taken out so far.
#[derive(Debug, Default)]
pub(super) struct Redactor {
    /// What stands in the place of each name, the longest name first.
    names: Vec<(String, String)>,
    addresses: BTreeMap<IpAddr, usize>,
}

impl Redactor {
    /// Takes out these names from now on: `kind-1`, `kind-2`. One that is there already stays what it is.
    pub(super) fn names<T: Into<String>>(&mut self, kind: &str, names: impl IntoIterator<Item = T>) {
        for (number, name) in names.into_iter().map(Into::into).enumerate() {
            if !name.is_empty() && !self.names.iter().any(|(known, _)| *known == name) {
                // As it stands in the name of a unit.
                let escaped = name.replace('-', "\\x2d");
                let word = format!("{kind}-{}", number + 1);
                if escaped != name {
                    self.names.push((escaped, word.clone()));
                }
                self.names.push((name, word));
            }
        }
        self.names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    }

    /// `text` without all of that.
    pub(super) fn redact(&mut self, text: &str) -> String {
        text.lines().map(|line| self.line(line) + "\n").collect()
    }

    fn line(&mut self, line: &str) -> String {
        let mut line = secret(line).unwrap_or_else(|| line.to_owned());
        for (name, word) in &self.names {
            line = replace_word(&line, name, word);
        }
        line.split_inclusive(APART).map(|piece| self.piece(piece)).collect()
    }

    /// A word with what separates it from the next.
    fn piece(&mut self, piece: &str) -> String {
        let word = piece.trim_end_matches(APART);
        let end = &piece[word.len()..];
        let bare = word.trim_end_matches(['.', ':', '!']);
        let after = &word[bare.len()..];
        match self.judge(bare) {
            Some(shown) => format!("{shown}{after}{end}"),
            None => piece.to_owned(),
        }
    }

    /// What stands in the place of a word; `None`: itself.
    fn judge(&mut self, word: &str) -> Option<String> {
        if let Ok(place) = word.parse::<SocketAddr>() {
            return self.address(place.ip()).map(|shown| format!("{shown}:{}", place.port()));
        }
        if let Ok(address) = word.trim_matches(['[', ']']).parse::<IpAddr>() {
            return self.address(address);
        }
        if word.split_once('@').is_some_and(|(before, after)| !before.is_empty() && after.contains('.')) {
            return Some("somebody@example.org".to_owned());
        }
        let is_plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "-_+".contains(c));
        let has_both = word.contains(|c: char| c.is_ascii_digit()) && word.contains(|c: char| c.is_ascii_alphabetic());
        (word.len() >= SECRET_LENGTH && is_plain && has_both).then(|| "[taken out]".to_owned())
    }

    fn address(&mut self, address: IpAddr) -> Option<String> {
        if address.is_loopback() || address.is_unspecified() {
            return None;
        }
        let next = self.addresses.len() + 1;
        Some(format!("address-{}", self.addresses.entry(address).or_insert(next)))
    }
}

/// A line that sets a secret, up to it.
fn secret(line: &str) -> Option<String> {
    let lower = line.to_ascii_lowercase();
    let is_secret = |key: &&str| {
        let at = lower.find(*key)?;
        let rest = &lower[at + key.len()..];
        let gap = rest.find(['=', ':'])?;
        // Only what belongs to the key may be in between, as in `password_hash = `, and something must follow.
        let belongs = rest[..gap].chars().all(|c| c.is_ascii_alphanumeric() || "_-\" '".contains(c));
        (belongs && !rest[gap + 1..].trim().is_empty()).then_some(at + key.len() + gap + 1)
    };
    let end = SECRET_KEYS.iter().filter_map(is_secret).min()?;
    Some(format!("{} [taken out]", &line[..end]))
}

/// `word` in the place of `name` wherever that stands by itself.
fn replace_word(line: &str, name: &str, word: &str) -> String {
    let (mut shown, mut rest) = (String::new(), line);
    while let Some(at) = rest.find(name) {
        let (before, behind) = (&rest[..at], &rest[at + name.len()..]);
        let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let begun = if before.is_empty() { shown.chars().next_back() } else { before.chars().next_back() };
        let is_alone = !is_part(begun) && !is_part(behind.chars().next());
        shown.push_str(before);
        shown.push_str(if is_alone { word } else { name });
        rest = behind;
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_else_is_to_read_is_taken_out_and_the_rest_stays() {
        let mut redactor = Redactor::default();
        redactor.names("person", ["bob", "anna-lena"]);
        redactor.names("host", ["hub.school.example"]);
        for (line, expected) in [
            ("hubd-user-bob.service failed for bob.", "hubd-user-person-1.service failed for person-1."),
            ("hubd-user-anna\\x2dlena.service, jupyter-anna-lena", "hubd-user-person-2.service, jupyter-person-2"),
            ("a bobsleigh is no person", "a bobsleigh is no person"),
            ("url = \"https://hub.school.example/hub\"", "url = \"https://host-1/hub\""),
            ("from 192.0.2.7:4711 and 192.0.2.7, [2001:db8::1]", "from address-1:4711 and address-1, [address-2]"),
            ("listens at 127.0.0.1:8000 and [::]:80, 0.0.0.0", "listens at 127.0.0.1:8000 and [::]:80, 0.0.0.0"),
            ("mail to ada@school.example:", "mail to somebody@example.org:"),
            ("GET /hub/link/Zm9vYmFyYmF6cXV4MTIzNDU2 404", "GET /hub/link/[taken out] 404"),
            ("client_secret = \"short\"", "client_secret = [taken out]"),
            ("bob did token create for \"bob\": abc", "person-1 did token create for \"person-1\": [taken out]"),
            ("Authorization: token abc", "Authorization: [taken out]"),
            ("password_file = \"/etc/hubd/backup.password\"", "password_file = [taken out]"),
            ("hubd-environment.service: generation 3, version 0.1.0", "hubd-environment.service: generation 3, version 0.1.0"),
            ("at 2026-11-30T20:14:51Z the password of nobody was set", "at 2026-11-30T20:14:51Z the password of nobody was set"),
        ] {
            assert_eq!(redactor.redact(line), format!("{expected}\n"), "{line}");
        }
    }
}
