//! Where in the file each thing is said, so that hubctl can point there.

use std::collections::BTreeMap;

/// Lines of keys (`limits.memory`) and of list items (`roles.admins[ada]`).
///
/// Two configurations that say the same are equal wherever they say it, so these always are.
#[derive(Debug, Clone, Default)]
pub struct Places(BTreeMap<String, usize>);

impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Places {
    /// The line, counted from 1, of a key or list item; `None`: the file does not say it.
    pub fn line(&self, what: &str) -> Option<usize> {
        self.0.get(what).copied()
    }

    pub(super) fn note(&mut self, what: String, line: usize) {
        self.0.insert(what, line);
    }
}
