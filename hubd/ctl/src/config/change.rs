//! `hubctl config set`, `unset`, `add`, `remove`: one key at a time, with the judgement and the care of `edit`.

use anyhow::Result;
use hub_core::config;
use hub_core::config::edit::{self, EditError, KeyPath};
use hub_core::config::history::How;
use hub_core::config::keys::Kind;
use hub_core::control::change::Outcome;

use super::super::World;
use super::super::connect::Place;
use super::super::failure::{Cause, Exit, Failure};
use super::super::text::counted;
use super::inside;
use super::key::{resolve, value, whole};
use super::key_change::Change;
use super::live::Live;
use super::lock;
use super::review::{Consent, Review};
use super::save::{save, untouched};

pub(super) fn change(world: &mut World, change: &Change, consent: Consent, dry_run: bool) -> Result<Exit> {
    match Place::find(world)? {
        Place::Host(_) => {}
        Place::Operator(_) | Place::Inside(_) => return inside::request(world, change, consent, dry_run),
    }
    let turn = if dry_run { None } else { Some(lock::take(world)?) };
    let live = Live::read(world)?;
    let before = if live.bytes.is_none() { String::new() } else { live.text(world)?.text };
    let Some(text) = edited(&before, change)?.filter(|text| *text != before) else {
        untouched(world, Outcome::Unchanged, None, "The file already says so; nothing to do.")?;
        return Ok(Exit::Done);
    };
    let new = config::parse(&text, &world.paths.config_file().display().to_string()).map_err(|problems| {
        // Who is not root sees no line of the file.
        if world.on_behalf_of.is_some() {
            let said = |found: &config::Diagnostic| found.message.clone();
            let first = problems.diagnostics.first().and_then(|found| found.hint.clone());
            return Failure::new(Cause::Failed, problems.diagnostics.iter().map(said).collect::<Vec<_>>().join("; "), first);
        }
        let count = counted(problems.diagnostics.len(), "problem", "problems");
        Failure::plain(format!("the configuration would then have {count}, so nothing was changed\n{problems}"))
    })?;
    let review = Review::new(world, &before, text, &new)?;
    inside::validate(world, &change.key(), &before, &review)?;
    review.show(world)?;
    let Some(turn) = turn else {
        untouched(world, Outcome::DryRun, Some(&review), "Nothing was changed: this was a dry run.")?;
        return Ok(Exit::Done);
    };
    if !review.agreed(world, consent, None)? {
        return Err(Failure::new(Cause::Refused, "nothing was changed", None).into());
    }
    save(world, &turn, &review, How::Set)
}

/// `before` with the change; `None`: it is so already.
fn edited(before: &str, change: &Change) -> Result<Option<String>, Failure> {
    let refused = |error: EditError| {
        let hint = matches!(error, EditError::NotToml(_)).then(|| "hubctl config edit shows where".to_owned());
        Failure::new(Cause::Failed, error.to_string(), hint)
    };
    match change {
        Change::Set(key, words) => {
            let (key, known) = resolve(key)?;
            let wanted = value(&key, known, words)?;
            if known.kind == Kind::List {
                return replaced_list(before, &key, words).map_err(refused);
            }
            edit::set(before, &key, &wanted).map(Some).map_err(refused)
        }
        Change::Unset(key) => {
            let key = whole(key);
            match edit::unset(before, &key).map_err(refused)? {
                // A name that is nowhere may be a slip.
                None if hub_core::config::keys::table_of(&key.parts().join(".")).is_none() => resolve(&key).map(|_| None),
                text => Ok(text),
            }
        }
        Change::Add(key, words) => {
            let key = list(key, "set")?;
            edit::add(before, &key, words).map_err(refused)
        }
        Change::Remove(key, words) => {
            let key = list(key, "unset")?;
            edit::remove(before, &key, words).map_err(refused)
        }
    }
}

/// A list is set entry by entry, so that the remarks beside those that stay are kept.
fn replaced_list(before: &str, key: &KeyPath, words: &[String]) -> Result<Option<String>, EditError> {
    let table: toml::Table = toml::from_str(before).map_err(|error| EditError::NotToml(error.message().to_owned()))?;
    let start = toml::Value::Table(table);
    let old = key.parts().iter().try_fold(&start, |value, part| value.get(part)).and_then(toml::Value::as_array);
    let Some(old) = old else {
        let wanted = toml_edit::Array::from_iter(words.iter().map(String::as_str));
        return edit::set(before, key, &wanted.into()).map(Some);
    };
    let unwanted: Vec<String> = old
        .iter()
        .filter_map(toml::Value::as_str)
        .filter(|item| !words.iter().any(|word| word == item))
        .map(str::to_owned)
        .collect();
    let without = edit::remove(before, key, &unwanted)?;
    let with = edit::add(without.as_deref().unwrap_or(before), key, words)?;
    Ok(with.or(without))
}

fn list(key: &KeyPath, instead: &str) -> Result<KeyPath, Failure> {
    let (key, known) = resolve(key)?;
    if known.kind == Kind::List {
        return Ok(key);
    }
    let message = format!("`{key}` is not a list: it takes {}", known.kind.name());
    Err(Failure::new(Cause::Failed, message, format!("use hubctl config {instead} {key}")))
}
