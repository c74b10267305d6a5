//! The text as written: every known key with its value and place, and a problem for everything else. Judging values is
//! `check`'s work.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Found, Words};
use super::keys::{self, Key, Kind, not_in_this_version, unknown};

type Span = Range<usize>;

/// A value of the kind that its key takes.
#[derive(Debug, Clone)]
pub(super) enum Typed {
    Text(String),
    List(Vec<(String, Span)>),
    Integer(i64),
    Number(f64),
    Switch(bool),
}

/// A key that the file has.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Where the key is.
    pub(super) key: Span,
    /// Where the value is.
    pub(super) span: Span,
    pub(super) value: Typed,
}

/// Everything the file says, by path: `limits.memory`, `users.ada.limits.memory`.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) entries: BTreeMap<String, Entry>,
    /// Names below `[groups]`, as written.
    pub(super) groups: Vec<(String, Span)>,
    /// Names below `[users]`, as written.
    pub(super) users: Vec<(String, Span)>,
    /// Names below `[environment.kernels]`, as written.
    pub(super) kernels: Vec<(String, Span)>,
    /// Names below `[apps]`, as written.
    pub(super) apps: Vec<(String, Span)>,
    /// Names below `[login]`, as written.
    pub(super) logins: Vec<(String, Span)>,
    /// Where `[https]` is.
    pub(super) https: Option<Span>,
}

/// Sorts what `root` says. What is not a key, or has a value of another kind, becomes a problem.
pub(super) fn read(root: &DeTable<'_>, found: &mut Found<'_>) -> Tree {
    let mut walk = Walk { source: found.source.text, found, tree: Tree::default() };
    for (key, value) in root {
        let (name, span) = (key.get_ref().as_ref(), key.span());
        match (name, value.get_ref()) {
            ("groups" | "users", DeValue::Table(table)) => walk.people(name, table),
            ("groups" | "users", _) => walk.not_a_table(name, value),
            ("apps", _) => walk.named("apps", value, |tree| &mut tree.apps),
            (_, DeValue::Table(table)) if keys::table_of(name).is_some() => {
                if name == "https" {
                    walk.tree.https = Some(span);
                }
                walk.section(name, table);
            }
            _ if keys::table_of(name).is_some() => walk.not_a_table(name, value),
            _ => walk.unknown("", name, span, value.get_ref()),
        }
    }
    walk.tree
}

struct Walk<'walk, 'text> {
    source: &'text str,
    found: &'walk mut Found<'text>,
    tree: Tree,
}

impl Walk<'_, '_> {
    fn problem(&mut self, kind: &'static str, span: Span, message: impl Into<String>, hint: Option<&str>) {
        self.found.push(span, || Words { kind, message: message.into(), hint: hint.map(str::to_owned) });
    }

