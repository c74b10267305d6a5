//! Which parts a change can touch, by the files that it changes: for whoever wants an answer in minutes. What comes before a
//! landing is the whole default group.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use hub_system::command::Command;

use super::part::Part;
use crate::context::repository;
use crate::scenario::Group;

const GIT_DEADLINE: Duration = Duration::from_secs(60);
/// Of everything that is compiled.
const CODE: [&str; 2] = ["lint", "unit"];

/// Beginnings of paths, and the parts that see a change there; the longest that fits counts. What none fits may touch anything.
const SEEN_BY: &[(&str, &[&str])] = &[
    (".ci/", &[]),
    (".gitignore", &[]),
    ("CHANGELOG.md", &["lint"]),
    ("CONTRIBUTING.md", &["lint"]),
    ("LICENSE", &[]),
    ("README.md", &["lint"]),
    ("SECURITY.md", &["lint"]),
    ("docs/", &["lint", "unit", "docs"]),
    ("hubd/app", &["apps"]),
    ("hubd/certificates", &["https"]),
    ("hubd/core/src/accounts", &["class", "isolation", "uninstall", "revoke"]),
    ("hubd/core/src/config", &["config-edit", "apply", "settings", "docs"]),
    ("hubd/core/src/control", &["class", "operators", "people"]),
    ("hubd/core/src/installing", &["watch"]),
    ("hubd/core/src/upgrade", &["upgrade"]),
    ("hubd/ctl", &["class", "operators", "config-edit", "docs"]),
    ("hubd/daemon", &["class", "survive"]),
    ("hubd/environment/src/apt", &["apt"]),
    ("hubd/environment/src/jobs", &["environment", "packages", "apt"]),
    ("hubd/environment/src/pyenv", &["environment", "packages", "own-packages", "kernels", "locks", "page"]),
    ("hubd/files", &["apps"]),
    ("hubd/launcher", &["class", "isolation", "limits", "revoke", "survive"]),
    ("hubd/pam", &["pam", "hardening"]),
    ("hubd/roster", &["files", "roster"]),
    ("hubd/serve/assets/", &["unit", "people"]),
    ("hubd/serve/src/apps.rs", &["apps"]),
    ("hubd/serve/src/auth", &["class", "people", "revoke", "full-disk"]),
    ("hubd/serve/src/below", &["links"]),
    ("hubd/serve/src/control", &["class", "operators", "people", "revoke"]),
    ("hubd/serve/src/front", &["class", "links", "proxy", "shared-browser"]),
    ("hubd/serve/src/listen", &["behind", "https", "proxy"]),
    ("hubd/serve/src/proxy", &["class", "proxy", "shared-browser"]),
    ("hubd/serve/src/servers", &["settings", "storm", "survive"]),
    ("hubd/serve/src/store", &["class", "full-disk", "upgrade"]),
    ("hubd/serve/src/usage", &["usage"]),
    ("hubd/serve/src/web", &["class", "people", "links"]),
    ("hubd/serve/src/web/api", &["api"]),
    ("hubd/serve/src/web/packages", &["people"]),
    ("hubd/serve/src/web/people", &["people", "roster", "usage"]),
    ("hubd/serve/src/web/settings", &["people"]),
    ("hubd/serve/src/web/shared", &["page"]),
    ("hubd/serve/src/web/tests", &[]),
    ("hubd/serve/templates/", &["people"]),
    ("hubd/serve/tests/", &[]),
    ("hubd/system/src/accounts", &["class", "isolation", "uninstall", "revoke"]),
    ("hubd/tls", &["https"]),
    ("installer/release", &["install", "site"]),
    ("installer/machine/", &["machine-limits", "try"]),
    ("installer/", &["install", "lived-in", "resume", "try", "uninstall", "upgrade"]),
    ("sudoers.d/", &["operators"]),
    ("tests/README.md", &["lint"]),
    ("units/", &["hardening", "install", "isolation", "survive", "upgrade"]),
];

