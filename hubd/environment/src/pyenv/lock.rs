//! Lock files: every package of a generation with its version and the hashes of its archives. Pure.
//!
//! The resolver that writes one runs beside code of packages, so what it leaves is judged line by line before anything is
//! installed by it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use hub_core::packages::requirement::Requirement;

/// No lock of a classroom is longer; the shipped one has a twentieth.
pub const LARGEST: u64 = 4 << 20;
const HASH: &str = "--hash=sha256:";

/// One package of a lock.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Locked {
    /// As indexes compare it.
    pub name: String,
    /// Its version; `None` for one that comes from an address.
    pub version: Option<String>,
}

/// The packages of a lock, in its order. One with markers may be there more than once.
///
/// # Errors
/// When a line is anything but a pinned package, a SHA-256 or a comment, or a package has no hash.
pub fn parse(text: &str) -> Result<Vec<Locked>> {
    let mut packages: Vec<Locked> = Vec::new();
    let mut hashes = 1;
    for (index, line) in text.lines().enumerate() {
        let content = line.trim().trim_end_matches('\\').trim_end();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        if let Some(hash) = content.strip_prefix(HASH) {
            if hash.len() != 64 || !hash.chars().all(|c| c.is_ascii_hexdigit()) || packages.is_empty() {
                bail!("line {} of the lock has a hash that is no SHA-256", index + 1);
            }
            hashes += 1;
            continue;
        }
        if let (0, Some(last)) = (hashes, packages.last()) {
            bail!("`{}` has no hash in the lock", last.name);
        }
        hashes = 0;
        match pinned(content) {
            Some(package) => packages.push(package),
            None => bail!("line {} of the lock is `{content}`, expected a package with one version", index + 1),
        }
    }
    if let (0, Some(last)) = (hashes, packages.last()) {
        bail!("`{}` has no hash in the lock", last.name);
    }
    Ok(packages)
}

/// Every hash in a lock.
pub fn hashes(text: &str) -> BTreeSet<&str> {
    text.lines().filter_map(|line| line.trim().trim_end_matches('\\').trim_end().strip_prefix(HASH)).collect()
}

/// The packages of each lock, with their hashes, that none of those before has.
pub fn distinct(locks: &[String]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut distinct = Vec::new();
    for lock in locks {
        let (mut text, mut is_new) = (String::new(), false);
        for line in lock.lines() {
            let content = line.trim().trim_end_matches('\\').trim_end();
            if !content.is_empty() && !content.starts_with(['#', '-']) {
                is_new = seen.insert(content.to_owned());
            }
            if is_new && !content.starts_with('#') {
                text.push_str(line);
                text.push('\n');
            }
        }
        distinct.push(text);
    }
    distinct
}

fn pinned(line: &str) -> Option<Locked> {
    let requirement: Requirement = line.parse().ok()?;
    let before_marker = requirement.as_str().split(';').next()?.trim();
    let rest = before_marker.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "-_.".contains(c)).trim();
    let rest = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(rest, |(_, rest)| rest.trim());
    let version = rest.strip_prefix("==").filter(|version| !version.contains(['=', ',', '*']));
    (version.is_some() || rest.starts_with('@'))
        .then(|| Locked { name: requirement.name().to_owned(), version: version.map(|version| version.trim().to_owned()) })
}

/// The packages of a lock, each with its lines as they are written.
fn entries(text: &str) -> Result<Vec<(Locked, String)>> {
    let packages = parse(text)?;
    let mut written: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')) {
        match written.last_mut().filter(|_| line.trim_start().starts_with("--")) {
            Some(entry) => entry.push_str(&format!("{line}\n")),
            None => written.push(format!("{line}\n")),
        }
    }
    Ok(packages.into_iter().zip(written).collect())
}

/// `given`, and what else is in `before`.
///
/// # Errors
/// When either is no lock.
pub fn merged(given: &str, before: &str) -> Result<String> {
    let given = entries(given)?;
    let others = entries(before)?.into_iter().filter(|(one, _)| !given.iter().any(|(other, _)| other.name == one.name));
    Ok(given.iter().map(|(_, text)| text.clone()).chain(others.map(|(_, text)| text)).collect())
}

