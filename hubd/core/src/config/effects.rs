//! What a change of the configuration costs: at once, for new servers, or more. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use toml::Value;

use super::edit::KeyPath;
use super::keys;
use super::{Config, Effect};

/// One key that has another value in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The key with its sections, as in `limits.memory`.
    pub key: String,
    /// What it was, as it is written in the file; empty: it was not set.
    pub old: String,
    /// What it will be; empty: it will not be set.
    pub new: String,
    /// When it counts.
    pub effect: Effect,
}

/// What an effect is called, with the number of people online where it is known.
pub fn describe(effect: Effect, online: Option<u64>) -> String {
    match (effect, online) {
        (Effect::Now, _) => "now".to_owned(),
        (Effect::Rights, _) => "less: now; more: with that person's next server".to_owned(),
        (Effect::NewAccounts, _) => "for new accounts".to_owned(),
        (Effect::Builds, _) => "when it is built: hubctl env apply".to_owned(),
        (Effect::NewServers, _) => "for new servers".to_owned(),
        (Effect::RestartsHub, None | Some(0)) => "restarts the hub; servers go on".to_owned(),
        (Effect::RestartsHub, Some(1)) => "restarts the hub (1 person online; servers go on)".to_owned(),
        (Effect::RestartsHub, Some(people)) => format!("restarts the hub ({people} people online; their servers go on)"),
        (Effect::MovesListener, _) => "moves the listening socket".to_owned(),
        (Effect::NeedsInstaller, _) => "needs hub-installer".to_owned(),
    }
}

/// The keys that have another value in `new` than in `old`, defaults counted in, by name.
pub fn compare(old: &Config, new: &Config) -> Vec<Change> {
    let (old, new) = (values(old), values(new));
    let names: BTreeSet<&KeyPath> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| {
            let text = |values: &BTreeMap<KeyPath, Value>| values.get(key).map(ToString::to_string).unwrap_or_default();
            // A key that is no key of the file can't be in a configuration that was read.
            let effect = keys::find(&key.parts().join(".")).map_or(Effect::NeedsInstaller, |known| known.effect);
            Change { key: key.to_string(), old: text(&old), new: text(&new), effect }
        })
        .collect()
}

/// Every value in force by the name of its key, the defaults too.
pub fn values(config: &Config) -> BTreeMap<KeyPath, Value> {
    let mut found = BTreeMap::new();
    // What `to_toml` writes is read back in its own tests.
    let table = toml::from_str::<toml::Table>(&config.to_toml()).unwrap_or_default();
    flatten(&mut Vec::new(), table, &mut found);
    found
}

fn flatten(path: &mut Vec<String>, table: toml::Table, found: &mut BTreeMap<KeyPath, Value>) {
    for (name, value) in table {
        path.push(name);
        match value {
            Value::Table(inner) => flatten(path, inner, found),
            value => {
                found.insert(KeyPath::new(path.iter()), value);
            }
        }
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn changes(old: &str, new: &str) -> Vec<Change> {
        compare(&parse(old, "old").unwrap(), &parse(new, "new").unwrap())
    }

    fn change(key: &str, old: &str, new: &str, effect: Effect) -> Change {
        Change { key: key.to_owned(), old: old.to_owned(), new: new.to_owned(), effect }
    }

    #[test]
    fn a_change_is_one_of_value_not_of_spelling() {
        assert_eq!(changes("", "# a comment\n[limits]\nmemory = '1024M'\n"), []);
        assert_eq!(
            changes("[limits]\ntasks = 100\n", "[limits]\nmemory = \"2G\"\n"),
            [change("limits.memory", "\"1G\"", "\"2G\"", Effect::Now), change("limits.tasks", "100", "512", Effect::Now),]
        );
    }

    #[test]
    fn each_change_says_what_it_takes() {
        let old = "[roles]\nadmins = [\"ada\"]\n[limits]\ncpu_quota = 2.0\n";
        let new = "[http]\nlisten = [\"127.0.0.1:8000\"]\n[servers]\ndefault_app = \"notebook\"\n[accounts]\nprefix = \"c-\"\n";
        assert_eq!(
            changes(old, new),
            [
                change("accounts.prefix", "\"jupyter-\"", "\"c-\"", Effect::NewAccounts),
                change("http.listen", "[\"[::]:80\"]", "[\"127.0.0.1:8000\"]", Effect::MovesListener),
                change("limits.cpu_quota", "2.0", "", Effect::Now),
                change("roles.admins", "[\"ada\"]", "[]", Effect::Rights),
                change("servers.default_app", "\"lab\"", "\"notebook\"", Effect::NewServers),
            ]
        );
    }

    #[test]
    fn effects_are_told_with_the_people_they_meet() {
        for (effect, online, text) in [
            (Effect::Now, Some(3), "now"),
            (Effect::NewServers, None, "for new servers"),
            (Effect::Rights, None, "less: now; more: with that person's next server"),
            (Effect::NewAccounts, None, "for new accounts"),
            (Effect::Builds, None, "when it is built: hubctl env apply"),
            (Effect::RestartsHub, Some(3), "restarts the hub (3 people online; their servers go on)"),
            (Effect::RestartsHub, Some(1), "restarts the hub (1 person online; servers go on)"),
            (Effect::RestartsHub, None, "restarts the hub; servers go on"),
            (Effect::MovesListener, None, "moves the listening socket"),
            (Effect::NeedsInstaller, None, "needs hub-installer"),
        ] {
            assert_eq!(describe(effect, online), text);
        }
    }
}
