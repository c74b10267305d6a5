//! What is installed in an environment, and what differs between two.

use serde::{Deserialize, Serialize};

use super::requirement::normalized;

/// What is different between two lists of installed packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionChange {
    /// The package.
    pub name: String,
    /// Its version before; `None`: it was not there.
    pub from: Option<String>,
    /// Its version after; `None`: it is gone.
    pub to: Option<String>,
}

/// One installed package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Installed {
    /// As indexes compare it.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Installed {
    /// What the directory `NAME-VERSION.dist-info` stands for.
    pub fn from_directory(name: &str) -> Option<Self> {
        let (name, version) = name.strip_suffix(".dist-info")?.split_once('-')?;
        Some(Self { name: normalized(name), version: version.to_owned() })
    }
}

/// What changed from `old` to `new`, by name.
pub fn compare(old: &[Installed], new: &[Installed]) -> Vec<VersionChange> {
    let of = |list: &[Installed], name: &str| list.iter().find(|one| one.name == name).map(|one| one.version.clone());
    let mut names: Vec<&str> = old.iter().chain(new).map(|one| one.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let changes = names.into_iter().map(|name| VersionChange { name: name.to_owned(), from: of(old, name), to: of(new, name) });
    changes.filter(|change| change.from != change.to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_added_removed_and_changed() {
        let list = |names: &[&str]| -> Vec<Installed> {
            names.iter().filter_map(|name| Installed::from_directory(&format!("{name}.dist-info"))).collect()
        };
        let changes = compare(&list(&["a-1", "B_c-1", "d-1"]), &list(&["a-1", "b_c-2", "e-1.0.post1"]));
        let shown: Vec<String> = changes
            .iter()
            .map(|change| format!("{} {:?} {:?}", change.name, change.from.as_deref(), change.to.as_deref()))
            .collect();
        assert_eq!(shown, ["b-c Some(\"1\") Some(\"2\")", "d Some(\"1\") None", "e None Some(\"1.0.post1\")"]);
    }
}
