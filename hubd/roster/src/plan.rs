//! From a class list, and who is there, to what it would change: who comes, who is called otherwise, who leaves. Nothing is done
//! here; the same list and the same people give the same plan. Pure.

use std::collections::{HashMap, HashSet};

use hub_core::accounts::Username;
use hub_core::control::roster::{Absent, Change, Changed, Column, Comer, FoundColumn, LineProblem, RosterPlan, RosterRequest};
use sha2::{Digest, Sha256};

use super::columns::guess;
use super::logins::{Found, Logins};
use super::people::{Entry, is_same, people};
use super::table::{Row, rows};
use crate::{ClassChange, Known, Listed, NewPerson, Profile};

/// Of so many of the class leaves at most one without another question.
const MANY_LEAVE: usize = 5;
/// Longest example of a column that is shown, in characters.
const LONGEST_EXAMPLE: usize = 60;

/// What a plan depends on beside the list and who is enrolled.
pub struct Rules<'rules> {
    /// Names that stand in the configuration.
    pub reserved: &'rules HashSet<Username>,
    /// Whether somebody is a student.
    pub is_student: &'rules (dyn Fn(&Username) -> bool + Sync),
    /// Why whoever asks may not enrol or change somebody.
    pub may: &'rules (dyn Fn(&Username) -> Result<(), String> + Sync),
    /// What is wrong with a password.
    pub judge: &'rules (dyn Fn(&Username, &str) -> Result<(), String> + Sync),
}

/// What `ask` would change, for people and for the database.
pub fn plan(ask: &RosterRequest, known: &Known, rules: &Rules<'_>) -> (RosterPlan, ClassChange) {
    let (rows, mut problems) = rows(&ask.list);
    let (mut columns, has_heading) = guess(&rows, ask.has_heading);
    if !ask.columns.is_empty() {
        columns = (0..columns.len()).map(|at| ask.columns.get(at).copied().unwrap_or_default()).collect();
    }
    problems.extend(twice(&columns));
    let (titles, rows) = match rows.split_first() {
        Some((first, rest)) if has_heading => (Some(first), rest),
        _ => (None, rows.as_slice()),
    };
    let mut plan = RosterPlan { columns: shown(&columns, titles, rows), has_heading, ..RosterPlan::default() };
    let says_who = [Column::Login, Column::FullName, Column::GivenName, Column::FamilyName, Column::Email];
    let entries = if rows.is_empty() {
        problems.push(whole("there is nobody in the list", "write a line for each person"));
        Vec::new()
    } else if columns.iter().any(|column| says_who.contains(column)) {
        let (entries, wrong, notes) = people(rows, &columns);
        problems.extend(wrong);
        plan.notes = notes;
        if entries.is_empty() && problems.is_empty() {
            problems.push(whole("there is nobody in the list", "write a line for each person"));
        }
        entries
    } else {
        problems.push(whole("no column says who people are", "say below which column is what, or put a line with titles above"));
        Vec::new()
    };
    let mut change = ClassChange::default();
    let mut planner = Planner { ask, known, rules, plan: &mut plan, change: &mut change, problems: &mut problems };
    let seen = planner.rows(&entries);
    planner.absent(&seen);
    problems.sort_by_key(|problem| problem.line);
    plan.problems = problems;
    plan.mark = mark(&plan);
    (plan, change)
}

struct Planner<'all> {
    ask: &'all RosterRequest,
    known: &'all Known,
    rules: &'all Rules<'all>,
    plan: &'all mut RosterPlan,
    change: &'all mut ClassChange,
    problems: &'all mut Vec<LineProblem>,
}

