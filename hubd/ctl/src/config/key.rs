//! Names of keys as people type them, and values as the schema types them. Pure.

use hub_core::config::edit::{self, KeyPath};
use hub_core::config::keys::{self, Key, Kind};
use hub_core::config::parse;
use toml_edit::{Array, Value};

use super::super::failure::{Cause, Failure};

/// The key that `typed` names, with what the schema knows of it.
///
/// # Errors
/// When there is no such key; with the nearest name.
pub(super) fn resolve(typed: &KeyPath) -> Result<(KeyPath, &'static Key), Failure> {
    let key = whole(typed);
    match keys::find(&key.parts().join(".")) {
        Some(known) => Ok((key, known)),
        None => Err(unknown(&key)),
    }
}

/// A name with dots in it counts as one part, with quotation marks or without.
pub(super) fn whole(typed: &KeyPath) -> KeyPath {
    let parts = typed.parts();
    match parts {
        [first, names @ .., limits, last]
            if (first == "users" || first == "groups") && limits == "limits" && !names.is_empty() =>
        {
            KeyPath::new([first, &names.join("."), limits, last])
        }
        [first, names @ .., last] if first == "groups" && names.len() > 1 && last == "members" => {
            KeyPath::new([first, &names.join("."), last])
        }
        _ => typed.clone(),
    }
}

/// What the schema says to a name that it does not have: the same as to one in the file.
fn unknown(key: &KeyPath) -> Failure {
    let said = edit::set("", key, &Value::from(0)).ok().and_then(|text| parse(&text, "").err());
    match said.and_then(|problems| problems.diagnostics.into_iter().next()) {
        Some(problem) => Failure::new(Cause::Failed, problem.message, problem.hint),
        None => Failure::new(
            Cause::Failed,
            format!("`{key}` is not a key of the configuration"),
            "write a key as section and name, as in limits.memory; to see all of them: hubctl config show --effective".to_owned(),
        ),
    }
}

/// What was typed on the command line as the value that `key` takes.
///
/// # Errors
/// When it can't be one.
pub(super) fn value(key: &KeyPath, known: &Key, typed: &[String]) -> Result<Value, Failure> {
    let wrong = |given: &str| {
        let message = format!("{given:?} is not a value for `{key}`; expected {}", known.kind.name());
        Failure::new(Cause::Failed, message, format!("as in: hubctl config set {key} {}", example(known)))
    };
    let text = match typed {
        [text] => text,
        _ if known.kind == Kind::List => "",
        _ => return Err(wrong(&typed.join(" "))),
    };
    match known.kind {
        Kind::List => Ok(Value::from(Array::from_iter(typed.iter().map(String::as_str)))),
        Kind::Text | Kind::Memory | Kind::Time => Ok(Value::from(text)),
        Kind::Integer => text.parse::<i64>().map(Value::from).map_err(|_| wrong(text)),
        Kind::Number => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(whole), _) => Ok(Value::from(whole)),
            (_, Ok(number)) if number.is_finite() => Ok(Value::from(number)),
            _ => Err(wrong(text)),
        },
        Kind::Switch => text.parse::<bool>().map(Value::from).map_err(|_| wrong(text)),
    }
}

/// The example of the schema, as it is typed on a command line.
fn example(known: &Key) -> String {
    let items: Option<Vec<String>> = known.example.parse::<Value>().ok().and_then(|value| match value {
        Value::Array(items) => Some(items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()),
        Value::String(text) => Some(vec![text.value().clone()]),
        _ => None,
    });
    items.map_or_else(|| known.example.to_owned(), |items| items.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(name: &str, words: &[&str]) -> Result<String, String> {
        let (key, known) = resolve(&name.parse().unwrap()).map_err(|failure| failure.message)?;
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        value(&key, known, &words).map(|value| value.to_string()).map_err(|failure| failure.message)
    }

    #[test]
    fn a_value_has_the_type_of_its_key() {
        for (name, words, written) in [
            ("limits.memory", &["2G"][..], "\"2G\""),
            ("limits.swap", &["0"], "\"0\""),
            ("limits.tasks", &["200"], "200"),
            ("limits.cpu_quota", &["1.5"], "1.5"),
            ("limits.cpu_quota", &["2"], "2"),
            ("limits.network", &["false"], "false"),
            ("hub.name", &["7"], "\"7\""),
            ("hub.name", &["true"], "\"true\""),
            ("roles.admins", &["ada", "grace"], "[\"ada\", \"grace\"]"),
            ("roles.admins", &[], "[]"),
            ("users.ada.lovelace.limits.memory", &["2G"], "\"2G\""),
        ] {
            assert_eq!(typed(name, words).as_deref(), Ok(written), "{name} {words:?}");
        }
    }

    #[test]
    fn a_value_of_another_type_is_refused() {
        for (name, words, message) in [
            ("limits.tasks", &["many"][..], "\"many\" is not a value for `limits.tasks`; expected a whole number"),
            ("limits.tasks", &["1.5"], "\"1.5\" is not a value for `limits.tasks`; expected a whole number"),
            ("limits.cpu_quota", &["nan"], "\"nan\" is not a value for `limits.cpu_quota`; expected a number"),
            ("limits.network", &["yes"], "\"yes\" is not a value for `limits.network`; expected true or false"),
            ("hub.name", &["Maths", "1"], "\"Maths 1\" is not a value for `hub.name`; expected a string"),
        ] {
            assert_eq!(typed(name, words).unwrap_err(), message);
        }
    }

    #[test]
    fn a_name_with_dots_is_one_part() {
        for (name, parts) in [
            ("users.ada.l.limits.memory", &["users", "ada.l", "limits", "memory"][..]),
            ("users.\"ada.l\".limits.memory", &["users", "ada.l", "limits", "memory"]),
            ("groups.a.b.members", &["groups", "a.b", "members"]),
            ("groups.a.members", &["groups", "a", "members"]),
            ("limits.memory", &["limits", "memory"]),
        ] {
            assert_eq!(whole(&name.parse().unwrap()).parts(), parts, "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_as_in_the_file() {
        let failure = resolve(&"limits.memroy".parse().unwrap()).unwrap_err();
        assert_eq!(failure.message, "`memroy` is not a key of [limits]");
        assert_eq!(failure.hint.as_deref(), Some("did you mean `memory`?"));
        assert!(resolve(&"memory".parse().unwrap()).is_err() && resolve(&"limits".parse().unwrap()).is_err());
    }
}
