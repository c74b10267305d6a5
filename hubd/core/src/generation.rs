//! Generations of everybody's environment, as far as those look at them who only start or show servers.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::paths::Paths;

/// Describes our extension of JupyterLab and Notebook to them; below the generation's directory.
pub const PAGE: &str = "share/jupyter/labextensions/hubd/package.json";

/// Below the generation's directory: directories that are named by their content, and go to every browser.
pub const SHARED: &str = "hubd-shared";
/// How many letters the name of one has: hexadecimal digits.
pub const SHARED_NAME_LENGTH: usize = 32;

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

/// Where a directory lies that goes to every browser: in any generation, since what has the same name has the same content.
/// `None`: none that is here has it.
pub fn shared(paths: &Paths, name: &str) -> Option<PathBuf> {
    if name.len() != SHARED_NAME_LENGTH || !name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let generations = std::fs::read_dir(paths.environments()).ok()?.flatten();
    // What is being built has a word behind its number.
    let whole = generations.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok()));
    whole.map(|entry| entry.path().join(SHARED).join(name)).find(|path| path.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_is_found_in_any_whole_generation_and_nowhere_else() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        let (name, other) = ("0123456789abcdef".repeat(2), "f".repeat(SHARED_NAME_LENGTH));
        for place in [format!("7/{SHARED}/{name}"), format!("8.sealed/{SHARED}/{other}"), format!("9/{SHARED}/ABC")] {
            std::fs::create_dir_all(paths.environments().join(place)).unwrap();
        }
        assert_eq!(shared(&paths, &name), Some(paths.environment(7).join(SHARED).join(&name)));
        for name in [other.as_str(), "", "ABC", ".", "..", "../../7", &name[1..], &name.to_uppercase(), &format!("{name}/")] {
            assert_eq!(shared(&paths, name), None, "{name}");
        }
    }
}
