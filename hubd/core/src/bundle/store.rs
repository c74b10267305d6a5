//! What a machine has taken in of bundles: their wheels, and what the latest says of itself. While it is there, packages
//! come from here and from nowhere else.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{MANIFEST, Manifest, Opened, WHEELS};
use crate::paths::Paths;
use crate::sys::atomic::{self, Access};
use crate::sys::digest;

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

/// Where the wheels are; `None`: this machine uses no bundle.
pub fn wheels(paths: &Paths) -> Option<PathBuf> {
    paths.bundle().join(MANIFEST).exists().then(|| paths.bundle().join(WHEELS))
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

/// Whether all of `bundle` was taken in.
///
/// # Errors
/// When what is there can't be read.
pub fn has(paths: &Paths, bundle: &Opened) -> Result<bool> {
    if latest(paths)?.as_ref() != Some(bundle.manifest()) {
        return Ok(false);
    }
    for wheel in wheels_of(bundle)? {
        if !is_same(&wheel, &place(paths, &wheel))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes the wheels of `bundle` in, beside those of earlier ones; returns how many are new. The manifest comes last, so
/// that a machine which a power cut interrupts goes on as before.
///
/// # Errors
/// When the disk is full.
pub fn add(paths: &Paths, bundle: &Opened) -> Result<usize> {
    let wheels = paths.bundle().join(WHEELS);
    for directory in [paths.bundle(), wheels.clone()] {
        fs_err::create_dir_all(&directory)?;
        fs_err::set_permissions(&directory, PermissionsExt::from_mode(0o755))?;
    }
    let mut new = 0;
    for wheel in wheels_of(bundle)? {
        let place = place(paths, &wheel);
        if !is_same(&wheel, &place)? {
            fs_err::set_permissions(&wheel, PermissionsExt::from_mode(0o644))?;
            fs_err::File::open(&wheel)?.sync_all()?;
            fs_err::rename(&wheel, &place)?;
            new += 1;
        }
    }
    fs_err::File::open(&wheels)?.sync_all()?;
    let text = serde_json::to_string_pretty(bundle.manifest())?;
    atomic::replace(&paths.bundle().join(MANIFEST), format!("{text}\n").as_bytes(), Access::mode(0o644))?;
    Ok(new)
}

/// Forgets every bundle: packages come from an index again. The directory stays.
///
/// # Errors
/// When something can't be removed.
pub fn clear(paths: &Paths) -> Result<()> {
    for remove in [
        std::fs::remove_file(paths.bundle().join(MANIFEST)).with_context(|| "removing the manifest"),
        std::fs::remove_dir_all(paths.bundle().join(WHEELS)).with_context(|| "removing the wheels"),
    ] {
        match remove {
            Err(error) if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::NotFound) => {}
            removed => removed?,
        }
    }
    Ok(())
}

fn place(paths: &Paths, wheel: &Path) -> PathBuf {
    paths.bundle().join(WHEELS).join(wheel.file_name().unwrap_or_default())
}

fn wheels_of(bundle: &Opened) -> Result<Vec<PathBuf>> {
    let mut wheels = Vec::new();
    for entry in fs_err::read_dir(bundle.wheels())? {
        wheels.push(entry?.path());
    }
    wheels.sort();
    Ok(wheels)
}

fn is_same(new: &Path, old: &Path) -> Result<bool> {
    Ok(old.exists()
        && fs_err::metadata(new)?.len() == fs_err::metadata(old)?.len()
        && digest::of_file(new)? == digest::of_file(old)?)
}
