//! Names to log in with for people whose list has none: who is known already keeps theirs, for good; everybody else gets one that
//! is nobody else's, was nobody else's, and gives no right. Pure.

use std::collections::{HashMap, HashSet};

use hub_core::accounts::Username;

use super::people::{Entry, identities, own_login, sources};
use super::person::key;
use super::proposal::{plain, with_number};
use crate::{Known, Listed};

/// Numbers that are tried for one name.
const MOST_NUMBERS: usize = 100_000;

/// Who a row is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: Username,
    /// Whether the name was made now.
    pub(super) is_made: bool,
    /// What the person is known by from now on.
    pub(super) identities: Vec<String>,
    /// What should be looked at, one sentence.
    pub(super) note: Option<String>,
}

/// Finds out who is who.
pub(super) struct Logins<'known> {
    known: &'known Known,
    by_mail: HashMap<String, &'known Listed>,
    by_full_name: HashMap<String, Vec<&'known Listed>>,
    by_login: HashMap<&'known Username, &'known Listed>,
    /// By which identities a name was made.
    made_for: HashMap<&'known Username, Vec<&'known str>>,
    /// Full names of this list, with how often each is there.
    in_list: HashMap<String, usize>,
    taken: HashSet<Username>,
    /// Names that stand in the configuration: they may give rights.
    reserved: &'known HashSet<Username>,
    next: HashMap<Username, usize>,
    /// Who was taken for somebody of this list because of the name to log in with.
    claimed: HashSet<Username>,
}

impl<'known> Logins<'known> {
    pub(super) fn new(known: &'known Known, reserved: &'known HashSet<Username>, entries: &[Entry]) -> Self {
        let mut by_full_name: HashMap<String, Vec<&Listed>> = HashMap::new();
        for person in &known.people {
            if let Some(name) = &person.profile.full_name {
                by_full_name.entry(key(name)).or_default().push(person);
            }
        }
        let mut made_for: HashMap<&Username, Vec<&str>> = HashMap::new();
        for (identity, name) in &known.made {
            made_for.entry(name).or_default().push(identity);
        }
        let mut in_list = HashMap::new();
        for name in entries.iter().filter_map(|entry| entry.full_name.as_ref()) {
            *in_list.entry(key(name)).or_default() += 1;
        }
        let enrolled = known.people.iter().map(|person| &person.name);
        Self {
            by_mail: known
                .people
                .iter()
                .filter_map(|person| Some((person.profile.email.as_ref()?.to_lowercase(), person)))
                .collect(),
            by_full_name,
            by_login: known.people.iter().map(|person| (&person.name, person)).collect(),
            made_for,
            in_list,
            taken: enrolled.chain(known.made.values()).cloned().chain(entries.iter().filter_map(own_login)).collect(),
            reserved,
            next: HashMap::new(),
            claimed: HashSet::new(),
            known,
        }
    }

    /// Who `entry` is; `None`: no name can be made of what it says.
    pub(super) fn find(&mut self, entry: &Entry) -> Option<Found> {
        if let Some(name) = own_login(entry) {
            // A later list may lack the column.
            let identities = identities(entry).into_iter().filter(|identity| !identity.starts_with("name:")).collect();
            return Some(Found { name, is_made: false, identities, note: None });
        }
        let identities = match &entry.login {
            Some(login) => vec![format!("login:{}", key(login))],
            None => identities(entry),
        };
        if let Some((name, note)) = self.same(entry, &identities) {
            return Some(Found { name, is_made: false, identities, note });
        }
        let plain = sources(entry).find_map(plain)?;
        if let Some(person) = self.by_login.get(&plain).filter(|person| self.is_bare(person)) {
            let name = person.name.clone();
            self.claimed.insert(name.clone());
            let note = format!(
                "Line {}: {name} is on the hub already, without a full name and an address, and is taken for this person.",
                entry.line
            );
            return Some(Found { name, is_made: false, identities, note: Some(note) });
        }
        let name = self.free(&plain)?;
        self.taken.insert(name.clone());
        Some(Found { name, is_made: true, identities, note: self.namesake(entry) })
    }

    /// Somebody who is known already.
    fn same(&self, entry: &Entry, identities: &[String]) -> Option<(Username, Option<String>)> {
        if let Some(name) = identities.iter().find_map(|identity| self.known.made.get(identity)) {
            return Some((name.clone(), None));
        }
        if let Some(person) = entry.email.as_ref().and_then(|email| self.by_mail.get(&email.to_lowercase())) {
            return Some((person.name.clone(), None));
        }
        let (full_name, people) = self.called_so(entry)?;
        let [only] = people else { return None };
        let is_unclear = self.in_list.get(&full_name).is_some_and(|count| *count > 1)
            || entry.email.is_some() && only.profile.email.is_some()
            || entry.id.is_some()
                && self.made_for.get(&only.name).is_some_and(|known| known.iter().any(|one| one.starts_with("id:")));
        if is_unclear || self.reserved.contains(&only.name) {
            return None;
        }
        let note = format!("Line {}: taken for {}, who has the same full name.", entry.line, only.name);
        Some((only.name.clone(), Some(note)))
    }

    fn called_so(&self, entry: &Entry) -> Option<(String, &[&'known Listed])> {
        let full_name = key(entry.full_name.as_ref()?);
        let people = self.by_full_name.get(&full_name)?;
        Some((full_name, people))
    }

    /// What to say about somebody new who has another's full name.
    fn namesake(&self, entry: &Entry) -> Option<String> {
        let (_, people) = self.called_so(entry)?;
        let other = people.first()?;
        Some(format!(
            "Line {}: {} has the same full name, and is taken for somebody else. If they are one person, give the list a column \
             `username` with {}.",
            entry.line, other.name, other.name
        ))
    }

    /// Whether nothing is known of somebody but the name to log in with, which gives no right.
    fn is_bare(&self, person: &Listed) -> bool {
        person.profile.full_name.is_none()
            && person.profile.email.is_none()
            && !self.made_for.contains_key(&person.name)
            && !self.reserved.contains(&person.name)
            && !self.claimed.contains(&person.name)
    }

    pub(super) fn free(&mut self, plain: &Username) -> Option<Username> {
        let is_free = |name: &Username| !self.taken.contains(name) && !self.reserved.contains(name);
        if is_free(plain) {
            return Some(plain.clone());
        }
        let from = self.next.get(plain).copied().unwrap_or(2);
        let (number, name) = (from..from + MOST_NUMBERS)
            .filter_map(|number| Some((number, with_number(plain, number)?)))
            .find(|(_, name)| is_free(name))?;
        self.next.insert(plain.clone(), number + 1);
        Some(name)
    }
}
