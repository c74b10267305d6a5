//! What a lock asks for: uv's own, or what `hubctl env export` printed. Pure.

use anyhow::{Result, bail};
use hub_core::control::environment::{ASKED, Change};
use hub_core::packages::Requirement;
use hub_environment::pyenv::lock;
use serde::Deserialize;

use crate::failure::Failure;

/// A lock of uv, as far as it says which files make an environment.
#[derive(Deserialize)]
struct UvLock {
    #[serde(default)]
    package: Vec<Package>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Package {
    name: String,
    version: Option<String>,
    #[serde(default)]
    source: toml::Table,
    #[serde(default)]
    resolution_markers: Vec<String>,
    sdist: Option<Archive>,
    #[serde(default)]
    wheels: Vec<Archive>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Archive {
    hash: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Metadata {
    #[serde(default)]
    requires_dist: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    #[serde(default)]
    extras: Vec<String>,
    #[serde(default)]
    specifier: String,
    marker: Option<String>,
}

/// The lock in `text`, if that is one; `name` is that of its file.
pub(super) fn read(name: &str, text: &str) -> Result<Option<Change>> {
    if name.ends_with(".lock") {
        return uv(text).map(Some);
    }
    let asked: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(ASKED)).map(str::trim).collect();
    if asked.is_empty() {
        return Ok(None);
    }
    lock::parse(text).map_err(|error| Failure::plain(format!("the lock can't be used: {error:#}")))?;
    let asked = asked.into_iter().filter(|text| !text.is_empty());
    let packages = asked.map(str::parse).collect::<Result<_, _>>().map_err(|error| Failure::plain(format!("{error}")))?;
    Ok(Some(Change::Set { packages, lock: Some(text.to_owned()) }))
}

fn uv(text: &str) -> Result<Change> {
    let lock: UvLock =
        toml::from_str(text).map_err(|error| Failure::plain(format!("this is not a lock of uv: {}", error.message())))?;
    let (mut packages, mut locked): (Vec<Requirement>, String) = (Vec::new(), String::new());
    for package in &lock.package {
        let from = |kind: &str| package.source.contains_key(kind);
        if from("virtual") || from("editable") || from("directory") {
            // The project itself, whose dependencies are what is asked for; those of its extras are nobody's here.
            let wanted =
                package.metadata.requires_dist.iter().filter(|one| !one.marker.as_deref().unwrap_or_default().contains("extra"));
            for dependency in wanted {
                packages.push(dependency.requirement()?);
            }
        } else if from("registry") {
            locked.push_str(&package.entry()?);
        } else {
            bail!(Failure {
                hint: Some("ask for it by name and address in a requirements.txt: NAME @ https://...".to_owned()),
                ..Failure::plain(format!("`{}` comes from no package index, so this lock can't be used here", package.name))
            });
        }
    }
    if packages.is_empty() {
        bail!(Failure::plain("the lock has no project with dependencies"));
    }
    // Two of one name would be two wishes.
    packages.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    packages.dedup();
    Ok(Change::Set { packages, lock: Some(locked) })
}

impl Dependency {
    fn requirement(&self) -> Result<Requirement> {
        let extras = if self.extras.is_empty() { String::new() } else { format!("[{}]", self.extras.join(",")) };
        let marker = self.marker.as_deref().map_or(String::new(), |marker| format!(" ; {marker}"));
        let text = format!("{}{extras}{}{marker}", self.name, self.specifier);
        Ok(text.parse().map_err(|error| Failure::plain(format!("{error}")))?)
    }
}

impl Package {
    /// As a lock of the hub has it.
    fn entry(&self) -> Result<String> {
        let Some(version) = &self.version else { bail!(Failure::plain(format!("`{}` has no version in the lock", self.name))) };
        let hashes: Vec<&str> = self.sdist.iter().chain(&self.wheels).filter_map(|archive| archive.hash.as_deref()).collect();
        if hashes.is_empty() {
            bail!(Failure::plain(format!("`{}` has no hash in the lock", self.name)));
        }
        let markers: Vec<String> = self.resolution_markers.iter().map(|marker| format!("({marker})")).collect();
        let marker = if markers.is_empty() { String::new() } else { format!(" ; {}", markers.join(" or ")) };
        let hashes: String = hashes.iter().map(|hash| format!(" \\\n    --hash={hash}")).collect();
        Ok(format!("{}=={version}{marker}{hashes}\n", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"
version = 1
requires-python = ">=3.11"
[[package]]
name = "course"
version = "0.1.0"
source = { virtual = "." }
dependencies = [{ name = "numpy" }, { name = "dask", extra = ["array"] }]
[package.metadata]
requires-dist = [
    { name = "numpy", specifier = ">=2" },
    { name = "dask", extras = ["array"] },
    { name = "cowsay", marker = "python_full_version < '3.13'" },
    { name = "sphinx", marker = "extra == 'docs'" },
]
[[package]]
name = "numpy"
version = "2.1.0"
source = { registry = "https://pypi.org/simple" }
resolution-markers = ["python_full_version < '3.12'"]
sdist = { url = "https://x/numpy.tar.gz", hash = "sha256:AA", size = 1 }
wheels = [{ url = "https://x/numpy.whl", hash = "sha256:BB", size = 1 }]
"#;

    fn lock() -> String {
        LOCK.replace("AA", &"a".repeat(64)).replace("BB", &"b".repeat(64))
    }

    #[test]
    fn a_lock_of_uv_is_what_its_project_asks_for_and_the_files_that_make_it() {
        let Change::Set { packages, lock: Some(locked) } = read("uv.lock", &lock()).unwrap().unwrap() else { panic!() };
        let asked: Vec<&str> = packages.iter().map(Requirement::as_str).collect();
        assert_eq!(asked, ["cowsay ; python_full_version < '3.13'", "dask[array]", "numpy>=2"]);
        let (one, other) = ("a".repeat(64), "b".repeat(64));
        assert_eq!(
            locked,
            format!("numpy==2.1.0 ; (python_full_version < '3.12') \\\n    --hash=sha256:{one} \\\n    --hash=sha256:{other}\n")
        );
        assert_eq!(lock::parse(&locked).unwrap()[0].version.as_deref(), Some("2.1.0"));
    }

    #[test]
    fn what_has_no_hash_or_no_index_is_refused_by_name() {
        for (from, to, told) in [
            (
                "{ registry = \"https://pypi.org/simple\" }",
                "{ git = \"https://x/numpy\" }",
                "`numpy` comes from no package index",
            ),
            ("hash = ", "other = ", "`numpy` has no hash"),
            ("{ virtual = \".\" }", "{ registry = \"https://pypi.org/simple\" }", "`course` has no hash"),
            ("[[package]]", "[[package", "this is not a lock of uv"),
            ("dask", "-e", "`-e"),
        ] {
            let error = read("uv.lock", &lock().replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn what_was_exported_says_what_was_asked_for() {
        let text = format!("{ASKED}numpy>=2\n{ASKED}cowsay\nnumpy==2.1.0 \\\n    --hash=sha256:{}\n", "a".repeat(64));
        let Change::Set { packages, lock } = read("lock.txt", &text).unwrap().unwrap() else { panic!() };
        assert_eq!(packages.iter().map(Requirement::as_str).collect::<Vec<_>>(), ["numpy>=2", "cowsay"]);
        assert_eq!(lock.as_deref(), Some(text.as_str()));
        assert_eq!(read("lock.txt", "numpy==2.1.0\n").unwrap(), None);
        assert!(read("lock.txt", &format!("{ASKED}numpy\n--index-url=https://evil.example\n")).is_err());
    }
}
