//! Files, directories and links.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hub_core::paths::Paths;
use hub_core::sys::atomic::{self, Access};
use hub_system::command::Command;
use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use super::{Check, Contents, FileKind, Leaving, Ownership};
use crate::files::{self, Attributes};
use crate::receipt::{State, StepRecord};
use crate::undo::Undo;

const VISUDO: &str = "/usr/sbin/visudo";
const VISUDO_DEADLINE: Duration = Duration::from_secs(15);

/// Where a file goes and to whom it belongs.
pub(super) struct Place<'a> {
    pub(super) path: &'a Path,
    pub(super) owner: Ownership,
    pub(super) kind: FileKind,
}

impl Contents {
    fn digest(&self) -> Result<String> {
        match self {
            Self::Text(text) | Self::Configuration { text, .. } => Ok(files::digest_of(text.as_bytes())),
            Self::CopyOf(source) => match files::digest(source)? {
                Some(digest) => Ok(digest),
                None => bail!("`{}` is gone", source.display()),
            },
        }
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        match self {
            Self::Text(text) | Self::Configuration { text, .. } => Ok(text.clone().into_bytes()),
            Self::CopyOf(source) => Ok(fs_err::read(source)?),
        }
    }
}

pub(super) fn check(paths: &Paths, place: &Place<'_>, contents: &Contents, earlier: Option<&StepRecord>) -> Result<Check> {
    let wanted = contents.digest()?;
    let Some(found) = files::digest(place.path)? else {
        return Ok(Check::Needed { exists: false, undo: Some(undo_new(place, wanted)) });
    };
    // Before the account of the owner is made, nothing can belong to it.
    let owner = place.owner.resolve().ok();
    let attributes = files::attributes(place.path)?;
    if found == wanted && attributes == owner {
        return Ok(Check::Satisfied(None));
    }
    if place.kind == FileKind::Unit && found != wanted && left_with(earlier).is_some_and(|digest| digest == wanted) {
        let note = format!(
            "`{}` was changed by hand; it stays so (a drop-in is the better way: systemctl edit {})",
            place.path.display(),
            place.path.file_name().unwrap_or_default().display()
        );
        return Ok(Check::Satisfied(Some(note)));
    }
    Ok(Check::Needed { exists: true, undo: Some(undo_replaced(paths, place, wanted, attributes)) })
}

/// The digest a finished step left the file with.
fn left_with(earlier: Option<&StepRecord>) -> Option<&str> {
    let record = earlier.filter(|record| record.state == State::Done)?;
    record.undo.as_ref()?.file()?.1
}

fn undo_new(place: &Place<'_>, digest: String) -> Undo {
    let path = place.path.to_owned();
    match place.kind {
        FileKind::Program | FileKind::Unit => Undo::RemoveFile { path, sha256: Some(digest) },
        FileKind::Generated | FileKind::SudoRules => Undo::RemoveFile { path, sha256: None },
        FileKind::Settings => Undo::Keep { path },
    }
}

fn undo_replaced(paths: &Paths, place: &Place<'_>, digest: String, former: Option<Attributes>) -> Undo {
    match (place.kind, former) {
        (FileKind::Settings, _) | (_, None) => undo_new(place, digest),
        (_, Some(Attributes { uid, gid, mode })) => Undo::RestoreFile {
            path: place.path.to_owned(),
            sha256: matches!(place.kind, FileKind::Program | FileKind::Unit).then_some(digest),
            backup: paths.installer_backups().join(flat_name(place.path)),
            mode,
            uid,
            gid,
        },
    }
}

/// A path as the name of one file: `etc-sudoers.d-00-hubd-admins`.
fn flat_name(path: &Path) -> String {
    path.display().to_string().trim_start_matches('/').replace('/', "-")
}

/// Writes the file. `now` is the record of this very step, with the undo that will be carried out one day.
pub(super) fn write(
    paths: &Paths,
    place: &Place<'_>,
    contents: &Contents,
    earlier: Option<&StepRecord>,
    now: Option<&StepRecord>,
) -> Result<Option<String>> {
    let bytes = contents.bytes()?;
    if place.kind == FileKind::SudoRules {
        check_sudo_rules(&bytes)?;
    }
    if let Some(Undo::RestoreFile { backup, .. }) = now.and_then(|record| record.undo.as_ref())
        && !backup.exists()
    {
        keep_copy(place.path, backup)?;
    }
    let note = keep_edited(paths, place, earlier)?;
    let Attributes { uid, gid, mode } = place.owner.resolve()?;
    atomic::replace(place.path, &bytes, Access::mode(mode).owned_by(uid, gid))?;
    Ok(note)
}

