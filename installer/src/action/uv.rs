//! The pinned uv: the distribution's own pip fetches its wheel, from the index that the admin or pip's configuration
//! names, and takes nothing but the content that is pinned.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hub_core::paths::Paths;
use hub_core::sys::atomic::{self, Access};
use hub_environment::pyenv::{pip, uv};
use hub_system::command::Command;
use hub_system::distribution::PYTHON;

use super::{Check, World};
use crate::undo::Undo;

/// For some twenty megabytes over a slow line.
const DOWNLOAD_DEADLINE: Duration = Duration::from_secs(600);
const VERSION_DEADLINE: Duration = Duration::from_secs(15);
const PROGRAM: Access = Access::mode(0o755).owned_by(0, 0);

pub(super) fn check(paths: &Paths) -> Result<Check> {
    let path = paths.uv();
    if path.is_file() && version(&path).is_some_and(|version| version == uv::VERSION) {
        return Ok(Check::Satisfied(None));
    }
    Ok(Check::Needed { exists: path.exists(), undo: Some(Undo::RemoveTree { path }) })
}

/// `uv 0.13.7 (...)` is 0.13.7; a program that does not run has none.
fn version(program: &Path) -> Option<String> {
    match Command::new(program, VERSION_DEADLINE).env_clear().arg("--version").run() {
        Ok(text) => text.split_whitespace().nth(1).map(str::to_owned),
        Err(error) => {
            tracing::debug!(error = format!("{error:#}"), "asking uv for its version");
            None
        }
    }
}

pub(super) fn fetch(world: &mut World<'_>) -> Result<()> {
    if let Some(bundle) = world.bundle {
        return atomic::replace(&world.paths.uv(), &fs_err::read(bundle.uv())?, PROGRAM);
    }
    (world.progress)(&format!("downloading uv {}", uv::VERSION));
    let scratch = tempfile::tempdir().context("making a temporary directory")?;
    let (requirements, target) = (scratch.path().join("requirements.txt"), scratch.path().join("wheels"));
    fs_err::write(&requirements, uv::requirement())?;
    let command = Command::new(PYTHON, DOWNLOAD_DEADLINE).args(pip::download(&requirements, &target, None)?.into_iter().skip(1));
    world.settings().for_pip().iter().fold(command, |command, (name, value)| command.env(name, value)).run().with_context(
        || {
            format!(
                "downloading uv {} with pip\nhint: a proxy, a mirror or a private certificate is given with HTTPS_PROXY, \
             PIP_INDEX_URL or SSL_CERT_FILE (sudo drops them: put them behind `sudo env`)",
                uv::VERSION
            )
        },
    )?;
    let wheel = only_file(&target)?;
    uv::unpack(Path::new(PYTHON), &wheel, &world.paths.uv())
}

fn only_file(directory: &Path) -> Result<PathBuf> {
    let mut found = entries(directory)?;
    match (found.pop(), found.is_empty()) {
        (Some(file), true) => Ok(file),
        _ => bail!("pip left something else than one file in `{}`", directory.display()),
    }
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs_err::read_dir(directory)?;
    Ok(entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<_>>()?)
}
