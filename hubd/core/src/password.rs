//! What is accepted as a password, and in which form it counts.

use crate::accounts::Username;
use crate::text::{composed, decomposed};

/// Shortest and longest password, bytes.
const SHORTEST: usize = 8;
const LONGEST: usize = 1024;

/// What everybody tries first.
const SILLIEST: [&str; 12] = [
    "password",
    "password1",
    "password123",
    "passwort",
    "12345678",
    "123456789",
    "1234567890",
    "87654321",
    "11111111",
    "00000000",
    "qwertyui",
    "iloveyou",
];

/// Why a text is not accepted as a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordProblem {
    /// Too few bytes.
    #[error("a password needs at least {SHORTEST} characters")]
    TooShort,
    /// Too many bytes.
    #[error("a password can have at most {LONGEST} bytes")]
    TooLong,
    /// A NUL inside.
    #[error("a password can't contain a NUL character")]
    Nul,
    /// The name again.
    #[error("the password must differ from the name")]
    SameAsName,
    /// One of the first that anybody tries.
    #[error("this password is one of the first that anybody would try; please choose another")]
    Silly,
}

/// Whether `password` may become the password of `name`.
///
/// # Errors
/// What is wrong with it.
pub fn check(name: &Username, password: &str) -> Result<(), PasswordProblem> {
    check_form(password)?;
    match prepared(password).as_str() {
        short if short.len() < SHORTEST => Err(PasswordProblem::TooShort),
        same if same.trim().eq_ignore_ascii_case(name.as_str()) => Err(PasswordProblem::SameAsName),
        silly if SILLIEST.iter().any(|known| silly.eq_ignore_ascii_case(known)) => Err(PasswordProblem::Silly),
        _ => Ok(()),
    }
}

/// Whether `password` can be anybody's password at all; cheaper than hashing it, and it tells nothing about anybody.
///
/// # Errors
/// What is wrong with it.
pub fn check_form(password: &str) -> Result<(), PasswordProblem> {
    match password {
        "" => Err(PasswordProblem::TooShort),
        long if long.len() > LONGEST => Err(PasswordProblem::TooLong),
        nul if nul.contains('\0') => Err(PasswordProblem::Nul),
        _ => Ok(()),
    }
}

/// The text that is hashed in place of a password, so that it does not matter on which machine it is typed: composed
/// characters (NFC), and every kind of space is the usual one, as the profile OpaqueString of RFC 8265 has it.
pub fn prepared(password: &str) -> String {
    composed(password).chars().map(|c| if c.is_whitespace() && !c.is_control() { ' ' } else { c }).collect()
}

/// Every text that a password may have been hashed as: prepared, and, by versions before that, as it came. For plain ASCII
/// all are one.
pub fn forms(password: &str) -> Vec<String> {
    let mut forms = vec![prepared(password)];
    for form in [password.to_owned(), composed(password).into_owned(), decomposed(password).into_owned()] {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_passwords() {
        let name: Username = "ada.lovelace".parse().unwrap();
        let longest = "x".repeat(1024);
        for password in ["12 bytes, ok", "ééééé", "        ", "ada.lovelace1", &longest] {
            assert_eq!(check(&name, password), Ok(()), "{password:?}");
        }
        for (password, problem) in [
            ("", PasswordProblem::TooShort),
            ("seven77", PasswordProblem::TooShort),
            (&format!("{longest}x"), PasswordProblem::TooLong),
            ("nul\0inside", PasswordProblem::Nul),
            ("Ada.Lovelace", PasswordProblem::SameAsName),
            (" ada.lovelace ", PasswordProblem::SameAsName),
            ("Password", PasswordProblem::Silly),
            ("12345678", PasswordProblem::Silly),
        ] {
            assert_eq!(check(&name, password), Err(problem), "{password:?}");
        }
    }
}
