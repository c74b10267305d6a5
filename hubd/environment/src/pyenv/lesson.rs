//! What a new hub's environment has beside what the hub needs, unless somebody wants something else. Pure.

use std::collections::BTreeSet;

use anyhow::Result;
use hub_core::packages::requirement::Requirement;

use super::build::DISK_BYTES;
use super::{LOCK, lock};

/// What the first lesson of most classes imports, and the megabytes that each adds to the environment, bytecode included.
///
/// Without them the first cell of a new hub ends with `ModuleNotFoundError`. On Debian 12 JupyterLab alone is 257 MB, with
/// numpy 320, with pandas 377, with matplotlib 469. With scipy it would be 597 MB, and the first lesson does without: that,
/// and whatever a class needs beyond, is one `hubctl env install`.
pub const FIRST_LESSON: [(&str, u64); 3] = [("numpy", 63), ("pandas", 57), ("matplotlib", 92)];
/// Their lock beside [`LOCK`], found with the versions of that.
const LESSON_LOCK: &str = include_str!("assets/lock/lesson.txt");
/// A build holds what is downloaded and unpacked, and root's own copy of it.
const COPIES: u64 = 2;

/// A lock that we ship.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shipped {
    /// What is asked for, and nothing else: tested, and the same everywhere.
    Exact(String),
    /// Versions that are taken where they fit; the rest is the package index's.
    Preferred(String),
}

/// What a new hub has unless somebody says otherwise.
pub fn first_lesson() -> Vec<Requirement> {
    FIRST_LESSON.into_iter().filter_map(|(name, _)| name.parse().ok()).collect()
}

/// The lock for an environment in which `asked` is beside what the hub needs.
///
/// # Errors
/// When a lock that we ship is none.
pub fn shipped(asked: &[Requirement]) -> Result<Shipped> {
    let names: BTreeSet<&str> = asked.iter().map(Requirement::as_str).collect();
    if names.is_empty() {
        return Ok(Shipped::Exact(LOCK.to_owned()));
    }
    let whole = lock::merged(LOCK, LESSON_LOCK)?;
    let is_whole = names == FIRST_LESSON.into_iter().map(|(name, _)| name).collect();
    Ok(if is_whole { Shipped::Exact(whole) } else { Shipped::Preferred(whole) })
}

/// Free bytes that a build needs below `/opt` for what the hub needs and `asked`, as far as it is known here.
pub fn disk_bytes(asked: &[Requirement]) -> u64 {
    let known = |name: &str| FIRST_LESSON.into_iter().find(|(known, _)| *known == name).map_or(0, |(_, megabytes)| megabytes);
    DISK_BYTES + COPIES * asked.iter().map(|one| known(one.name()) << 20).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(names: &[&str]) -> Vec<Requirement> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn what_a_new_hub_has_is_locked_with_everything_it_builds_on() {
        let Shipped::Exact(text) = shipped(&first_lesson()).unwrap() else { panic!() };
        let locked = lock::parse(&text).unwrap();
        for (name, _) in FIRST_LESSON {
            assert!(locked.iter().any(|one| one.name == name), "{name} is not in the lock");
            assert!(include_str!("assets/lock/lesson.in").lines().any(|line| line == name), "{name} is not in lesson.in");
        }
        for name in ["jupyterlab", "pillow", "tzdata"] {
            assert!(locked.iter().any(|one| one.name == name), "{name} is not in the lock");
        }
        assert_eq!(shipped(&asked(&["matplotlib", "numpy", "pandas"])).unwrap(), Shipped::Exact(text));
    }

    #[test]
    fn what_the_hub_needs_is_the_same_with_and_without_a_lesson() {
        let (base, lesson) = (lock::parse(LOCK).unwrap(), lock::parse(LESSON_LOCK).unwrap());
        let heads = |text: &str, name: &str| -> Vec<String> {
            let is_head = |line: &&str| line.starts_with(&format!("{name}=="));
            text.lines().filter(is_head).map(str::to_owned).collect()
        };
        for package in lesson.iter().filter(|package| base.iter().any(|one| one.name == package.name)) {
            // With a marker in one of them alone, something would be missing on some machine.
            assert_eq!(heads(LOCK, &package.name), heads(LESSON_LOCK, &package.name), "renew.sh makes both");
        }
    }

    #[test]
    fn something_else_is_resolved_from_what_is_shipped() {
        assert_eq!(shipped(&[]).unwrap(), Shipped::Exact(LOCK.to_owned()));
        for names in [&["numpy"][..], &["numpy", "pandas", "matplotlib", "scipy"], &["numpy", "pandas>=2", "matplotlib"]] {
            let Shipped::Preferred(text) = shipped(&asked(names)).unwrap() else { panic!("{names:?}") };
            assert!(text.contains("numpy==") && text.contains("jupyterlab=="), "{names:?}");
        }
    }

    #[test]
    fn more_needs_more_of_the_disk() {
        assert_eq!(disk_bytes(&[]), DISK_BYTES);
        assert!(disk_bytes(&asked(&["numpy>=2"])) > DISK_BYTES);
        assert!(disk_bytes(&first_lesson()) > disk_bytes(&asked(&["numpy", "unheard-of"])));
    }
}
