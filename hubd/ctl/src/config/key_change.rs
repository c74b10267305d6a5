//! A change of one key, as the verbs `set`, `unset`, `add` and `remove` ask for it.

use hub_core::config::edit::KeyPath;

use super::key::whole;

/// What a verb is to do.
#[derive(Debug)]
pub(super) enum Change {
    Set(KeyPath, Vec<String>),
    Unset(KeyPath),
    Add(KeyPath, Vec<String>),
    Remove(KeyPath, Vec<String>),
}

impl Change {
    /// The key that it is about.
    pub(super) fn key(&self) -> KeyPath {
        let (Self::Set(key, _) | Self::Unset(key) | Self::Add(key, _) | Self::Remove(key, _)) = self;
        whole(key)
    }
}
