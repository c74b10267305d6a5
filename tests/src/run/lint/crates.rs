//! Which crate may use which, and what must not be in the program that faces the network.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

/// Each of our packages with those of ours that it may use. An arrow that is not here is a decision: docs/developer/README.md.
const ARROWS: &[(&str, &[&str])] = &[
    ("hub-core", &[]),
    ("hub-daemon", &[]),
    ("hub-roster", &["hub-core"]),
    ("hub-tls", &["hub-core"]),
    ("hub-system", &["hub-core"]),
    ("hub-environment", &["hub-core", "hub-daemon", "hub-system"]),
    ("hub-backup", &["hub-core", "hub-environment", "hub-system"]),
    ("hub-doctor", &["hub-core", "hub-environment", "hub-system"]),
    ("hubd", &["hub-core", "hub-daemon", "hub-roster", "hub-tls"]),
    ("hubd-app", &["hub-core"]),
    ("hubd-files", &["hub-core"]),
    ("hubd-certificates", &["hub-core", "hub-daemon", "hub-tls"]),
    ("hubd-outside", &["hub-core", "hub-daemon"]),
    ("hubd-pam", &["hub-core", "hub-daemon"]),
    ("hubd-launcher", &["hub-core", "hub-daemon", "hub-environment", "hub-system"]),
    ("hubctl", &["hub-backup", "hub-core", "hub-doctor", "hub-environment", "hub-roster", "hub-system", "hub-tls"]),
    ("hub-machine", &["hub-core", "hub-system"]),
    ("installer", &["hub-core", "hub-environment", "hub-machine", "hub-system"]),
    ("hub-tests", &["hub-core", "hub-environment", "hub-machine", "hub-system", "installer"]),
];

/// What faces the network.
const FRONT: &str = "hubd";
/// Packages that it links nowhere, however deep: the bus, clients of the internet, what makes certificates, what unpacks.
const NOT_IN_FRONT: [&str; 12] = [
    "zbus",
    "nonstick",
    "jsonwebtoken",
    "reqwest",
    "instant-acme",
    "rcgen",
    "minisign-verify",
    "hickory-resolver",
    "ureq",
    "hub-system",
    "hub-environment",
    "hub-backup",
];

/// What `cargo metadata` says, as far as it counts here.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `null`, `dev` or `build`.
    kind: Option<String>,
}

/// What is wrong, one line each, with the workspace that `cargo metadata --no-deps` describes.
///
/// # Errors
/// When the text is not what cargo prints.
pub(super) fn check(metadata: &str) -> Result<Vec<String>> {
    let metadata: Metadata = serde_json::from_str(metadata).context("reading what cargo metadata says")?;
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut broken = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let Some(may) = allowed.get(name) else {
            broken.push(format!("{name}: a crate that no row of tests/src/run/lint/crates.rs allows to be"));
            continue;
        };
        let ours = package.dependencies.iter().filter(|used| used.kind.is_none() && allowed.contains_key(used.name.as_str()));
        for used in ours.filter(|used| !may.contains(&used.name.as_str())) {
            broken.push(format!("{name} uses {}, which docs/developer/README.md does not allow", used.name));
        }
    }
    let gone = allowed.keys().filter(|name| !metadata.packages.iter().any(|package| package.name == **name));
    broken.extend(gone.map(|name| format!("{name}: tests/src/run/lint/crates.rs has it, the workspace has not")));
    Ok(broken)
}

/// Of the packages that are linked into [`FRONT`], as `cargo tree --prefix none` lists them, those that must not be.
pub(super) fn not_in_front(tree: &str) -> Vec<String> {
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    let mut found: Vec<&str> = names.filter(|name| NOT_IN_FRONT.contains(name)).collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(|name| format!("{FRONT} links {name}, and it faces the network")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_that_nobody_allowed_is_named() {
        let text = |more: &str| {
            let rows = ARROWS.iter().map(|(name, may)| {
                let uses = may.iter().map(|used| format!(r#"{{"name": "{used}", "kind": null}}"#)).collect::<Vec<_>>().join(", ");
                let more = if *name == "hubd" { more } else { "" };
                format!(
                    r#"{{"name": "{name}", "dependencies": [{}]}}"#,
                    [uses.as_str(), more].join(if uses.is_empty() || more.is_empty() { "" } else { ", " })
                )
            });
            format!(r#"{{"packages": [{}]}}"#, rows.collect::<Vec<_>>().join(", "))
        };
        assert_eq!(check(&text("")).unwrap(), Vec::<String>::new());
        assert_eq!(check(&text(r#"{"name": "hub-system", "kind": "dev"}"#)).unwrap(), Vec::<String>::new());
        let broken = check(&text(r#"{"name": "hub-system", "kind": null}"#)).unwrap();
        assert_eq!(broken, ["hubd uses hub-system, which docs/developer/README.md does not allow"]);
        assert_eq!(check(r#"{"packages": []}"#).unwrap().len(), ARROWS.len());
    }

    #[test]
    fn what_the_front_links_is_looked_through() {
        let tree = "hubd v0.1.0 (/src)\nserde v1.0.0\nreqwest v0.13.5\nreqwest v0.13.5 (*)\n";
        assert_eq!(not_in_front(tree), ["hubd links reqwest, and it faces the network"]);
        assert_eq!(not_in_front("hubd v0.1.0\nreqwest-like v1.0.0\n"), Vec::<String>::new());
    }
}
