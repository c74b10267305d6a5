//! Generations of everybody's environment, as far as those look at them who only start or show servers.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};

use crate::paths::Paths;

/// Describes our extension of JupyterLab and Notebook to them; below the generation's directory.
pub const PAGE: &str = "share/jupyter/labextensions/hubd/package.json";

/// The number of the generation that new servers get, or `None` before the first.
///
/// # Errors
/// When the file can't be read or holds anything but a number.
pub fn current(paths: &Paths) -> Result<Option<u32>> {
    let file = paths.current_environment();
    let Some(text) = read(&file)? else { return Ok(None) };
    let number = text.trim_end().parse().with_context(|| format!("reading `{}`: {text:?} is no number", file.display()))?;
    Ok(Some(number))
}

/// What is in the file that says which generation is in force; `None`: none is.
///
/// # Errors
/// When it can't be read.
pub fn read(file: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading `{}`", file.display())),
    }
}

/// Whether pages of servers that run in the generation `number` are told the key of their session, and use it.
pub fn pages_know_key(paths: &Paths, number: u32) -> bool {
    paths.environment(number).join(PAGE).exists()
}
