//! Unpacking a bundle to where only root writes, and checking all of it before anybody uses anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Seek;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use hub_core::paths::Paths;
use hub_system::command::Command;
use hub_system::digest;
use hub_system::scratch::Scratch;

use super::{BOOTSTRAP, LOCK, MANIFEST, Manifest, PACKAGES, PROGRAMS, SUMS, UV};

/// For some gigabytes from a slow stick.
const UNPACK_DEADLINE: Duration = Duration::from_secs(3600);
/// What is unpacked is called so, with the number of the process that works with it.
const PREFIX: &str = ".bundle-";

/// A bundle that is whole. What was unpacked goes with this value.
#[derive(Debug)]
pub struct Opened {
    directory: Scratch,
    manifest: Manifest,
}

impl Opened {
    /// Unpacks `file`, which people know as `name`, beside where its wheels would go, and checks all of it.
    ///
    /// # Errors
    /// When it is no bundle, is damaged, or the disk is full. Nothing is left then.
    pub fn open(paths: &Paths, file: &File, name: &Path) -> Result<Self> {
        let open = || -> Result<Self> {
            let programs = paths.program_directory();
            let beside = if programs.is_dir() { programs.as_path() } else { programs.parent().context("no parent directory")? };
            let directory = Scratch::new(beside, PREFIX)?;
            // apt reads the packages without root's rights.
            fs_err::set_permissions(directory.path(), PermissionsExt::from_mode(0o755))?;
            unpack(paths, file, directory.path())?;
            verify(directory.path())?;
            let manifest = Manifest::parse(&fs_err::read(directory.path().join(MANIFEST))?)?;
            Ok(Self { directory, manifest })
        };
        open().with_context(|| format!("opening the bundle `{}`", name.display()))
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The directory with the hub's programs.
    pub fn programs(&self) -> PathBuf {
        self.directory.path().join(PROGRAMS)
    }

    /// The program `uv`.
    pub fn uv(&self) -> PathBuf {
        self.directory.path().join(UV)
    }

    /// The lock of everybody's environment.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn lock(&self) -> Result<String> {
        Ok(fs_err::read_to_string(self.directory.path().join(LOCK))?)
    }

    /// Packages of the distribution, where it has those that an install needs.
    pub fn packages(&self) -> Option<PathBuf> {
        let packages = self.directory.path().join(PACKAGES);
        Some(packages).filter(|packages| packages.is_dir() && !self.manifest.distribution_packages.is_empty())
    }

    /// Where the file `name` of it is now.
    pub(super) fn place(&self, name: &Path) -> PathBuf {
        self.directory.path().join(name)
    }
}

fn unpack(paths: &Paths, mut file: &File, directory: &Path) -> Result<()> {
    if !file.metadata()?.is_file() {
        bail!("it is no file");
    }
    file.rewind()?;
    let unpacked = Command::new(paths.tar(), UNPACK_DEADLINE)
        .args(["--extract", "--no-same-owner", "--no-same-permissions"])
        .arg("--file=-")
        .arg(format!("--directory={}", directory.display()))
        .input_file(file.try_clone()?)
        .env("LC_ALL", "C.UTF-8")
        .output()?;
    if !unpacked.success() {
        let said = unpacked.stderr.trim();
        if said.contains("No space left") {
            bail!("the disk is full\nhint: make room below `/opt`: as much as the bundle is large, twice");
        }
        return Err(damaged(&format!("it can't be unpacked: {}", said.lines().next().unwrap_or_default())));
    }
    Ok(())
}

fn damaged(what: &str) -> anyhow::Error {
    anyhow!("{what}\nhint: the file is no bundle, or was damaged or cut short on its way; copy it again from where it was made")
}

/// Whether `directory` holds what its list names, and nothing else.
fn verify(directory: &Path) -> Result<()> {
    let sums = std::fs::read_to_string(directory.join(SUMS)).map_err(|_| damaged(&format!("it has no `{SUMS}`")))?;
    let mut expected = parse(&sums).map_err(|line| damaged(&format!("`{SUMS}` has the line {line:?}")))?;
    for own in [MANIFEST, BOOTSTRAP, LOCK, UV] {
        if !expected.contains_key(own) {
            return Err(damaged(&format!("`{SUMS}` does not name `{own}`")));
        }
    }
    for path in files(directory, directory)? {
        if path == SUMS {
            continue;
        }
        let Some(sum) = expected.remove(&path) else {
            return Err(damaged(&format!("it holds `{path}`, which `{SUMS}` does not name")));
        };
        if digest::of_file(&directory.join(&path))? != sum {
            return Err(damaged(&format!("`{path}` is not what `{SUMS}` says it is")));
        }
    }
    match expected.into_keys().next() {
        Some(missing) => Err(damaged(&format!("`{missing}` is missing"))),
        None => Ok(()),
    }
}

/// The lines of `sha256sum`; a line that is none is the error.
fn parse(sums: &str) -> Result<BTreeMap<String, String>, String> {
    let line = |line: &str| {
        let (sum, path) = line.split_once("  ")?;
        let is_plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        let is_sum = sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_plain && is_sum && !path.is_empty()).then(|| (path.to_owned(), sum.to_owned()))
    };
    sums.lines().map(|text| line(text).ok_or_else(|| text.to_owned())).collect()
}

/// Every file below `directory`, relative to `root`. Anything but a file or a directory is an error.
pub(super) fn files(root: &Path, directory: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in fs_err::read_dir(directory)? {
        let path = entry?.path();
        let kind = fs_err::symlink_metadata(&path)?.file_type();
        let name = path.strip_prefix(root)?.to_str().map(str::to_owned);
        match name {
            Some(_) if kind.is_dir() => found.extend(files(root, &path)?),
            Some(name) if kind.is_file() => drop(found.insert(name)),
            _ => return Err(damaged(&format!("`{}` in it is no plain file", path.strip_prefix(root)?.display()))),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
