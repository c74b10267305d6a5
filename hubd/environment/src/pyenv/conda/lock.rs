//! What a conda environment consists of: every package with its address and the hash of its archive. Pure.
//!
//! The solver runs without rights beside nothing of ours, but what it leaves is judged all the same before anything is
//! installed by it, and only what is known here comes along.

use std::path::Path;

use anyhow::{Context, Result, bail};
use hub_core::packages::Installed;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::pyenv::Python;

/// Every package of an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    packages: Vec<Package>,
}

/// The file of one package, in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Archive<'a> {
    /// The part of the channel: a kind of machine, or `noarch`.
    pub(crate) subdir: &'a str,
    pub(crate) file_name: &'a str,
    pub(crate) sha256: &'a str,
    package: &'a Package,
}

impl Archive<'_> {
    /// What a channel's index says of it.
    ///
    /// # Errors
    /// Never in practice: it was read from JSON.
    pub(crate) fn record(&self) -> Result<Value> {
        let mut record = serde_json::to_value(self.package)?;
        if let Some(record) = record.as_object_mut() {
            // These are what the index and the channel say by where they are.
            for key in ["fn", "url", "channel"] {
                record.remove(key);
            }
        }
        Ok(record)
    }
}

/// One package, in the words of a channel's index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Package {
    name: String,
    version: String,
    build: String,
    build_number: u64,
    subdir: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    noarch: Option<String>,
    #[serde(default)]
    depends: Vec<String>,
    #[serde(default)]
    constrains: Vec<String>,
    sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    python_site_packages_path: Option<String>,
    #[serde(rename = "fn")]
    file_name: String,
    url: String,
    channel: String,
}

impl Lock {
    /// Reads what a solver or an earlier build wrote.
    ///
    /// # Errors
    /// When a package has no hash, or a name or an address that is none.
    pub fn parse(text: &str) -> Result<Self> {
        let mut packages: Vec<Package> = serde_json::from_str(text).context("expected a list of packages with hashes")?;
        packages.iter().try_for_each(check)?;
        packages.sort();
        if let Some(twice) = packages.windows(2).find(|two| two[0].name == two[1].name) {
            bail!("`{}` is in it twice", twice[0].name);
        }
        Ok(Self { packages })
    }

    /// What stays beside the environment: [`Lock::parse`] reads it.
    ///
    /// # Errors
    /// Never in practice: the text is JSON.
    pub fn to_text(&self) -> Result<String> {
        Ok(format!("{}\n", serde_json::to_string_pretty(&self.packages)?))
    }

    /// In the form that `conda create --file` takes: addresses with hashes.
    pub fn explicit(&self) -> String {
        let lines = self.packages.iter().map(|package| format!("{}#sha256:{}\n", package.url, package.sha256));
        format!("@EXPLICIT\n{}", lines.collect::<String>())
    }

    /// The packages, as an `environment.yml` names them: `NAME=VERSION=BUILD`.
    pub fn pinned(&self) -> Vec<String> {
        let line = |package: &Package| format!("{}={}={}", package.name, package.version, package.build);
        self.packages.iter().map(line).collect()
    }

    /// The packages with their versions, by name.
    pub fn installed(&self) -> Vec<Installed> {
        let one = |package: &Package| Installed { name: package.name.clone(), version: package.version.clone() };
        self.packages.iter().map(one).collect()
    }