impl Planner<'_> {
    /// Returns who is on the list.
    fn rows(&mut self, entries: &[Entry]) -> HashSet<Username> {
        let enrolled: HashMap<&Username, &Listed> = self.known.people.iter().map(|person| (&person.name, person)).collect();
        let mut logins = Logins::new(self.known, self.rules.reserved, entries);
        let mut by_name: HashMap<Username, &Entry> = HashMap::new();
        let mut by_identity: HashMap<String, &Entry> = HashMap::new();
        for entry in entries {
            let first = super::people::identities(entry).iter().find_map(|identity| by_identity.get(identity).copied());
            if let Some(first) = first.filter(|_| entry.login.is_none()) {
                self.repeated(first, entry);
                continue;
            }
            let Some(found) = logins.find(entry) else {
                let hint = "give the list a column `username`: the name that each person logs in with (a-z, 0-9, `.`, `_`, `-`)";
                self.problem(entry.line, "no login name can be made of this line".to_owned(), hint);
                continue;
            };
            if let Some(first) = by_name.get(&found.name) {
                self.repeated(first, entry);
                continue;
            }
            by_name.insert(found.name.clone(), entry);
            for identity in super::people::identities(entry).into_iter().filter(|_| entry.login.is_none()) {
                by_identity.insert(identity, entry);
            }
            match enrolled.get(&found.name) {
                Some(person) => self.stays(entry, person, found),
                None => self.comes(entry, found),
            }
        }
        by_name.into_keys().collect()
    }

    fn comes(&mut self, entry: &Entry, found: Found) {
        let name = &found.name;
        if let Err(why) = (self.rules.may)(name) {
            self.problem(entry.line, why, "leave the line out, or let an administrator give the list");
            return;
        }
        if let Some(password) = &entry.password {
            if self.ask.is_guessed && !password.is_ascii() {
                let hint = "save the list as UTF-8 (in a spreadsheet: \"CSV UTF-8\")";
                self.problem(entry.line, "the password has letters beyond ASCII, and the list is not UTF-8".to_owned(), hint);
                return;
            }
            if let Err(why) = (self.rules.judge)(name, password) {
                self.problem(entry.line, why, "write another, or leave the field empty: then they get a link");
                return;
            }
        }
        self.plan.notes.extend(found.note.clone());
        self.plan.comes.push(Comer {
            line: entry.line,
            name: name.clone(),
            is_made: found.is_made,
            full_name: entry.full_name.clone(),
            email: entry.email.clone(),
            has_password: entry.password.is_some(),
        });
        self.change.comers.push(NewPerson {
            name: name.clone(),
            profile: Profile { full_name: entry.full_name.clone(), email: entry.email.clone() },
            password: entry.password.clone(),
        });
        self.remember(found);
    }

    fn stays(&mut self, entry: &Entry, person: &Listed, found: Found) {
        let differs = |to: &Option<String>, from: &Option<String>| {
            to.clone().filter(|to| Some(to) != from.as_ref()).map(|to| Changed { from: from.clone(), to })
        };
        let full_name = differs(&entry.full_name, &person.profile.full_name);
        let email = differs(&entry.email, &person.profile.email);
        // Also before the list's own number of somebody is remembered for them.
        if let Err(why) = (self.rules.may)(&person.name) {
            if full_name.is_some() || email.is_some() {
                self.plan.notes.push(format!("Line {}: {why}; what is stored about them stays.", entry.line));
            }
            self.plan.unchanged += 1;
            return;
        }
        if full_name.is_none() && email.is_none() {
            self.plan.unchanged += 1;
        } else {
            self.plan.notes.extend(found.note.clone());
            let profile = Profile {
                full_name: entry.full_name.clone().or_else(|| person.profile.full_name.clone()),
                email: entry.email.clone().or_else(|| person.profile.email.clone()),
            };
            self.change.profiles.push((person.name.clone(), profile));
            self.plan.changes.push(Change { line: entry.line, name: person.name.clone(), full_name, email });
        }
        if person.is_blocked {
            self.plan.notes.push(format!("Line {}: {} is blocked, and stays so.", entry.line, person.name));
        }
        self.remember(found);
    }

    fn remember(&mut self, found: Found) {
        let Found { name, identities, .. } = found;
        let new = identities.into_iter().filter(|identity| !self.known.made.contains_key(identity));
        self.change.identities.extend(new.map(|identity| (identity, name.clone())));
    }

    fn repeated(&mut self, first: &Entry, entry: &Entry) {
        let is_sure = entry.login.is_some() || entry.email.is_some() || entry.id.is_some();
        match (is_same(first, entry), is_sure) {
            (true, true) => self.plan.notes.push(format!("Line {} says the same as line {}.", entry.line, first.line)),
            (true, false) => {
                let hint =
                    "if they are two people, give the list a column with e-mail addresses or ID numbers, else delete the line";
                self.problem(entry.line, format!("the same name is on line {} already", first.line), hint);
            }
            (false, _) => {
                let message = format!("line {} is about the same person, and says something else", first.line);
                self.problem(entry.line, message, "correct or delete one of them");
            }
        }
    }

    /// Whoever is not on the list.
    fn absent(&mut self, seen: &HashSet<Username>) {
        let students = || self.known.people.iter().filter(|person| !person.is_blocked && (self.rules.is_student)(&person.name));
        let absent = students().filter(|person| !seen.contains(&person.name));
        self.plan.absent =
            absent.map(|person| Absent { name: person.name.clone(), full_name: person.profile.full_name.clone() }).collect();
        self.plan.absent_leave = self.ask.whole_class && !self.plan.absent.is_empty();
        self.change.leavers = self.plan.leaves().iter().map(|person| person.name.clone()).collect();
        self.plan.many_leave = self.plan.absent.len() * MANY_LEAVE > students().count();
    }

    fn problem(&mut self, line: usize, message: String, hint: &str) {
        self.problems.push(LineProblem { line: Some(line), message, hint: Some(hint.to_owned()) });
    }
}

fn whole(message: &str, hint: &str) -> LineProblem {
    LineProblem { line: None, message: message.to_owned(), hint: Some(hint.to_owned()) }
}

/// Each thing is in one column.
fn twice(columns: &[Column]) -> Option<LineProblem> {
    let is_twice = |column: &Column| *column != Column::Unused && columns.iter().filter(|other| *other == column).count() > 1;
    let column = columns.iter().find(|column| is_twice(column))?;
    Some(whole(&format!("two columns are said to be the {column}"), "choose one of them; the other is not used"))
}

fn shown(columns: &[Column], titles: Option<&Row>, rows: &[Row]) -> Vec<FoundColumn> {
    let short = |text: &str| text.chars().filter(|c| !c.is_control()).take(LONGEST_EXAMPLE).collect::<String>();
    let found = |(at, column): (usize, &Column)| FoundColumn {
        column: *column,
        title: titles.map(|titles| short(titles.text(at))).unwrap_or_default(),
        example: match column {
            Column::Password => String::new(),
            _ => rows.iter().map(|row| row.text(at)).find(|text| !text.is_empty()).map(short).unwrap_or_default(),
        },
    };
    columns.iter().enumerate().map(found).collect()
}

/// Whether the absent leave is said in the same breath as that it be done, and is no part of what was shown.
fn mark(plan: &RosterPlan) -> String {
    let text = serde_json::to_vec(&RosterPlan { absent_leave: false, ..plan.clone() }).unwrap_or_default();
    Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
