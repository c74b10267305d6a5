//! What a machine has taken in of bundles: their wheels, conda packages and packages of the distribution, and what the latest
//! says of itself. While it is there, packages come from here and from nowhere else.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hub_core::paths::Paths;
use hub_core::sys::atomic::{self, Access};
use hub_system::digest;
use hub_system::tree;

use super::{Archive, CONDA, MANIFEST, Manifest, Opened, PACKAGES, WHEELS, channel, debian, open_directory};
pub use crate::taken_in::{channel, wheels};

/// What was taken in last; `None`: this machine uses no bundle.
///
/// # Errors
/// When it can't be read.
pub fn latest(paths: &Paths) -> Result<Option<Manifest>> {
    let file = paths.bundle().join(MANIFEST);
    match std::fs::read(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => {
            let text = read.with_context(|| format!("reading `{}`", file.display()))?;
            Manifest::parse(&text).with_context(|| format!("reading `{}`", file.display())).map(Some)
        }
    }
}

/// Names of the wheels, sorted.
///
/// # Errors
/// When the directory can't be read.
pub fn names(paths: &Paths) -> Result<Vec<String>> {
    let entries = match fs_err::read_dir(paths.bundle().join(WHEELS)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names: Vec<String> = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string().ok().filter(|name| name.ends_with(".whl")));
    }
    names.sort();
    Ok(names)
}

/// Packages of the distribution, to be used in place of the machine's sources; `None`: no bundle had any that
/// `environment.apt` names.
pub fn archive(paths: &Paths) -> Option<Archive> {
    Some(paths.bundle().join(PACKAGES)).filter(|packages| packages.is_dir()).map(Archive::new)
}

/// Whether all of `bundle` was taken in.
///
/// # Errors
/// When what is there can't be read.
pub fn has(paths: &Paths, bundle: &Opened) -> Result<bool> {
    if latest(paths)?.as_ref() != Some(bundle.manifest()) {
        return Ok(false);
    }
    for file in files_of(bundle)? {
        if !is_same(&bundle.place(&file), &paths.bundle().join(file))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes the packages of `bundle` in, beside those of earlier ones; returns how many are new. The manifest comes last, so
/// that a machine which a power cut interrupts goes on as before.
///
/// # Errors
/// When the disk is full.
pub fn add(paths: &Paths, bundle: &Opened) -> Result<usize> {
    let store = paths.bundle();
    let mut directories = BTreeSet::from([store.clone(), store.join(WHEELS)]);
    directories.iter().try_for_each(|directory| open_directory(directory))?;
    let mut new = 0;
    for file in files_of(bundle)? {
        let (from, to) = (bundle.place(&file), store.join(&file));
        for parent in file.ancestors().skip(1).map(|parent| store.join(parent)) {
            if directories.insert(parent.clone()) {
                open_directory(&parent)?;
            }
        }
        if !is_same(&from, &to)? {
            fs_err::set_permissions(&from, PermissionsExt::from_mode(0o644))?;
            fs_err::File::open(&from)?.sync_all()?;
            give(&from, &to)?;
            new += 1;
        }
    }
    channel::merge(&bundle.place(Path::new(CONDA)), &store.join(CONDA))?;
    if !bundle.manifest().apt.is_empty() {
        debian::merge(&bundle.place(Path::new(PACKAGES)), &store.join(PACKAGES))?;
    }
    for directory in &directories {
        fs_err::File::open(directory)?.sync_all()?;
    }
    let text = serde_json::to_string_pretty(bundle.manifest())?;
    atomic::replace(&store.join(MANIFEST), format!("{text}\n").as_bytes(), Access::mode(0o644))?;
    Ok(new)
}

/// Forgets every bundle: packages come from elsewhere again. The directory stays.
///
/// # Errors
/// When something can't be removed.
pub fn clear(paths: &Paths) -> Result<()> {
    let place = |name: &str| paths.bundle().join(name);
    // The manifest first: while it is there, nobody else is asked for packages.
    [MANIFEST, WHEELS, CONDA, PACKAGES].into_iter().try_for_each(|name| tree::remove(&place(name)).map(drop))
}

/// What of a bundle is kept, below its directory and below that of the store. Indexes are made anew.
fn files_of(bundle: &Opened) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in fs_err::read_dir(bundle.place(Path::new(WHEELS)))? {
        found.push(Path::new(WHEELS).join(entry?.file_name()));
    }
    let archives = channel::archives(&bundle.place(Path::new(CONDA)))?;
    found.extend(archives.into_iter().map(|archive| Path::new(CONDA).join(archive)));
    // What only the install needs stays out.
    if !bundle.manifest().apt.is_empty() {
        let packages = debian::packages(&bundle.place(Path::new(PACKAGES)))?;
        found.extend(packages.iter().filter_map(|package| package.file_name()).map(|name| Path::new(PACKAGES).join(name)));
    }
    found.sort();
    Ok(found)
}

/// Gives the file `from` the name `to`, too: apt may be at work on it where it is.
fn give(from: &Path, to: &Path) -> Result<()> {
    match std::fs::hard_link(from, to) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs_err::remove_file(to)?;
            Ok(fs_err::hard_link(from, to)?)
        }
        linked => linked.with_context(|| format!("putting `{}` in place", to.display())),
    }
}

fn is_same(new: &Path, old: &Path) -> Result<bool> {
    Ok(old.exists()
        && fs_err::metadata(new)?.len() == fs_err::metadata(old)?.len()
        && digest::of_file(new)? == digest::of_file(old)?)
}
