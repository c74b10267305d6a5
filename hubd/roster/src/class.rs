//! A class as a list sees it: who is known, and what the list changes.

use std::collections::HashMap;

use hub_core::accounts::Username;

/// What a class list changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClassChange {
    /// Who is enrolled.
    pub comers: Vec<NewPerson>,
    /// What becomes known of people who are enrolled.
    pub profiles: Vec<(Username, Profile)>,
    /// What people are known by whose names to log in with were made.
    pub identities: Vec<(String, Username)>,
    /// Who is blocked.
    pub leavers: Vec<Username>,
}

/// Somebody to enrol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPerson {
    /// The name to log in with.
    pub name: Username,
    /// What the list says about them.
    pub profile: Profile,
    /// The first password; without one they get a link.
    pub password: Option<String>,
}

/// Who was there before a class list.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Everybody who is enrolled.
    pub people: Vec<Listed>,
    /// Names that were made or given up, by what they are known by.
    pub made: HashMap<String, Username>,
}

/// One enrolled person, as a class list sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The name to log in with.
    pub name: Username,
    /// What is known about them.
    pub profile: Profile,
    /// Whether they are kept out.
    pub is_blocked: bool,
}

/// What a class list says about a person beside the name to log in with. Text that people wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// As people call them.
    pub full_name: Option<String>,
    /// Where they get mail.
    pub email: Option<String>,
}