/// `found`, with the files that `given` names and no others for each package that is in both.
///
/// # Errors
/// When a version is another one than in `given`, or either is no lock.
pub fn imposed(given: &str, found: &str) -> Result<String> {
    let (given, mut imposed, mut others) = (entries(given)?, String::new(), Vec::new());
    for (package, text) in entries(found)? {
        let same: Vec<&(Locked, String)> = given.iter().filter(|(one, _)| one.name == package.name).collect();
        if same.is_empty() {
            imposed.push_str(&text);
            continue;
        }
        let exact: Vec<&str> =
            same.iter().filter(|(one, _)| one.version == package.version).map(|(_, text)| text.as_str()).collect();
        if exact.is_empty() {
            let version = |package: &Locked| package.version.clone().unwrap_or_else(|| "an address".to_owned());
            let wanted: Vec<String> = same.iter().map(|(one, _)| version(one)).collect();
            others.push(format!(
                "{}: {} in the lock, {} with what the hub needs",
                package.name,
                wanted.join(" or "),
                version(&package)
            ));
            continue;
        }
        let head = text.lines().next().unwrap_or_default().trim_end_matches('\\').trim_end();
        imposed.push_str(head);
        for hash in exact.into_iter().flat_map(hashes) {
            imposed.push_str(&format!(" \\\n    {HASH}{hash}"));
        }
        imposed.push('\n');
    }
    if !others.is_empty() {
        bail!(
            "the lock does not fit:\n{}\nhint: lock these again with other versions, or apply requirements without hashes",
            others.join("\n")
        );
    }
    Ok(imposed)
}

/// Whether both name the same files of the same packages.
///
/// # Errors
/// When either is no lock.
pub fn has_same_files(one: &str, other: &str) -> Result<bool> {
    let files = |text: &str| -> Result<Vec<(Locked, Vec<String>)>> {
        let entries = entries(text)?.into_iter();
        let mut files: Vec<_> =
            entries.map(|(package, text)| (package, hashes(&text).into_iter().map(str::to_owned).collect())).collect();
        files.sort();
        Ok(files)
    };
    Ok(files(one)? == files(other)?)
}

/// The packages that both locks name in the same words, with the same files.
///
/// # Errors
/// When either is no lock.
pub(super) fn same(one: &str, other: &str) -> Result<BTreeSet<String>> {
    type Words = BTreeMap<String, Vec<(String, BTreeSet<String>)>>;
    let words = |text: &str| -> Result<Words> {
        let mut words = Words::new();
        for (package, text) in entries(text)? {
            let head = text.lines().next().unwrap_or_default().trim_end_matches('\\').trim_end().to_owned();
            let hashes = hashes(&text).into_iter().map(str::to_owned).collect();
            words.entry(package.name).or_default().push((head, hashes));
        }
        Ok(words)
    };
    let (one, other) = (words(one)?, words(other)?);
    Ok(one.into_iter().filter(|(name, words)| other.get(name) == Some(words)).map(|(name, _)| name).collect())
}

