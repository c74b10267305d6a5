//! What is answered about somebody, of all that a provider says: bounded, and each from one place. Pure.

use hub_core::config::{Claims, Provider};
use serde_json::Value;

use crate::token::Signed;

/// No text is longer, in characters.
const LONGEST: usize = 256;
/// No more groups are told.
const MOST_GROUPS: usize = 1000;

/// Whether the signed part says all that the rules of `provider` ask for.
pub(crate) fn is_enough(signed: &Signed, provider: &Provider) -> bool {
    let needs_email = provider.allow_domains.is_some() || provider.username_claim == "email";
    signed.contains_key(&provider.username_claim)
        && (!needs_email || signed.contains_key("email"))
        && (provider.allow_groups.is_none() || signed.contains_key(&provider.groups_claim))
}

/// Who it is. `more`: what the provider said beside what it signed, of the same subject; what it signed goes before.
pub(crate) fn claims(signed: &Signed, more: Option<&Signed>, provider: &Provider) -> Claims {
    let place = |name: &str| [Some(signed), more].into_iter().flatten().find(|place| place.contains_key(name));
    let text = |name: &str| place(name).and_then(|place| line(place.get(name)?));
    // The address and whether it is verified are of one place: two addresses may be meant.
    let verified_email = place("email").filter(|place| is_verified(place)).and_then(|place| line(place.get("email")?));
    let username = match provider.username_claim.as_str() {
        "email" => verified_email.clone(),
        claim => text(claim),
    };
    Claims {
        issuer: signed.get("iss").and_then(Value::as_str).unwrap_or_default().to_owned(),
        subject: signed.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned(),
        username,
        verified_email,
        hosted_domain: line(signed.get("hd").unwrap_or(&Value::Null)),
        groups: place(&provider.groups_claim).map(|place| groups(place.get(&provider.groups_claim))).unwrap_or_default(),
        full_name: place("name").and_then(|place| line(&Value::from(place.get("name")?.as_str()?.trim()))),
    }
}

/// Some providers write it as a text.
fn is_verified(place: &Signed) -> bool {
    match place.get("email_verified") {
        Some(Value::Bool(verified)) => *verified,
        Some(Value::String(verified)) => verified == "true",
        _ => false,
    }
}

/// To the letter: with a blank at its end it is another's name.
fn line(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let fits = !text.is_empty() && text.trim() == text && text.chars().count() <= LONGEST && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

fn groups(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(groups)) => groups.iter().filter_map(line).take(MOST_GROUPS).collect(),
        Some(one) => line(one).into_iter().collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::token::tests::provider;

    fn signed(value: Value) -> Signed {
        value.as_object().unwrap().clone()
    }

    /// CVE-2026-33175
    #[test]
    fn security_21_an_address_counts_only_when_its_own_place_says_that_it_is_verified() {
        let email =
            |signed_part: Value, more: Value| claims(&signed(signed_part), Some(&signed(more)), &provider()).verified_email;
        let verified = json!({"sub": "1", "email": "ada@a.example", "email_verified": true});
        assert_eq!(email(verified.clone(), json!({})).as_deref(), Some("ada@a.example"));
        assert_eq!(email(json!({"sub": "1"}), verified.clone()).as_deref(), Some("ada@a.example"));
        for wrong in [json!(false), json!(null), json!(1), json!("yes"), json!("false"), json!(["true"])] {
            let part = json!({"sub": "1", "email": "ada@a.example", "email_verified": wrong});
            assert_eq!(email(part, json!({})), None, "{wrong}");
        }
        // One place has the address, the other says of its own that it is verified.
        assert_eq!(email(json!({"sub": "1", "email": "admin@a.example"}), verified), None);
    }

    #[test]
    fn security_23_a_name_of_any_kind_is_one_bounded_line_or_none() {
        let name = |value: Value| claims(&signed(json!({"sub": "1", "preferred_username": value})), None, &provider()).username;
        assert_eq!(name(json!("ada")).as_deref(), Some("ada"));
        assert_eq!(name(json!("../x")).as_deref(), Some("../x"), "whether it may be a name is judged by who makes names");
        for wrong in [
            json!("a\nb"),
            json!("ada "),
            json!("\u{a0}ada"),
            json!(""),
            json!(" "),
            json!("x".repeat(300)),
            json!(7),
            json!(["ada"]),
            json!({"a": 1}),
        ] {
            assert_eq!(name(wrong.clone()), None, "{wrong}");
        }
    }

    #[test]
    fn groups_are_a_list_or_one() {
        let groups = |value: Value| claims(&signed(json!({"sub": "1", "groups": value})), None, &provider()).groups;
        assert_eq!(groups(json!(["a", 1, "b", "c ", null])), ["a", "b"]);
        assert_eq!(groups(json!("a")), ["a"]);
        assert!(groups(json!({"a": true})).is_empty() && groups(json!(null)).is_empty());
    }

    #[test]
    fn more_is_asked_for_only_where_a_rule_needs_it() {
        let ada = signed(json!({"sub": "1", "preferred_username": "ada"}));
        assert!(is_enough(&ada, &provider()));
        assert!(!is_enough(&signed(json!({"sub": "1"})), &provider()));
        assert!(!is_enough(&ada, &Provider { allow_domains: Some(vec!["a.example".to_owned()]), ..provider() }));
        assert!(!is_enough(&ada, &Provider { allow_groups: Some(vec!["a".to_owned()]), ..provider() }));
    }
}
