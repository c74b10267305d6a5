//! A class list: what is asked of the hub about one, and what it would change, or changed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::AddedUser;
use crate::accounts::Username;

/// Largest class list, in bytes.
pub const LARGEST: u64 = 2 << 20;
/// Most people on one.
pub const MOST_PEOPLE: usize = 5_000;
/// Most columns of one that are looked at.
pub const MOST_COLUMNS: usize = 64;

/// A class list, and what is to come of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RosterRequest {
    /// Its text.
    pub list: String,
    /// Whether it was not UTF-8, so that letters beyond ASCII are a guess.
    #[serde(default)]
    pub is_guessed: bool,
    /// What its columns are, from the first on; without them the hub finds out.
    #[serde(default)]
    pub columns: Vec<Column>,
    /// Whether its first line names the columns; `None`: the hub finds out.
    #[serde(default)]
    pub has_heading: Option<bool>,
    /// Whether it is the whole class: students who are not on it leave.
    #[serde(default)]
    pub whole_class: bool,
    /// `None`: nothing is done, and the hub only says what would be.
    #[serde(default)]
    pub go: Option<Go>,
}

/// Says that it be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Go {
    /// The [`RosterPlan::mark`] of what was seen: nothing else is done.
    pub mark: String,
    /// Whether it was said that so many leave; needed for that where [`RosterPlan::many_leave`].
    #[serde(default)]
    pub many_leave: bool,
}

/// What a column of a class list says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// Nothing that is used.
    #[default]
    Unused,
    /// The name to log in with.
    Login,
    /// The whole name.
    FullName,
    /// The first part of the name.
    GivenName,
    /// The last part of the name.
    FamilyName,
    /// The e-mail address.
    Email,
    /// A number or word that stays a person's own.
    Id,
    /// The first password.
    Password,
}

impl Column {
    /// All of them, as people choose among them.
    pub const EACH: [Self; 8] =
        [Self::Unused, Self::Login, Self::FullName, Self::GivenName, Self::FamilyName, Self::Email, Self::Id, Self::Password];

    /// What forms and command lines call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unused => "unused",
            Self::Login => "login",
            Self::FullName => "name",
            Self::GivenName => "given",
            Self::FamilyName => "family",
            Self::Email => "email",
            Self::Id => "id",
            Self::Password => "password",
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unused => "not used",
            Self::Login => "login name",
            Self::FullName => "full name",
            Self::GivenName => "given name",
            Self::FamilyName => "family name",
            Self::Email => "e-mail",
            Self::Id => "ID number",
            Self::Password => "password",
        })
    }
}

impl FromStr for Column {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::EACH.into_iter().find(|column| column.word() == word).ok_or_else(|| {
            let words = Self::EACH.map(Self::word).join(", ");
            format!("no column is `{word}`; there are {words}")
        })
    }
}

/// What a class list would change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterPlan {
    /// What was taken for what, from the first column on.
    pub columns: Vec<FoundColumn>,
    /// Whether the first line names the columns.
    pub has_heading: bool,
    /// Who is enrolled, in the order of the list.
    pub comes: Vec<Comer>,
    /// Who is enrolled already and gets another name or address, in the order of the list.
    pub changes: Vec<Change>,
    /// How many on the list stay as they are.
    pub unchanged: usize,
    /// Students who can log in and are not on the list.
    pub absent: Vec<Absent>,
    /// Whether these leave: they are blocked.
    pub absent_leave: bool,
    /// Whether these are so many that it has to be said once more before they leave.
    pub many_leave: bool,
    /// Why nothing can be done with this list.
    pub problems: Vec<LineProblem>,
    /// What else there is to know, one sentence each.
    pub notes: Vec<String>,
    /// Stands for all this: with another mark it is another plan.
    pub mark: String,
}

impl RosterPlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.comes.is_empty() && self.changes.is_empty() && self.leaves().is_empty()
    }

    /// Who leaves.
    pub fn leaves(&self) -> &[Absent] {
        if self.absent_leave { &self.absent } else { &[] }
    }
}

/// A column as it was understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundColumn {
    /// What it is.
    pub column: Column,
    /// Its title; empty without one.
    pub title: String,
    /// What stands in it, from the first line that has something; never of a password.
    pub example: String,
}

/// Somebody to enrol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comer {
    /// The line of the list.
    pub line: usize,
    /// The name to log in with.
    pub name: Username,
    /// Whether it was made, since the list has none.
    pub is_made: bool,
    /// As people call them.
    pub full_name: Option<String>,
    /// Where they get mail.
    pub email: Option<String>,
    /// Whether the list has a password for them; else they get a link.
    pub has_password: bool,
}

/// Somebody whose name or address changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The line of the list.
    pub line: usize,
    /// Who.
    pub name: Username,
    /// As people call them, when that changes.
    pub full_name: Option<Changed>,
    /// Where they get mail, when that changes.
    pub email: Option<Changed>,
}

/// A text that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// As it is.
    pub from: Option<String>,
    /// As it will be.
    pub to: String,
}

/// Somebody who is not on the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absent {
    /// Who.
    pub name: Username,
    /// As people call them.
    pub full_name: Option<String>,
}

/// What is wrong with a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineProblem {
    /// The line of the list; `None`: all of it.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Answers a [`RosterRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterReply {
    /// What would be done, or was.
    pub plan: RosterPlan,
    /// What was done; `None`: nothing.
    pub done: Option<RosterDone>,
}

/// What was done with a class list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterDone {
    /// In the order of [`RosterPlan::comes`].
    pub users: Vec<AddedUser>,
    /// What did not work with those who left, who can't log in all the same; one sentence each.
    pub problems: Vec<String>,
}
