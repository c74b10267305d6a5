//! What a build that was killed leaves behind, and its removal.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Result;
use hub_core::paths::Paths;
use hub_system::tree;

use crate::pyenv::kernel;

/// Whether an unfinished build left something behind, or one is under way.
///
/// # Errors
/// When the directory of generations can't be read.
pub fn has_unfinished(paths: &Paths) -> Result<bool> {
    Ok(!unfinished(paths)?.is_empty())
}

/// Removes what an unfinished build left, whatever it was for.
pub(super) fn sweep(paths: &Paths) -> Result<()> {
    unfinished(paths)?.into_iter().try_for_each(|path| tree::remove(&path).map(drop))
}

/// What unfinished builds left.
fn unfinished(paths: &Paths) -> Result<Vec<PathBuf>> {
    let stores = kernel::kernels(paths)?.iter().map(|name| paths.of_kernel(name).environments()).collect::<Vec<_>>();
    let mut found = Vec::new();
    for store in stores.into_iter().chain([paths.of_everybody().environments(), paths.tools()]) {
        let entries = match fs_err::read_dir(store) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            found.extend(Some(entry?.path()).filter(|path| is_unfinished(path)));
        }
    }
    Ok(found)
}

/// Whether `path` has the name of a build's working directory: a number and a word.
fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    matches!(name.split_once('.'), Some((number, "new" | "input" | "sealed" | "old")) if number.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_working_directories_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        for name in ["1", "1.new", "2.input", "12.new", "4.sealed", "5.old", "x.new", "3.backup", "current.new"] {
            std::fs::create_dir_all(paths.environments().join(name)).unwrap();
        }
        let kernel = paths.of_kernel(&"r".parse().unwrap());
        std::fs::create_dir_all(kernel.environments().join("7.new")).unwrap();
        assert!(has_unfinished(&paths).unwrap() && has_unfinished(&kernel).unwrap());
        sweep(&kernel).unwrap();
        assert!(!has_unfinished(&paths).unwrap() && kernel.environments().exists());
        let mut left: Vec<String> = std::fs::read_dir(paths.environments())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["1", "3.backup", "current.new", "x.new"]);
    }
}
