//! Everything an upgrade replaces, copied aside before the first change and put back when it goes wrong. The copies of
//! the latest upgrade stay until the next.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use hub_core::paths::Paths;
use hub_core::sys::atomic::{self, Access};
use hub_system::accounts::table::Table;
use hub_system::tree;
use serde::{Deserialize, Serialize};

use crate::files::{self, Attributes};
use crate::receipt::Receipt;

const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
/// The program that can put everything back.
const PROGRAM: &str = "hub-installer";
const DATABASE: &str = "database";
/// The database, and what SQLite keeps beside it while it is open or after a kill.
const DATABASE_ENDS: [&str; 3] = ["", "-wal", "-shm"];

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Before {
    format: u32,
    /// The version that was installed.
    pub(super) version: String,
    files: Vec<Kept>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    path: PathBuf,
    uid: u32,
    gid: u32,
    mode: u32,
}

/// Copies all that the installed version consists of, and the configuration.
pub(super) fn keep(paths: &Paths, receipt: &Receipt) -> Result<Before> {
    let directory = paths.upgrade_before();
    tree::remove(&directory)?;
    files::ensure_private_directory(&directory)?;
    let mut wanted: Vec<PathBuf> = receipt.files().map(|(path, _)| path.to_owned()).collect();
    let more = [paths.receipt(), paths.config_file(), paths.current_environment(), paths.accounts()];
    wanted.extend(more.into_iter().filter(|path| !wanted.contains(path)).collect::<Vec<_>>());
    let mut kept = Vec::new();
    for path in wanted {
        let Some(Attributes { uid, gid, mode }) = files::attributes(&path)? else { continue };
        let copy = directory.join(kept.len().to_string());
        copy_synced(&path, &copy, 0o600)?;
        kept.push(Kept { path, uid, gid, mode });
    }
    copy_synced(&paths.binaries().join(PROGRAM), &directory.join(PROGRAM), 0o700)?;
    let before = Before { format: FORMAT, version: receipt.product.clone(), files: kept };
    atomic::replace(&directory.join(MANIFEST), &serde_json::to_vec_pretty(&before)?, Access::mode(0o600))?;
    Ok(before)
}

/// What the latest upgrade copied.
pub(super) fn load(paths: &Paths) -> Result<Before> {
    let path = paths.upgrade_before().join(MANIFEST);
    let before: Before = serde_json::from_slice(&fs::read(&path)?).with_context(|| format!("reading `{}`", path.display()))?;
    if before.format != FORMAT {
        bail!("`{}` has format {}, expected {FORMAT}", path.display(), before.format);
    }
    Ok(before)
}

impl Before {
    /// Puts every file back that is not as it was, and says which. The hub must not run.
    pub(super) fn restore(&self, paths: &Paths) -> Result<Vec<PathBuf>> {
        let mut restored = Vec::new();
        for (number, kept) in self.files.iter().enumerate() {
            let content = fs::read(paths.upgrade_before().join(number.to_string()))?;
            let attributes = Attributes { uid: kept.uid, gid: kept.gid, mode: kept.mode };
            let is_as_before = files::digest(&kept.path)?.is_some_and(|digest| digest == files::digest_of(&content))
                && files::attributes(&kept.path)? == Some(attributes);
            // An account made meanwhile keeps its number: the table goes back only when the old version can't read it.
            if is_as_before || (kept.path == paths.accounts() && is_readable_table(&kept.path)) {
                continue;
            }
            atomic::replace(&kept.path, &content, Access::mode(kept.mode).owned_by(kept.uid, kept.gid))?;
            restored.push(kept.path.clone());
        }
        Ok(restored)
    }

    /// Whether the file is one of those that were there.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.files.iter().any(|kept| kept.path == path)
    }

    /// The receipt of the version that was installed.
    pub(super) fn receipt(&self, paths: &Paths) -> Result<Receipt> {
        let number =
            self.files.iter().position(|kept| kept.path == paths.receipt()).context("there is no copy of the receipt")?;
        Receipt::parse(&fs::read_to_string(paths.upgrade_before().join(number.to_string()))?)
    }
}

fn is_readable_table(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|text| Table::parse(&text).is_ok())
}

/// What runs between the last moment of the old hub and the first of the new one.
pub(super) fn database_drop_in(paths: &Paths) -> String {
    let program = paths.upgrade_before().join(PROGRAM);
    format!("# There while hubd is upgraded.\n[Service]\nExecStartPre=+{} keep-database\n", program.display())
}

/// Copies the database as the old hub left it; does nothing when that was done.
///
/// # Errors
/// When it can't be read, or the disk is full.
pub fn keep_database(paths: &Paths) -> Result<()> {
    let copies = paths.upgrade_before().join(DATABASE);
    if copies.exists() {
        return Ok(());
    }
    let unfinished = copies.with_extension("new");
    tree::remove(&unfinished)?;
    files::ensure_private_directory(&unfinished)?;
    for end in DATABASE_ENDS {
        let path = with_end(&paths.database(), end);
        if path.symlink_metadata().is_ok() {
            copy_synced(&path, &unfinished.join(format!("hubd.db{end}")), 0o600)?;
        }
    }
    fs::rename(&unfinished, &copies)?;
    Ok(File::open(paths.upgrade_before())?.sync_all()?)
}

/// Puts the database back as the old hub left it, if the new one was ever started. The hub must not run.
pub(super) fn restore_database(paths: &Paths) -> Result<bool> {
    let copies = paths.upgrade_before().join(DATABASE);
    if !copies.exists() {
        return Ok(false);
    }
    let Some(owner) = files::attributes(&paths.state())? else { return Ok(false) };
    for end in DATABASE_ENDS.into_iter().rev() {
        let (path, copy) = (with_end(&paths.database(), end), copies.join(format!("hubd.db{end}")));
        if copy.exists() {
            atomic::replace(&path, &fs::read(&copy)?, Access::mode(0o600).owned_by(owner.uid, owner.gid))?;
        } else if path.symlink_metadata().is_ok() {
            fs::remove_file(&path)?;
        }
    }
    Ok(true)
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Follows no link: some of these lie where the hub may write.
fn copy_synced(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let mut bytes = Vec::new();
    let open = File::options().read(true).custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK).open(from);
    let mut source = open.with_context(|| format!("opening `{}`", from.display()))?;
    let found = source.metadata().with_context(|| format!("looking at `{}`", from.display()))?;
    if !found.is_file() || found.nlink() > 1 {
        bail!("`{}` is not a plain file with one name", from.display());
    }
    source.read_to_end(&mut bytes).with_context(|| format!("reading `{}`", from.display()))?;
    atomic::replace(to, &bytes, Access::mode(mode))?;
    fs::set_permissions(to, std::fs::Permissions::from_mode(mode))?;
    Ok(())
}

#[cfg(test)]
mod tests;