    fn section(&mut self, path: &str, table: &DeTable<'_>) {
        let known = keys::table_of(path).map_or(&[][..], |known| known.keys);
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if (path, name) == ("environment", "kernels") {
                self.named("environment.kernels", value, |tree| &mut tree.kernels);
                continue;
            }
            let is_key = known.iter().any(|known| known.name == name);
            if path == "login" && !is_key && matches!(value.get_ref(), DeValue::Table(_)) {
                self.below_name(path, (name, key.span()), value, |tree| &mut tree.logins);
                continue;
            }
            match known.iter().find(|known| known.name == name) {
                Some(known) => self.value(format!("{path}.{name}"), known, key.span(), value),
                None => self.unknown(path, name, key.span(), value.get_ref()),
            }
        }
    }

    /// `[environment.kernels]` and `[apps]`: tables below names, which `names` keeps.
    fn named(&mut self, path: &str, value: &Spanned<DeValue<'_>>, names: fn(&mut Tree) -> &mut Vec<(String, Span)>) {
        let DeValue::Table(table) = value.get_ref() else { return self.not_a_table(path, value) };
        for (key, value) in table {
            self.below_name(path, (key.get_ref(), key.span()), value, names);
        }
    }

    /// One of them.
    fn below_name(
        &mut self,
        path: &str,
        (name, span): (&str, Span),
        value: &Spanned<DeValue<'_>>,
        names: fn(&mut Tree) -> &mut Vec<(String, Span)>,
    ) {
        let DeValue::Table(settings) = value.get_ref() else {
            return self.not_a_table(&format!("{path}.{}", quoted(name)), value);
        };
        names(&mut self.tree).push((name.to_owned(), span));
        self.section(&format!("{path}.{name}"), settings);
    }

    /// `[groups]` and `[users]`: tables below names of any kind.
    fn people(&mut self, kind: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let (name, span) = (key.get_ref().as_ref(), key.span());
            let DeValue::Table(settings) = value.get_ref() else {
                if keys::has_successor(&format!("{kind}.{name}")) {
                    self.unknown(kind, name, span, value.get_ref());
                } else {
                    self.not_a_table(&format!("{kind}.{}", quoted(name)), value);
                }
                continue;
            };
            let names = if kind == "users" { &mut self.tree.users } else { &mut self.tree.groups };
            names.push((name.to_owned(), span));
            self.settings(&format!("{kind}.{name}"), kind, name, settings);
        }
    }

    /// `[groups.NAME]` or `[users.NAME]`
    fn settings(&mut self, path: &str, kind: &str, name: &str, table: &DeTable<'_>) {
        // Not looked up by `path`: somebody may be called `ada.limits`.
        let known = keys::table_of(&format!("{kind}.NAME")).map_or(&[][..], |known| known.keys);
        for (key, value) in table {
            let (inner, span) = (key.get_ref().as_ref(), key.span());
            match (inner, value.get_ref()) {
                ("limits", DeValue::Table(limits)) => self.section(&format!("{path}.limits"), limits),
                ("limits", _) => self.not_a_table(&format!("{path}.limits"), value),
                // `[users.ada.lovelace.limits]`
                (_, DeValue::Table(_)) if !known.iter().any(|key| key.name == inner) => {
                    let whole = format!("{name}.{inner}");
                    let hint = format!("a name with a dot is put in quotes: [{kind}.{}.limits]", quoted(&whole));
                    let message = format!("`{}` is not a key of [{kind}.{}]", inner.escape_debug(), quoted(name));
                    self.problem("unknown_key", span, message, Some(&hint));
                }
                _ => match known.iter().find(|known| known.name == inner) {
                    Some(known) => self.value(format!("{path}.{inner}"), known, span, value),
                    None => self.unknown_setting(path, kind, inner, span),
                },
            }
        }
    }

    fn unknown_setting(&mut self, path: &str, kind: &str, inner: &str, span: Span) {
        let known: &[&str] = if kind == "groups" { &["members", "limits"] } else { &["limits"] };
        let hint = match keys::find(&format!("limits.{inner}")) {
            Some(key) => format!("`{}` belongs under [{path}.limits]", key.name),
            None => match keys::nearest(inner, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the keys here are `{}`", known.join("`, `")),
            },
        };
        self.problem("unknown_key", span, format!("`{}` is not a key of [{path}]", inner.escape_debug()), Some(&hint));
    }

    fn unknown(&mut self, path: &str, name: &str, span: Span, value: &DeValue<'_>) {
        let whole = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        if let DeValue::Table(table) = value
            && keys::has_successors(&whole)
        {
            for (key, value) in table {
                self.unknown(&whole, key.get_ref(), key.span(), value.get_ref());
            }
            return;
        }
        let is_table = matches!(value, DeValue::Table(_));
        self.found.push(span, || unknown(path, name, is_table));
    }

    fn not_a_table(&mut self, path: &str, value: &Spanned<DeValue<'_>>) {
        let header = if matches!(path, "groups" | "users" | "environment.kernels" | "apps") {
            format!("{path}.NAME")
        } else {
            path.to_owned()
        };
        let message =
            format!("`{path}` is a table; expected [{header}] and its keys below, found {}", described(value.get_ref()));
        let doubled = self.source.get(value.span()).is_some_and(|written| written.starts_with("[["));
        let hint = doubled.then(|| format!("write [{header}], with one pair of brackets"));
        self.problem("wrong_type", value.span(), message, hint.as_deref());
    }

    fn value(&mut self, path: String, key: &Key, place: Span, value: &Spanned<DeValue<'_>>) {
        let span = value.span();
        if not_in_this_version(&path, self.source.get(span.clone()).unwrap_or_default()) {
            let message = format!("`{} = {}` is not in this version of hubd", key.name, &self.source[span.clone()]);
            self.problem("not_in_this_version", span, message, Some("remove it: this version can't do that yet"));
            return;
        }
        let typed = match (key.kind, value.get_ref()) {
            (Kind::Text | Kind::Memory | Kind::Time, DeValue::String(text)) => Some(Typed::Text(text.to_string())),
            (Kind::Integer, DeValue::Integer(number)) => {
                i64::from_str_radix(number.as_str(), number.radix()).ok().map(Typed::Integer)
            }
            (Kind::Number, DeValue::Integer(number)) => {
                i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| Typed::Number(number as f64))
            }
            (Kind::Number, DeValue::Float(number)) => number.as_str().parse().ok().map(Typed::Number),
            (Kind::Switch, DeValue::Boolean(switch)) => Some(Typed::Switch(*switch)),
            (Kind::List, DeValue::Array(items)) => Some(Typed::List(self.items(key, items.iter()))),
            _ => None,
        };
        match typed {
            Some(value) => drop(self.tree.entries.insert(path, Entry { key: place, span, value })),
            None => self.wrong_type(key, value),
        }
    }

    fn items<'item>(&mut self, key: &Key, items: impl Iterator<Item = &'item Spanned<DeValue<'item>>>) -> Vec<(String, Span)> {
        let mut list = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::String(text) => list.push((text.to_string(), item.span())),
                other => {
                    let message = format!("`{}` lists strings, as in {}; found {}", key.name, key.example, described(other));
                    self.problem("wrong_type", item.span(), message, in_quotes(self.source, item).as_deref());
                }
            }
        }
        list
    }

    fn wrong_type(&mut self, key: &Key, value: &Spanned<DeValue<'_>>) {
        let Key { name, example, .. } = key;
        let written = self.source.get(value.span()).unwrap_or_default().trim();
        let (expected, hint) = match (key.kind, value.get_ref()) {
            (Kind::Text, DeValue::Boolean(_)) => (format!("a string like {example}"), None),
            (Kind::Text, _) => (format!("a string like {example}"), in_quotes(self.source, value)),
            (Kind::Memory | Kind::Time, other) => {
                let unit = format!("put it in quotes, with a unit: {name} = {example}");
                (format!("a string like {example}"), matches!(other, DeValue::Integer(_) | DeValue::Float(_)).then_some(unit))
            }
            (Kind::Integer, DeValue::Integer(_)) => ("a whole number of fewer digits".to_owned(), None),
            (kind @ (Kind::Integer | Kind::Number), DeValue::String(text)) => {
                let fits = if kind == Kind::Integer { text.parse::<i64>().is_ok() } else { text.parse::<f64>().is_ok() };
                (format!("{} like {example}", kind.name()), fits.then(|| format!("leave out the quotes: {name} = {text}")))
            }
            (kind @ (Kind::Integer | Kind::Number), _) => (format!("{} like {example}", kind.name()), None),
            (Kind::Switch, _) => ("true or false".to_owned(), Some("write true or false, without quotes".to_owned())),
            (Kind::List, DeValue::String(_)) => (
                format!("a list of strings like {example}"),
                short(written).map(|text| format!("put it in brackets: {name} = [{text}]")),
            ),
            (Kind::List, _) => (format!("a list of strings like {example}"), None),
        };
        let message = format!("`{name}` takes {expected}; found {}", described(value.get_ref()));
        self.problem("wrong_type", value.span(), message, hint.as_deref());
    }
}

/// `put it in quotes: "80"`, for a value that would fit into a line.
fn in_quotes(source: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
    let simple = !matches!(value.get_ref(), DeValue::Array(_) | DeValue::Table(_) | DeValue::String(_));
    let written = short(source.get(value.span())?)?;
    simple.then(|| format!("put it in quotes: \"{written}\""))
}

fn short(text: &str) -> Option<&str> {
    (text.chars().count() <= 60 && !text.chars().any(char::is_control)).then_some(text)
}

/// A key as it has to be written: quoted where it has a dot or anything else that is not a bare key.
pub(super) fn quoted(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if bare { name.to_owned() } else { format!("{name:?}") }
}

fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if text.chars().count() <= 40 => format!("the string {text:?}"),
        DeValue::String(_) => "a string".to_owned(),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(switch) => switch.to_string(),
        DeValue::Datetime(_) => "a date or time".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
