//! What a generation takes over from the one before it: packages that are locked as before, by the names of their files.
//!
//! A package is taken over only when it was *proven* where it lies: installed from wheels, in a build in which no code of any
//! package ran, and to the byte what the wheel's `RECORD` says. So what a package did to another's files is not taken over, and
//! neither is what a build from source left. Root does all of this, after the build.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub_core::packages::Installed;
use hub_system::digest;

use super::lock::{self};
use super::seal::check_depth;
use super::{Generation, Python, generation, uv};

const RECORD: &str = "RECORD";

/// Packages that come from the generation before.
#[derive(Debug, Default)]
pub(super) struct Inheritance {
    /// Which, by name.
    pub(super) names: BTreeSet<String>,
    /// Their files, below the environment, and whose they are.
    pub(super) files: BTreeMap<PathBuf, BTreeSet<String>>,
}

/// A file that a package says is its own.
#[derive(Debug, PartialEq, Eq)]
struct Claim {
    /// Below the environment.
    path: PathBuf,
    /// Its SHA-256 as wheels write it; `None`: it says nothing about the content.
    hash: Option<String>,
}

impl Inheritance {
    /// What can come from `previous` into an environment with `lock`. `is_same_place`: both are seen at the same path and have
    /// the hub's own files; else only packages that are modules and nothing else, for programs name the path that they are at.
    pub(super) fn of(previous: &Generation, python: &Python, lock: &str, is_same_place: bool) -> Result<Self> {
        let same = lock::same(&previous.lock()?, lock)?;
        let wanted = |name: &String| same.contains(name) && previous.manifest().proven.contains(name);
        let modules = generation::packages(Path::new(""), python);
        let mut inheritance = Self::default();
        for (name, directory) in records(previous.path(), python)?.into_iter().filter(|(name, _)| wanted(name)) {
            let Some(claims) = claims(previous.path(), &directory)? else { continue };
            if is_same_place || claims.iter().all(|claim| claim.path.starts_with(&modules)) {
                for claim in claims {
                    inheritance.files.entry(claim.path).or_default().insert(name.clone());
                }
                inheritance.names.insert(name);
            }
        }
        Ok(inheritance)
    }
}

/// The packages in `environment`, sealed after wheels were installed, whose files are what their wheels brought. `ours` are
/// files that no package brought, or that were replaced on purpose.
///
/// A file that nobody claims may belong to anybody, and who claims another's record may have written it: then none are.
pub(super) fn proven(environment: &Path, python: &Python, ours: &BTreeSet<PathBuf>) -> Result<BTreeSet<String>> {
    let (mut proven, mut claimed) = (BTreeSet::new(), BTreeSet::new());
    let present = files(environment)?;
    let packages = generation::packages(Path::new(""), python);
    for (name, directory) in records(environment, python)? {
        let Some(claims) = claims(environment, &directory)? else { return Ok(BTreeSet::new()) };
        let own_record = directory.join(RECORD);
        let mut is_whole = true;
        for claim in claims {
            let is_of_another = is_of_record(&claim.path, &packages) && !claim.path.starts_with(&directory);
            // One that is there and not among those present is reached through a link.
            if is_of_another || (!present.contains(&claim.path) && environment.join(&claim.path).exists()) {
                tracing::info!("{name} has `{}`, so the next environment takes nothing over", claim.path.display());
                return Ok(BTreeSet::new());
            }
            is_whole =
                is_whole && (claim.path == own_record || ours.contains(&claim.path) || is_as_claimed(environment, &claim)?);
            claimed.insert(claim.path);
        }
        if is_whole {
            proven.insert(name);
        }
    }
    let tag = python.bytecode_tag();
    let is_bytecode = |path: &PathBuf| module_of(path, &tag).is_some_and(|module| present.contains(&module));
    let is_known = |path: &&PathBuf| ours.contains(*path) || claimed.contains(*path) || is_bytecode(path);
    if let Some(stranger) = present.iter().find(|path| !is_known(path)) {
        tracing::info!("nobody claims `{}`, so the next environment takes nothing over", stranger.display());
        return Ok(BTreeSet::new());
    }
    Ok(proven)
}