/// The lock without `names`.
///
/// # Errors
/// When it is no lock.
pub(super) fn without(text: &str, names: &BTreeSet<String>) -> Result<String> {
    Ok(entries(text)?.into_iter().filter(|(package, _)| !names.contains(&package.name)).map(|(_, text)| text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_shipped_lock() {
        let packages = parse(crate::pyenv::LOCK).unwrap();
        assert!(packages.len() > 90, "{}", packages.len());
        assert!(packages.iter().any(|package| package.name == "jupyterlab" && package.version.is_some()));
    }

    #[test]
    fn refuses_what_is_not_pinned_by_hash() {
        let hash = format!("    --hash=sha256:{}", "0".repeat(64));
        for text in [
            "anyio==4.16.0\n".to_owned(),
            format!("anyio>=4 \\\n{hash}\n"),
            format!("anyio==4,!=4.1 \\\n{hash}\n"),
            format!("anyio==4.* \\\n{hash}\n"),
            "anyio==4.16.0 \\\n    --hash=sha256:00\n".to_owned(),
            "anyio==4.16.0 \\\n    --hash=md5:00\n".to_owned(),
            format!("--index-url https://evil.example\nanyio==4 \\\n{hash}\n"),
            format!("anyio==4 \\\n{hash}\nother==1\n"),
            format!("one==1\nother==1 \\\n{hash}\n"),
            format!("-r /etc/shadow \\\n{hash}\n"),
        ] {
            assert!(parse(&text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn a_lock_adds_what_those_before_have_not() {
        let package = |name: &str, hash: char| format!("{name} \\\n    --hash=sha256:{}\n", hash.to_string().repeat(64));
        let (one, two, newer) = (package("one==1", 'a'), package("two==1 ; python_version > '3'", 'b'), package("one==2", 'c'));
        let locks = [format!("# made\n{one}    # via x\n{two}"), format!("{two}{newer}{one}"), one.clone()];
        assert_eq!(distinct(&locks), [format!("{one}{two}"), newer, String::new()]);
        assert_eq!(hashes(&locks[0]), BTreeSet::from(["a".repeat(64).as_str(), "b".repeat(64).as_str()]));
    }

    #[test]
    fn reads_markers_extras_and_addresses() {
        let hash = format!("    --hash=sha256:{}", "a".repeat(64));
        let text = format!(
            "numpy==2.4.6 ; python_full_version < '3.12' \\\n{hash} \\\n{hash}\n    # via pandas\n\
             dask[array]==1.0 \\\n{hash}\ndemo @ https://example.org/x.whl \\\n{hash}\n"
        );
        let versions: Vec<_> = parse(&text).unwrap().into_iter().map(|one| (one.name, one.version)).collect();
        let owned = |text: &str| text.to_owned();
        assert_eq!(
            versions,
            [(owned("numpy"), Some(owned("2.4.6"))), (owned("dask"), Some(owned("1.0"))), (owned("demo"), None)]
        );
    }

    #[test]
    fn a_lock_that_is_given_is_kept_to_the_letter() {
        let hash = |digit: &str| format!("--hash=sha256:{}", digit.repeat(64));
        let (ones, twos, threes) = (hash("1"), hash("2"), hash("3"));
        let given = format!("# asked for: a\nA==1 \\\n    {ones} \\\n    {twos}\n");
        let before = format!("a==2 \\\n    {threes}\nb==1 ; sys_platform == 'x' \\\n    {threes}\n    # via a\n");
        let kept = format!("A==1 \\\n    {ones} \\\n    {twos}\nb==1 ; sys_platform == 'x' \\\n    {threes}\n");
        assert_eq!(merged(&given, &before).unwrap(), kept);
        let found = format!("a==1 ; python_version > '3' \\\n    {threes}\nb==1 \\\n    {threes}\n");
        let exact = format!("a==1 ; python_version > '3' \\\n    {ones} \\\n    {twos}\nb==1 \\\n    {threes}\n");
        assert_eq!(imposed(&given, &found).unwrap(), exact, "its files, and no others");
        let told = imposed(&given, &before).unwrap_err().to_string();
        assert!(told.contains("a: 1 in the lock, 2 with what the hub needs"), "{told}");
        assert!(has_same_files(&given, &format!("a==1 \\\n    {twos} \\\n    {ones}\n")).unwrap());
        assert!(!has_same_files(&given, &format!("a==1 \\\n    {ones}\n")).unwrap());
        assert_eq!(parse(&imposed(crate::pyenv::LOCK, crate::pyenv::LOCK).unwrap()).unwrap(), parse(crate::pyenv::LOCK).unwrap());
    }

    #[test]
    fn a_package_is_the_same_by_its_version_its_marker_and_its_files() {
        let package = |head: &str, digits: &[&str]| -> String {
            let hashes = digits.iter().map(|digit| format!(" \\\n    {HASH}{}", digit.repeat(64)));
            format!("{head}{}\n", hashes.collect::<String>())
        };
        let before =
            [("a==1", &["1", "2"][..]), ("b==1", &["1"]), ("c==1", &["1"]), ("d==1", &["1"]), ("d==2 ; x == '1'", &["1"])];
        let after = [("a==1", &["2", "1"][..]), ("b==1", &["1", "2"]), ("c==1 ; os_name == 'x'", &["1"]), ("d==1", &["1"])];
        let text = |list: &[(&str, &[&str])]| list.iter().map(|(head, digits)| package(head, digits)).collect::<String>();
        let same = same(&text(&before), &text(&after)).unwrap();
        assert_eq!(same, BTreeSet::from(["a".to_owned()]));
        assert_eq!(without(&text(&after), &same).unwrap(), text(&after[1..]));
    }
}