    /// The files that they come in.
    pub(crate) fn archives(&self) -> impl Iterator<Item = Archive<'_>> {
        self.packages.iter().map(|package| Archive {
            subdir: &package.subdir,
            file_name: &package.file_name,
            sha256: &package.sha256,
            package,
        })
    }

    /// The version of `name`; `None`: it is not among them.
    pub fn version(&self, name: &str) -> Option<&str> {
        self.packages.iter().find(|package| package.name == name).map(|package| package.version.as_str())
    }

    /// The Python among them, in the environment at `prefix`.
    pub(in crate::pyenv) fn python(&self, prefix: &Path) -> Option<Python> {
        let version = self.version("python")?.to_owned();
        Some(Python { interpreter: prefix.join("bin/python"), version })
    }

    /// Packages without a channel among `channels`, all by address.
    ///
    /// # Errors
    /// With the first of them.
    pub fn check_channels(&self, channels: &[String]) -> Result<()> {
        let is_below = |package: &Package| {
            channels.iter().any(|channel| package.url.strip_prefix(channel.as_str()).is_some_and(|rest| rest.starts_with('/')))
        };
        match self.packages.iter().find(|package| !is_below(package)) {
            Some(stranger) => bail!("`{}` comes from `{}`, which is in none of the channels", stranger.name, stranger.url),
            None => Ok(()),
        }
    }
}

fn check(package: &Package) -> Result<()> {
    let is_word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+!~".contains(c));
    let Package { name, version, build, subdir, sha256, file_name, url, .. } = package;
    if ![name, version, build, subdir].into_iter().all(|text| is_word(text)) || name.starts_with(['.', '-']) {
        bail!("{name:?} {version:?} {build:?} is no package");
    }
    if sha256.len() != 64 || !sha256.chars().all(|c| c.is_ascii_hexdigit()) {
        bail!("`{name}` has no SHA-256 in its channel, so nobody can tell whether it is what was published");
    }
    let is_archive = file_name.ends_with(".conda") || file_name.ends_with(".tar.bz2");
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_graphic());
    let is_there = url.strip_suffix(file_name.as_str()).is_some_and(|before| before.ends_with(&format!("/{subdir}/")));
    if !is_archive || file_name.contains('/') || !is_there || !is_plain(url) {
        bail!("`{name}` is at `{url}`, expected an archive of a channel");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str) -> serde_json::Value {
        serde_json::json!({
            "name": name, "version": "1.0", "build": "0", "build_number": 0, "subdir": "noarch", "depends": [],
            "sha256": "a".repeat(64), "md5": "b".repeat(32), "fn": format!("{name}-1.0-0.conda"),
            "url": format!("https://c.example/own/noarch/{name}-1.0-0.conda"), "channel": "https://c.example/own/",
            "timestamp": 1,
        })
    }

    fn parse(records: &[serde_json::Value]) -> Result<Lock> {
        Lock::parse(&serde_json::to_string(records).unwrap())
    }

    #[test]
    fn what_is_written_is_read_again() {
        let lock = parse(&[record("b"), record("a")]).unwrap();
        assert_eq!(Lock::parse(&lock.to_text().unwrap()).unwrap(), lock);
        assert_eq!(lock.pinned(), ["a=1.0=0", "b=1.0=0"]);
        assert_eq!(
            lock.explicit().lines().nth(1).unwrap(),
            format!("https://c.example/own/noarch/a-1.0-0.conda#sha256:{}", "a".repeat(64))
        );
        assert_eq!((lock.version("a"), lock.version("c")), (Some("1.0"), None));
        lock.check_channels(&["https://c.example/own".to_owned()]).unwrap();
        let error = lock.check_channels(&["https://c.example/ow".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("in none of the channels"), "{error}");
    }

    #[test]
    fn nothing_is_installed_without_a_hash_or_from_nowhere() {
        for (key, value) in [
            ("sha256", "00"),
            ("name", "../x"),
            ("name", ""),
            ("fn", "noarch/a-1.0-0.conda"),
            ("fn", "a-1.0-0.exe"),
            ("url", "https://c.example/own/noarch/b-1.0-0.conda"),
            ("subdir", "linux-64"),
            ("version", "1 0"),
        ] {
            let mut record = record("a");
            record[key] = value.into();
            assert!(parse(&[record]).is_err(), "{key}: {value}");
        }
        let mut without = record("a");
        without.as_object_mut().unwrap().remove("sha256");
        assert!(parse(&[without]).is_err());
        assert!(parse(&[record("a"), record("a")]).is_err());
    }
}
