//! One key as a form shows it.

use hub_core::config::edit::KeyPath;
use hub_core::config::effects;
use hub_core::config::keys::{Default, Effect, Key, Kind, find};
use toml::Value;

/// Keys that take one of a few words.
const CHOICES: &[(&str, &[&str])] = &[("default_app", &["lab", "notebook"])];

/// What people call the keys that are changed in the browser.
const LABELS: &[(&str, &str)] = &[
    ("name", "Name of the hub"),
    ("announcement", "Announcement"),
    ("members", "Members"),
    ("memory", "Memory"),
    ("swap", "Swap"),
    ("cpu_quota", "Processor time, in cores"),
    ("cpu_weight", "Share of the processors"),
    ("tasks", "Processes"),
    ("network", "Network"),
    ("default_app", "What opens first"),
    ("idle_timeout", "Stop when unused for"),
    ("start_timeout", "Time for a start"),
    ("stop_timeout", "Time for a stop"),
    ("concurrent_starts", "Starts at the same time"),
];

/// What people call the key that is `name` in its table.
pub(in super::super) fn label(name: &str) -> &str {
    LABELS.iter().find(|(key, _)| *key == name).map_or(name, |(_, label)| label)
}

/// One key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Field {
    /// With its sections, as `hubctl config` takes it.
    pub(in super::super) key: KeyPath,
    pub(in super::super) label: &'static str,
    /// As it is typed; empty: not set.
    pub(in super::super) value: String,
    /// What holds where it is not set.
    pub(in super::super) default: String,
    pub(in super::super) doc: String,
    pub(in super::super) range: String,
    pub(in super::super) shape: Shape,
}

/// What it is typed into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Shape {
    /// One line.
    Line,
    /// Some lines.
    Text,
    /// Names, each a word.
    Names,
    /// One of these words.
    Choice(&'static [&'static str]),
}

impl Field {
    /// The field for `key`, which has `value` in force; `None`: there is no such key.
    pub(in super::super) fn new(key: KeyPath, value: Option<&Value>) -> Option<Self> {
        let known = find(&key.parts().join("."))?;
        Some(Self {
            label: label(known.name),
            value: value.map(typed).unwrap_or_default(),
            default: default(&key, known),
            doc: known.doc.to_owned(),
            range: plain(known.range),
            shape: shape(known),
            key,
        })
    }

    /// A word for `id`, which no other field of the page has.
    pub(in super::super) fn id(&self) -> String {
        self.key.parts().join("-")
    }

    /// Whether what is in force is what holds anyway.
    pub(in super::super) fn is_default(&self) -> bool {
        self.value == self.default || self.value.is_empty()
    }

    /// The words of what was typed.
    pub(super) fn words(&self, text: &str) -> Vec<String> {
        let separates = |letter: char| letter.is_whitespace() || letter == ',' || letter == ';';
        match self.shape {
            Shape::Names => text.split(separates).filter(|word| !word.is_empty()).map(str::to_owned).collect(),
            Shape::Text => vec![text.trim().replace("\r\n", "\n")],
            Shape::Line | Shape::Choice(_) => vec![text.trim().to_owned()],
        }
    }
}

/// A value as it is typed on a command line or into a field.
pub(super) fn typed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(typed).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// The same of a value as it is written in the file; nothing for none.
pub(super) fn typed_from(written: &str) -> String {
    let table: Option<toml::Table> = toml::from_str(&format!("value = {written}")).ok();
    table.as_ref().and_then(|table| table.get("value")).map(typed).unwrap_or_default()
}

/// When a change takes hold, for whoever reads it in a browser.
pub(super) fn takes_hold(effect: Effect) -> &'static str {
    match effect {
        Effect::Now => "at once",
        Effect::NewServers => "for servers that start from now on",
        Effect::NewAccounts => "for new accounts",
        Effect::Rights | Effect::Builds | Effect::RestartsHub | Effect::MovesListener | Effect::NeedsInstaller => "later",
    }
}

/// As values in force are written, so that both can be compared.
fn default(key: &KeyPath, known: &Key) -> String {
    let standard = hub_core::config::parse("", "").ok().and_then(|config| effects::values(&config).remove(key));
    match (standard, known.default) {
        (Some(value), _) => typed(&value),
        (None, Default::Value(written)) => typed_from(written),
        (None, Default::Unset(words)) => words.to_owned(),
    }
}

fn shape(known: &Key) -> Shape {
    if let Some((_, words)) = CHOICES.iter().find(|(key, _)| *key == known.name) {
        return Shape::Choice(words);
    }
    match known.kind {
        Kind::Switch => Shape::Choice(&["true", "false"]),
        Kind::List => Shape::Names,
        Kind::Text if known.name == "announcement" => Shape::Text,
        Kind::Text | Kind::Memory | Kind::Time | Kind::Integer | Kind::Number => Shape::Line,
    }
}

/// A range without the marks that only a file needs.
fn plain(range: &str) -> String {
    range.replace('"', "")
}

#[cfg(test)]
mod tests {
    use hub_core::config::keys::{TABLES, inside};

    use super::*;

    fn field(key: &str, value: Option<&str>) -> Field {
        let value = value.map(|written| toml::from_str::<toml::Table>(&format!("v = {written}")).unwrap().remove("v").unwrap());
        Field::new(key.parse().unwrap(), value.as_ref()).unwrap()
    }

    #[test]
    fn every_key_that_is_changed_inside_has_a_name_for_people_and_a_time() {
        for table in TABLES {
            for key in table.keys.iter().filter(|key| inside::may_change(&format!("{}.{}", table.name, key.name)).is_some()) {
                assert_ne!(label(key.name), key.name, "{}.{}", table.name, key.name);
                assert_ne!(takes_hold(key.effect), "later", "{}.{}", table.name, key.name);
            }
        }
    }

    #[test]
    fn a_value_is_shown_as_it_is_typed() {
        for (key, written, shown) in [
            ("limits.memory", "\"2G\"", "2G"),
            ("limits.cpu_quota", "1.5", "1.5"),
            ("limits.network", "false", "false"),
            ("groups.lab.members", "[\"ada\", \"bob\"]", "ada bob"),
            ("hub.name", "\"a \\\"b\\\"\"", "a \"b\""),
        ] {
            assert_eq!(field(key, Some(written)).value, shown, "{key}");
            assert_eq!(typed_from(written), shown, "{key}");
        }
        assert_eq!(typed_from(""), "");
        assert!(Field::new("limits.memroy".parse().unwrap(), None).is_none());
    }

    #[test]
    fn what_holds_without_a_value_is_said() {
        let memory = field("limits.memory", Some("\"1G\""));
        assert_eq!((memory.default.as_str(), memory.is_default()), ("1G", true));
        assert!(!field("limits.memory", Some("\"2G\"")).is_default());
        assert!(field("hub.announcement", None).is_default());
        let start = field("servers.start_timeout", None);
        assert!(field("servers.start_timeout", Some(&format!("{:?}", start.default))).is_default(), "{start:?}");
        assert_eq!(field("servers.default_app", None).shape, Shape::Choice(&["lab", "notebook"]));
        assert_eq!(field("servers.idle_timeout", None).range, "1m to 365d, or off");
    }

    #[test]
    fn names_are_words_and_a_text_stays_one() {
        let members = field("groups.lab.members", None);
        assert_eq!(members.words(" ada,bob;\r\n eve "), ["ada", "bob", "eve"]);
        assert!(members.words(" ").is_empty());
        assert_eq!(field("hub.announcement", None).words("Closed,\r\n on Friday "), ["Closed,\n on Friday"]);
    }
}
