//! The pinned uv: its wheel comes from the package index the admin has set, and is what it must be to the last bit.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use hub_core::paths::Paths;
use hub_core::pyenv::{NetworkSettings, index, uv};
use hub_core::sys::command::Command;
use reqwest::header::{ACCEPT, CONTENT_TYPE};

use super::{Check, World};
use crate::fetch::{self, Expected};
use crate::undo::Undo;

const PROJECT: &str = "uv";
/// The wheel has some twenty megabytes.
const LARGEST_WHEEL: u64 = 100 << 20;
const VERSION_DEADLINE: Duration = Duration::from_secs(15);
const PYTHON: &str = "/usr/bin/python3";

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
    let settings: NetworkSettings = world.network.variables().collect();
    let wheel = uv::wheel(std::env::consts::ARCH).with_context(|| format!("there is no uv for {}", std::env::consts::ARCH))?;
    let page = index::project_page(settings.index(), PROJECT)?;
    (world.progress)(&format!("downloading uv {}", uv::VERSION));
    let (address, content_type, body) = {
        let client = fetch::client(world.network, fetch::ASK_DEADLINE)?;
        let asking = || format!("asking `{}`", index::without_secret(page.as_str()));
        let response = client.get(page.clone()).header(ACCEPT, index::ACCEPT).send();
        let response = response.and_then(|answer| answer.error_for_status()).map_err(reqwest::Error::without_url);
        let response = response.with_context(asking)?;
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        (response.url().clone(), content_type.to_owned(), response.text().with_context(asking)?)
    };
    let place = index::find_file(&address, &content_type, &body, wheel.filename)?;
    let client = fetch::client(world.network, fetch::DOWNLOAD_DEADLINE)?;
    let expected = Expected { sha256: wheel.sha256, largest: LARGEST_WHEEL };
    let content = fetch::download(&client, place.as_str(), expected)?;
    let scratch = tempfile::tempdir().context("making a temporary directory")?;
    let file = scratch.path().join(wheel.filename);
    fs_err::write(&file, content)?;
    uv::unpack(Path::new(PYTHON), &file, &world.paths.uv())
}
