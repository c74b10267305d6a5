//! Every key of the configuration, as data: the text of the reference and of the default file, what `set` may take, what
//! to say about a name that is not among them.

#[cfg(test)]
mod documents;
pub mod inside;
mod table;
mod unknown;

pub use table::TABLES;
pub(super) use unknown::{has_successor, has_successors, nearest, not_in_this_version, unknown};

/// One table of the file.
#[derive(Debug)]
pub struct Table {
    /// What is between the brackets; `NAME` stands for any name.
    pub name: &'static str,
    /// What it is about.
    pub doc: &'static str,
    /// What it holds.
    pub keys: &'static [Key],
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// As it is written in its table.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What holds where the file does not say it.
    pub default: Default,
    /// A value, written as in the file.
    pub example: &'static str,
    /// What is allowed, in words.
    pub range: &'static str,
    /// What it does: whole sentences.
    pub doc: &'static str,
    /// When a change takes hold.
    pub effect: Effect,
}

/// What holds where the file does not say a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// This value, written as in the file.
    Value(&'static str),
    /// No value; the words, if any, say what that means.
    Unset(&'static str),
}

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A string with an amount of memory.
    Memory,
    /// A string with a span of time.
    Time,
    /// A whole number.
    Integer,
    /// A number with or without a fraction.
    Number,
    /// `true` or `false`.
    Switch,
    /// A list of strings.
    List,
}

impl Kind {
    /// What it is, in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Memory => "a string with an amount of memory",
            Self::Time => "a string with a span of time",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Switch => "true or false",
            Self::List => "a list of strings",
        }
    }
}

/// When a change takes hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// At once, also for what runs.
    Now,
    /// What is taken away: at once. What is given: with its owner's next login and server, which gets what goes with it.
    Rights,
    /// For unix accounts that are made from then on.
    NewAccounts,
    /// When the environment or the kernel was built with it, for what starts from then on.
    Builds,
    /// For servers that start from then on.
    NewServers,
    /// When hubd was restarted; people's servers go on.
    RestartsHub,
    /// When the listening socket was moved.
    MovesListener,
    /// When `hub-installer install` was run again.
    NeedsInstaller,
}

/// The key at `path`, as in `limits.memory` or `users.ada.limits.memory`; a name with dots counts as one part.
pub fn find(path: &str) -> Option<&'static Key> {
    let (table, key) = path.rsplit_once('.')?;
    table_of(table)?.keys.iter().find(|known| known.name == key)
}

/// The table at `path`, as in `limits` or `users.ada.limits`.
pub fn table_of(path: &str) -> Option<&'static Table> {
    let matches = |table: &&Table| match table.name.split_once("NAME") {
        None => table.name == path,
        Some((start, end)) => {
            let name = path.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
            name.is_some_and(|name| !name.is_empty() && (end.is_empty() || !name.ends_with('.')))
        }
    };
    // The longer pattern first: `users.ada.limits` is no person's name.
    TABLES.iter().rev().find(matches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_keys_below_names() {
        assert_eq!(find("limits.memory").map(|key| key.name), Some("memory"));
        assert_eq!(find("users.ada.limits.memory").map(|key| key.name), Some("memory"));
        assert_eq!(find("users.ada.lovelace.limits.tasks").map(|key| key.name), Some("tasks"));
        assert_eq!(find("groups.lab.members").map(|key| key.name), Some("members"));
        for path in ["", "limits", "memory", "limits.mem", "users.ada.memory", "groups.limits.memory.x", "users..limits.tasks"] {
            assert!(find(path).is_none(), "{path}");
        }
    }
}
