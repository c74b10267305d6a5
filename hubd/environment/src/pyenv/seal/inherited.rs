//! Files of packages that come from the generation before: a second name each, and nothing is read.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Sealed, Sealing, bytecode_of, open, same_content, second_name};

/// What became of a file that was to be taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// It has its second name.
    Over,
    /// What was built has another file there, which stays.
    NotOver,
    /// It is not there any more, or there is no place for it.
    Impossible,
}

impl Sealing<'_> {
    /// Adds `files` of the generation before, with their bytecode, to what was sealed; each is told with the packages that it
    /// belongs to. `ours` come with every build anew. Returns the packages that have lost a file to what was built, as they
    /// would by an installer; `None`: it does not fit together at all.
    ///
    /// # Errors
    /// When the disk is full.
    pub(in crate::pyenv) fn inherit(
        &self,
        files: &BTreeMap<PathBuf, BTreeSet<String>>,
        ours: &BTreeSet<PathBuf>,
        sealed: &mut Sealed,
    ) -> Result<Option<BTreeSet<String>>> {
        let (mut losers, mut directories) = (BTreeSet::new(), BTreeSet::new());
        let Some(previous) = self.previous.filter(|_| !files.is_empty()) else { return Ok(Some(losers)) };
        for (file, packages) in files.iter().filter(|(file, _)| !ours.contains(*file)) {
            let mut taken = vec![self.take_over(previous, file, &mut directories, sealed)?];
            if let Some(bytecode) = self.bytecode.and_then(|tag| bytecode_of(file, tag)) {
                if taken == [Taken::Over] && previous.join(&bytecode).is_file() {
                    taken.push(self.take_over(previous, &bytecode, &mut directories, sealed)?);
                } else if std::fs::symlink_metadata(self.target.join(&bytecode)).is_ok() {
                    taken.push(Taken::NotOver);
                }
            }
            if taken.contains(&Taken::Impossible) {
                return Ok(None);
            }
            if taken.contains(&Taken::NotOver) {
                losers.extend(packages.iter().cloned());
            }
        }
        Ok(Some(losers))
    }

    fn take_over(&self, previous: &Path, file: &Path, directories: &mut BTreeSet<PathBuf>, sealed: &mut Sealed) -> Result<Taken> {
        let (from, to) = (previous.join(file), self.target.join(file));
        let Ok(metadata) = std::fs::symlink_metadata(&from) else { return Ok(Taken::Impossible) };
        if !metadata.is_file() || !self.directories_of(file, directories)? {
            return Ok(Taken::Impossible);
        }
        if let Ok(found) = std::fs::symlink_metadata(&to) {
            let is_same = found.is_file() && found.len() == metadata.len() && same_content(&mut open(&from)?, &mut open(&to)?)?;
            return Ok(if is_same { Taken::Over } else { Taken::NotOver });
        }
        sealed.files += 1;
        sealed.bytes += metadata.len();
        if !second_name(&from, &to)? {
            self.copy(&from, &to, if metadata.mode() & 0o111 != 0 { 0o755 } else { 0o644 })?;
            sealed.own_bytes += metadata.len();
        }
        Ok(Taken::Over)
    }

    /// Makes the directories above `file`; false when one of them is something else.
    fn directories_of(&self, file: &Path, known: &mut BTreeSet<PathBuf>) -> Result<bool> {
        let parent = file.parent().context("it has no directory")?;
        if parent.as_os_str().is_empty() || known.contains(parent) {
            return Ok(true);
        }
        if !self.directories_of(parent, known)? {
            return Ok(false);
        }
        let path = self.target.join(parent);
        match std::fs::symlink_metadata(&path) {
            Ok(found) if !found.is_dir() => return Ok(false),
            Ok(_) => {}
            Err(_) => self.directory(&path)?,
        }
        known.insert(parent.to_owned());
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Trees(tempfile::TempDir);

    impl Trees {
        /// A generation before with a package and its bytecode, and one that is sealed but for that.
        fn new() -> Self {
            let trees = Self(tempfile::tempdir().unwrap());
            trees.write("1/lib/a/a.py", "a");
            trees.write("1/lib/a/__pycache__/a.cpython-311.pyc", "bytecode");
            trees.write("1/lib/a/tests/t.py", "t");
            trees.write("2.sealed/lib/b.py", "b");
            trees
        }

        fn path(&self, path: &str) -> PathBuf {
            self.0.path().join(path)
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.path(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        /// How much there is then, and who lost a file.
        fn inherit(&self, files: &[&str]) -> Option<(Sealed, Vec<String>)> {
            let (source, target, previous) = (&self.path("2.new"), &self.path("2.sealed"), &self.path("1"));
            let sealing = Sealing {
                source,
                target,
                previous: Some(previous),
                bytecode: Some("cpython-311"),
                interpreter: None,
                left_out: &[],
                builder: 0,
                owner: None,
            };
            let package = |file: &str| file.split('/').nth(1).unwrap_or_default().to_owned();
            let files = files.iter().map(|file| (PathBuf::from(file), BTreeSet::from([package(file)]))).collect();
            let mut sealed = Sealed::default();
            let losers = sealing.inherit(&files, &BTreeSet::from(["ours".into()]), &mut sealed).unwrap()?;
            Some((sealed, losers.into_iter().collect()))
        }
    }

    #[test]
    fn files_get_a_second_name_and_bring_their_bytecode() {
        let trees = Trees::new();
        let (sealed, losers) = trees.inherit(&["lib/a/a.py", "lib/a/tests/t.py", "ours"]).unwrap();
        assert_eq!((sealed, losers.len()), (Sealed { files: 3, bytes: 10, own_bytes: 0 }, 0));
        for file in ["lib/a/a.py", "lib/a/__pycache__/a.cpython-311.pyc", "lib/a/tests/t.py"] {
            let inode = |tree: &str| std::fs::metadata(trees.path(tree).join(file)).unwrap().ino();
            assert_eq!(inode("1"), inode("2.sealed"), "{file}");
        }
        assert_eq!(std::fs::read_to_string(trees.path("2.sealed/lib/b.py")).unwrap(), "b");
    }

    #[test]
    fn the_same_file_twice_is_no_quarrel() {
        let trees = Trees::new();
        trees.write("2.sealed/lib/a/a.py", "a");
        assert_eq!(trees.inherit(&["lib/a/a.py"]).unwrap().1, [""; 0]);
    }

    #[test]
    fn who_loses_a_file_to_what_was_built_is_told() {
        for (name, text) in
            [("a.py", "A"), ("__pycache__/a.cpython-311.pyc", "evil"), ("tests/__pycache__/t.cpython-311.pyc", "evil")]
        {
            let trees = Trees::new();
            trees.write(&format!("2.sealed/lib/a/{name}"), text);
            assert_eq!(trees.inherit(&["lib/a/a.py", "lib/a/tests/t.py"]).unwrap().1, ["a"], "{name}");
            assert_eq!(std::fs::read_to_string(trees.path("2.sealed/lib/a").join(name)).unwrap(), text);
        }
    }

    #[test]
    fn nothing_goes_through_a_link() {
        let trees = Trees::new();
        std::fs::create_dir(trees.path("outside")).unwrap();
        symlink("../../outside", trees.path("2.sealed/lib/a")).unwrap();
        assert_eq!(trees.inherit(&["lib/a/a.py"]), None);
        assert_eq!(std::fs::read_dir(trees.path("outside")).unwrap().count(), 0);
        assert_eq!(trees.inherit(&["lib/gone.py"]), None, "not there any more");
    }
}
