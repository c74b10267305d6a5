//! Somebody who comes by themselves, by a login of an institution: named and described as by a class list. Pure.

use std::collections::HashSet;

use hub_core::accounts::Username;

use super::logins::Logins;
use super::person;
use super::proposal::plain;
use crate::{Known, Profile};

/// A name to log in with that is nobody's, was nobody's and is not in `reserved`, made of the first of `said` of which one can be.
pub fn new_name<'said>(
    known: &Known,
    reserved: &HashSet<Username>,
    said: impl IntoIterator<Item = &'said str>,
) -> Option<Username> {
    let plain = said.into_iter().find_map(plain)?;
    Logins::new(known, reserved, &[]).free(&plain)
}

/// What is kept of somebody's full name and address; what can't be one is left out.
pub fn profile(full_name: Option<&str>, email: Option<&str>) -> Profile {
    Profile {
        full_name: full_name.and_then(|text| person::full_name(text).ok().flatten()),
        email: email.and_then(|text| person::email(text).ok().flatten()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_23_a_name_made_of_anything_is_a_plain_one_and_free() {
        let reserved: HashSet<Username> = ["root", "tess"].map(|name| name.parse().unwrap()).into();
        let mut known = Known::default();
        known.made.insert("x".to_owned(), "bob".parse().unwrap());
        let name = |said: &str| new_name(&known, &reserved, [said]).map(|name| name.to_string());
        for (said, expected) in [
            ("ada@school.example", Some("ada")),
            ("tess", Some("tess2")),
            ("root", Some("root2")),
            ("bob", Some("bob2")),
            ("../x", Some("x")),
            ("Ada Lovelace", Some("ada.lovelace")),
            ("???", None),
        ] {
            assert_eq!(name(said).as_deref(), expected, "{said}");
        }
        assert!(name(&"x".repeat(300)).is_some_and(|name| name.len() <= 60));
        assert_eq!(new_name(&known, &reserved, ["???", "eve"]).unwrap().as_str(), "eve");
    }
}