/// Everything below `directory` that is no directory, by its path from there.
pub(super) fn files(directory: &Path) -> Result<BTreeSet<PathBuf>> {
    let (mut found, mut directories) = (BTreeSet::new(), vec![directory.to_owned()]);
    while let Some(next) = directories.pop() {
        for entry in fs_err::read_dir(&next)? {
            let entry = entry?;
            let path = entry.path();
            let relative = path.strip_prefix(directory).context("it is not below what is read")?;
            check_depth(relative)?;
            if entry.file_type()?.is_dir() {
                directories.push(path);
            } else {
                found.insert(relative.to_owned());
            }
        }
    }
    Ok(found)
}

/// Where the record of each package is, below the environment. Of what is there twice, none.
fn records(environment: &Path, python: &Python) -> Result<BTreeMap<String, PathBuf>> {
    let packages = generation::packages(Path::new(""), python);
    let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for entry in fs_err::read_dir(environment.join(&packages))? {
        let name = entry?.file_name();
        if let Some(package) = name.to_str().and_then(Installed::from_directory) {
            found.entry(package.name).or_default().push(packages.join(&name));
        }
    }
    let single = found
        .into_iter()
        .filter_map(|(name, mut directories)| Some((name, directories.pop().filter(|_| directories.is_empty())?)));
    Ok(single.collect())
}

/// The files of a package by its record in `directory`; `None` when there is no record to rely on.
fn claims(environment: &Path, directory: &Path) -> Result<Option<Vec<Claim>>> {
    let file = environment.join(directory).join(RECORD);
    if !fs_err::symlink_metadata(&file).is_ok_and(|found| found.is_file()) {
        return Ok(None);
    }
    let text = fs_err::read(&file)?;
    let Some(packages) = directory.parent() else { return Ok(None) };
    Ok(String::from_utf8(text).ok().and_then(|text| text.lines().map(|line| claim(line, packages)).collect()))
}

/// A line of a record, `PATH,sha256=HASH,SIZE`; `None`: the path leads out of the environment, or can't be read.
fn claim(line: &str, packages: &Path) -> Option<Claim> {
    let mut fields = line.trim_end().rsplitn(3, ',');
    let (_size, hash, path) = (fields.next()?, fields.next()?, fields.next()?);
    let quoted = path.strip_prefix('"').and_then(|path| path.strip_suffix('"'));
    let path = quoted.map_or_else(|| path.to_owned(), |path| path.replace("\"\"", "\""));
    let mut whole = packages.to_owned();
    for component in Path::new(&path).components() {
        match component {
            Component::Normal(name) => whole.push(name),
            Component::CurDir => {}
            Component::ParentDir if whole.pop() => {}
            _ => return None,
        }
    }
    Some(Claim { path: whole, hash: hash.strip_prefix("sha256=").map(str::to_owned) })
}

/// Whether the file is a plain one with the content that its package says.
fn is_as_claimed(environment: &Path, claim: &Claim) -> Result<bool> {
    let path = environment.join(&claim.path);
    let Some(hash) = claim.hash.as_ref().and_then(|hash| URL_SAFE_NO_PAD.decode(hash).ok()) else { return Ok(false) };
    if !fs_err::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
        return Ok(false);
    }
    Ok(uv::hexadecimal(&hash) == digest::of_file(&path)?)
}

/// Whether the file is in what describes a package.
fn is_of_record(path: &Path, packages: &Path) -> bool {
    let first = path.strip_prefix(packages).ok().and_then(|path| path.components().next());
    first.is_some_and(|first| first.as_os_str().to_string_lossy().ends_with(".dist-info"))
}