/// A unit that was changed by hand makes room for a new version, but is not lost.
fn keep_edited(paths: &Paths, place: &Place<'_>, earlier: Option<&StepRecord>) -> Result<Option<String>> {
    let (FileKind::Unit, Some(left), Some(found)) = (place.kind, left_with(earlier), files::digest(place.path)?) else {
        return Ok(None);
    };
    if left == found {
        return Ok(None);
    }
    let copy = paths.installer_backups().join(format!("edited-{}", flat_name(place.path)));
    keep_copy(place.path, &copy)?;
    Ok(Some(format!(
        "`{}` was changed by hand and has been replaced by this version's; your text is in `{}`",
        place.path.display(),
        copy.display()
    )))
}

fn keep_copy(path: &Path, copy: &Path) -> Result<()> {
    if let Some(directory) = copy.parent() {
        files::ensure_private_directory(directory)?;
    }
    atomic::replace(copy, &fs_err::read(path)?, Access::mode(0o600))
}

/// A mistake in this file would lock everybody out of sudo.
fn check_sudo_rules(rules: &[u8]) -> Result<()> {
    Command::new(VISUDO, VISUDO_DEADLINE)
        .args(["-c", "-q", "-f", "-"])
        .input(rules)
        .run()
        .map(drop)
        .context("asking visudo whether the sudo rules are right")
}

pub(super) fn check_directory(path: &Path, owner: Ownership, leaving: Leaving) -> Result<Check> {
    let undo = match leaving {
        Leaving::RemoveEmpty => Undo::RemoveDirectory { path: path.to_owned() },
        Leaving::RemoveTree => Undo::RemoveTree { path: path.to_owned() },
        Leaving::Keep => Undo::Keep { path: path.to_owned() },
    };
    match files::attributes(path)? {
        None => Ok(Check::Needed { exists: false, undo: Some(undo) }),
        Some(_) if !path.is_dir() => bail!("`{}` is in the way: it is not a directory", path.display()),
        Some(found) if owner.resolve().is_ok_and(|wanted| wanted == found) => Ok(Check::Satisfied(None)),
        // Its bits are set right, but it was there before us.
        Some(_) => Ok(Check::Needed { exists: true, undo: None }),
    }
}

pub(super) fn make_directory(path: &Path, owner: Ownership) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs_err::create_dir_all(parent)?;
    }
    files::ensure_directory(path, owner.resolve()?)
}

pub(super) fn check_link(path: &Path, target: &Path) -> Result<Check> {
    match std::fs::read_link(path) {
        Ok(found) if found == target => Ok(Check::Satisfied(None)),
        _ if path.symlink_metadata().is_ok() => Ok(Check::Satisfied(Some(format!(
            "`{}` is something else; it stays, and the hub's own is `{}`",
            path.display(),
            target.display()
        )))),
        _ if is_read_only(path) => Ok(Check::Satisfied(Some(format!(
            "`{}` can't be made on a read-only file system; the hub's own is `{}`",
            path.display(),
            target.display()
        )))),
        _ => {
            let undo = Undo::RemoveLink { path: path.to_owned(), target: target.to_owned() };
            Ok(Check::Needed { exists: false, undo: Some(undo) })
        }
    }
}

fn is_read_only(path: &Path) -> bool {
    path.parent().is_some_and(|directory| access(directory, AccessFlags::W_OK) == Err(Errno::EROFS))
}

pub(super) fn make_link(path: &Path, target: &Path) -> Result<()> {
    let directory: PathBuf = path.parent().unwrap_or(Path::new("/")).to_owned();
    fs_err::create_dir_all(directory)?;
    std::os::unix::fs::symlink(target, path).with_context(|| format!("making link `{}`", path.display()))
}

#[cfg(test)]
mod tests;
