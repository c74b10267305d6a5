//! What is remembered of proxies, mirrors and certificates, and the part of it that students' servers are told.

use anyhow::Result;
use hub_core::paths::Paths;
use hub_core::sys::atomic::{self, Access};

use super::{Check, World};
use crate::files;
use crate::undo::Undo;

const REMEMBERED: Access = Access::mode(0o600).owned_by(0, 0);

pub(super) fn check(paths: &Paths, text: Option<&str>) -> Result<Check> {
    let file = paths.network_file();
    let remembered = match text {
        Some(text) => files::digest(&file)? == Some(files::digest_of(text.as_bytes())),
        None => true,
    };
    if remembered && paths.network_told().exists() {
        return Ok(Check::Satisfied(None));
    }
    // What is told lies in a directory that goes as a whole.
    Ok(Check::Needed { exists: file.exists(), undo: text.map(|_| Undo::Keep { path: file }) })
}

pub(super) fn write(world: &mut World<'_>, text: Option<&str>) -> Result<()> {
    if let Some(text) = text {
        atomic::replace(&world.paths.network_file(), text.as_bytes(), REMEMBERED)?;
    }
    world.settings().publish(world.paths).map(drop)
}