/// The module that `__pycache__/NAME.TAG.pyc` was compiled from; `None`: it is no such file.
fn module_of(bytecode: &Path, tag: &str) -> Option<PathBuf> {
    let stem = bytecode.file_name()?.to_str()?.strip_suffix(".pyc")?.strip_suffix(tag)?.strip_suffix('.')?;
    let directory = bytecode.parent().filter(|directory| directory.ends_with("__pycache__"))?;
    Some(directory.parent()?.join(format!("{stem}.py")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use sha2::{Digest, Sha256};

    use super::*;

    const SITE: &str = "lib/python3.11/site-packages";

    struct Environment(tempfile::TempDir);

    impl Environment {
        fn new() -> Self {
            let scratch = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(scratch.path().join(SITE)).unwrap();
            symlink("lib", scratch.path().join("lib64")).unwrap();
            let environment = Self(scratch);
            environment.write("bin/python", "ours");
            environment
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        /// Installs a package as uv does. Of files whose name begins with `?` the record knows no hash.
        fn install(&self, name: &str, files: &[(&str, &str)]) {
            let mut record = format!("{name}-1.dist-info/RECORD,,\n");
            for (path, text) in files {
                let known = path.trim_start_matches('?');
                let hash = format!("sha256={}", URL_SAFE_NO_PAD.encode(Sha256::digest(text)));
                let hash = if known == *path { hash } else { String::new() };
                record.push_str(&format!("{known},{hash},{}\n", text.len()));
                self.write(&format!("{SITE}/{known}"), text);
            }
            self.write(&format!("{SITE}/{name}-1.dist-info/RECORD"), &record);
        }

        fn proven(&self) -> Vec<String> {
            let python = Python { interpreter: "/usr/bin/python3.11".into(), version: "3.11.2".to_owned() };
            let ours = ["bin/python", "lib64", "share/kernel.json"].map(PathBuf::from).into();
            proven(self.0.path(), &python, &ours).unwrap().into_iter().collect()
        }
    }

    fn with_two() -> Environment {
        let environment = Environment::new();
        environment.install("one", &[("one/__init__.py", "1"), ("../../../bin/one", "#!"), ("../../../share/kernel.json", "{}")]);
        environment.install("two", &[("two.py", "2")]);
        environment
    }

    #[test]
    fn a_package_is_proven_by_every_file_that_its_record_names() {
        let environment = with_two();
        environment.write(&format!("{SITE}/one/__pycache__/__init__.cpython-311.pyc"), "made here");
        environment.write("share/kernel.json", "the hub's own");
        assert_eq!(environment.proven(), ["one", "two"]);
        environment.write(&format!("{SITE}/two.py"), "somebody else's");
        assert_eq!(environment.proven(), ["one"]);
        std::fs::remove_file(environment.0.path().join("bin/one")).unwrap();
        assert_eq!(environment.proven(), [""; 0]);
    }

    #[test]
    fn what_a_record_says_nothing_about_proves_nothing() {
        let environment = with_two();
        environment.install("evil", &[("evil.py", ""), ("?two.py", "2")]);
        assert_eq!(environment.proven(), ["one", "two"]);
    }

    #[test]
    fn who_has_another_ones_record_may_have_written_it() {
        for path in ["two-1.dist-info/RECORD", "../../../lib64/python3.11/site-packages/two-1.dist-info/RECORD"] {
            let environment = with_two();
            let record = std::fs::read_to_string(environment.0.path().join(SITE).join("two-1.dist-info/RECORD")).unwrap();
            environment.install("evil", &[(path, &record)]);
            assert_eq!(environment.proven(), [""; 0], "{path}");
        }
    }

    #[test]
    fn a_file_of_nobody_may_be_anybodys() {
        for path in ["lib/python3.11/site-packages/one/extra.py", "lib/python3.11/site-packages/__pycache__/gone.cpython-311.pyc"]
        {
            let environment = with_two();
            environment.write(path, "");
            assert_eq!(environment.proven(), [""; 0], "{path}");
        }
    }

    #[test]
    fn records_are_read_as_uv_writes_them() {
        let site = Path::new(SITE);
        let read = |line: &str| claim(line, site).map(|claim| (claim.path.display().to_string(), claim.hash));
        let at = |path: &str| format!("{SITE}/{path}");
        assert_eq!(read("a/b.py,sha256=x,1"), Some((at("a/b.py"), Some("x".to_owned()))));
        assert_eq!(read("\"a,\"\"b\"\".py\",,"), Some((at("a,\"b\".py"), None)));
        assert_eq!(read("../../../bin/x,md5=x,1"), Some(("bin/x".to_owned(), None)));
        for line in ["", "a", "../../../../etc/passwd,,", "/etc/passwd,,"] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