/// The parts for what differs from the commit `base`; `None`: it may touch anything. The second value says why.
///
/// # Errors
/// When git does not say.
pub(super) fn parts(all: &[Part], base: &str) -> Result<(Option<Vec<String>>, String)> {
    let git = |arguments: &[&str]| -> Result<String> {
        let root = repository().display().to_string();
        let command = Command::new("/usr/bin/env", GIT_DEADLINE).args(["git", "-C", &root]).args(arguments.iter().copied());
        command.run().context("asking git what has changed")
    };
    let mut files: BTreeSet<String> = git(&["diff", "--name-only", base])?.lines().map(str::to_owned).collect();
    files.extend(git(&["ls-files", "--others", "--exclude-standard"])?.lines().map(str::to_owned));
    let known: Vec<&str> = all.iter().filter(|part| part.group == Group::Default).map(|part| part.name).collect();
    let mut wanted = BTreeSet::new();
    for file in &files {
        match seen_by(file, &known) {
            Some(parts) => wanted.extend(parts),
            None => return Ok((None, format!("{file} may touch anything"))),
        }
    }
    let why =
        format!("{} changed since {base}", if files.len() == 1 { "1 file".to_owned() } else { format!("{} files", files.len()) });
    Ok((Some(wanted.into_iter().collect()), why))
}

/// The parts that see a change of `file`; `None`: any may. `known`: those of the default group.
fn seen_by(file: &str, known: &[&str]) -> Option<Vec<String>> {
    let mut parts: Vec<&str> = match file.strip_prefix("tests/src/scenario/") {
        // A scenario is its own witness.
        Some(rest) => {
            let name = rest.split(['/', '.']).next().unwrap_or_default().replace('_', "-");
            vec![*known.iter().find(|part| **part == name)?]
        }
        None => {
            let rows = SEEN_BY.iter().filter(|(beginning, _)| file.starts_with(beginning));
            rows.max_by_key(|(beginning, _)| beginning.len())?.1.to_vec()
        }
    };
    if file.ends_with(".rs") || file.starts_with("hubd/serve/templates/") {
        parts.extend(CODE);
    }
    Some(parts.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::super::part::all;
    use super::*;

    fn known() -> Vec<&'static str> {
        all().iter().filter(|part| part.group == Group::Default).map(|part| part.name).collect()
    }

    #[test]
    fn every_part_that_is_named_is_one_and_each_place_is_named_once() {
        for (place, parts) in SEEN_BY {
            assert_eq!(SEEN_BY.iter().filter(|(other, _)| other == place).count(), 1, "{place}");
            assert!(repository().join(place).exists() || repository().join(format!("{place}.rs")).exists(), "{place} is gone");
            for part in *parts {
                assert!(known().contains(part), "{place}: no part `{part}`");
            }
        }
    }

    #[test]
    fn a_change_is_seen_by_what_is_about_it() {
        let known = known();
        let seen = |file| seen_by(file, &known).map(|parts| parts.join(" "));
        assert_eq!(seen("hubd/serve/templates/home.html").as_deref(), Some("people lint unit"));
        assert_eq!(seen("hubd/serve/src/web/settings/page.rs").as_deref(), Some("people lint unit"));
        assert_eq!(seen("hubd/serve/src/web/tests/news.rs").as_deref(), Some("lint unit"));
        assert_eq!(seen("tests/src/scenario/own_packages/silent.rs").as_deref(), Some("own-packages lint unit"));
        assert_eq!(seen("docs/howto/class.md").as_deref(), Some("lint unit docs"));
        for anything in ["Cargo.lock", "hubd/serve/src/daemon.rs", "bootstrap.sh", "tests/src/hub.rs", "hubd/core/src/sys.rs"] {
            assert_eq!(seen(anything), None, "{anything}");
        }
    }
}
