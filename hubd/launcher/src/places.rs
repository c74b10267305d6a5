//! Where homes are on this machine under all of their names, so that a unit shows one of them and hides the others.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hub_core::accounts::homes::refusal;
use hub_core::paths::Paths;
use hub_system::accounts::homes;

/// What a unit is told of homes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Places {
    /// The one that its owner sees, every link on the way followed.
    pub(super) home: PathBuf,
    /// Directories with homes in them.
    pub(super) hidden: Vec<PathBuf>,
}

impl Places {
    /// Looks for the home that the account says to have, and for those of others: in the usual places, in `homes`, which is
    /// where new ones are made, and in the one that this home is in.
    ///
    /// # Errors
    /// When something on the way to homes is not root's alone, or the kernel does not say what is mounted.
    pub(super) fn find(paths: &Paths, homes: &Path, home: &Path) -> Result<Self> {
        let leaf = home.file_name().with_context(|| format!("`{}` can't be a home", home.display()))?;
        let own = homes::resolve(home.parent().unwrap_or(home))?;
        // Those two are hidden whoever may change them.
        let usual = [paths.common_homes(), paths.root_home()];
        let usual = usual.map(|path| path.canonicalize().unwrap_or(path));
        let mut hidden: Vec<PathBuf> = usual.into_iter().chain([homes::resolve(homes)?, own.clone()]).collect();
        let mounts = paths.kernel_figures().join("self/mountinfo");
        // Without the kernel's figures, as in a test, there is nothing mounted twice.
        let mounts = if mounts.exists() { fs_err::read_to_string(mounts)? } else { String::new() };
        let others: Vec<PathBuf> = hidden.iter().flat_map(|path| homes::other_names(path, &mounts)).collect();
        hidden.extend(others.into_iter().filter(|path| refusal(path).is_none()));
        Ok(Self { home: own.join(leaf), hidden })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_behind_a_link_is_shown_where_it_is_and_its_neighbours_are_hidden_there() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        for directory in ["data/home", "root", "proc/self", "old"] {
            std::fs::create_dir_all(paths.below(directory)).unwrap();
        }
        std::os::unix::fs::symlink("data/home", paths.common_homes()).unwrap();
        let mounts = format!("1 1 8:1 / {0} rw - x\n2 1 8:1 /data {0}/second rw - x\n", root.path().display());
        std::fs::write(paths.below("proc/self/mountinfo"), mounts).unwrap();
        let found = Places::find(&paths, &paths.common_homes(), &paths.common_homes().join("jupyter-ada")).unwrap();
        assert_eq!(found.home, paths.below("data/home/jupyter-ada"));
        let hidden = |found: &Places, name: &str| found.hidden.contains(&paths.below(name));
        assert!(hidden(&found, "data/home") && hidden(&found, "root") && !hidden(&found, "home"), "{found:?}");
        assert!(hidden(&found, "second/home"), "the disk is mounted a second time: {found:?}");
        let moved = Places::find(&paths, &paths.common_homes(), &paths.below("old/jupyter-ada")).unwrap();
        assert_eq!(moved.home, paths.below("old/jupyter-ada"));
        assert!(hidden(&moved, "data/home") && hidden(&moved, "old"), "{moved:?}");
    }
}
