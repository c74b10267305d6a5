//! What takes room in a home.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use walkdir::{DirEntry, WalkDir};

/// Blocks that the kernel counts in, bytes.
const BLOCK: u64 = 512;
/// How many files and how many folders are named.
const NAMED: usize = 25;
/// How long is counted at most: a page is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What only holds what programs make again or what was thrown away already, below the home, with why it may go.
pub(crate) const LEFTOVERS: [(&str, &str); 2] = [
    (".cache", "Programs keep copies there to be quicker, and make them again when they need them."),
    (".local/share/Trash", "What you deleted in JupyterLab is there until you empty it."),
];

/// What is in a home. Sizes are what the disk has less because of them, bytes.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// The largest files, largest first; paths below the home.
    pub(crate) largest: Vec<Found>,
    /// What is at the top of the home, largest first.
    pub(crate) folders: Vec<Found>,
    /// Those of [`LEFTOVERS`] that hold something.
    pub(crate) leftovers: Vec<Leftover>,
    /// Whether there was time to count everything.
    pub(crate) is_whole: bool,
}

/// A file or a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    pub(crate) bytes: u64,
    pub(crate) path: PathBuf,
    /// When it was changed last, seconds since 1970; of a folder 0.
    pub(crate) changed: i64,
}

/// One of [`LEFTOVERS`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Leftover {
    pub(crate) path: &'static str,
    pub(crate) why: &'static str,
    pub(crate) bytes: u64,
}

impl Survey {
    /// Counts what is below `home`. What can't be read is not counted.
    pub(crate) fn of(home: &Path) -> Self {
        Self::within(home, PATIENCE)
    }

    fn within(home: &Path, patience: Duration) -> Self {
        let started = Instant::now();
        let mut survey = Self { is_whole: true, ..Self::default() };
        let mut largest: BinaryHeap<Reverse<Found>> = BinaryHeap::new();
        let mut folders: BTreeMap<PathBuf, u64> = BTreeMap::new();
        let mut leftovers = LEFTOVERS.map(|(path, why)| Leftover { path, why, bytes: 0 });
        for entry in walk(home) {
            if started.elapsed() > patience {
                survey.is_whole = false;
                break;
            }
            let (Ok(metadata), Ok(path)) = (entry.metadata(), entry.path().strip_prefix(home)) else { continue };
            let bytes = metadata.blocks() * BLOCK;
            survey.bytes += bytes;
            if let Some(top) = path.components().next().filter(|_| metadata.is_dir() || entry.depth() > 1) {
                *folders.entry(PathBuf::from(top.as_os_str())).or_default() += bytes;
            }
            for leftover in leftovers.iter_mut().filter(|one| path.starts_with(one.path) && path != Path::new(one.path)) {
                leftover.bytes += bytes;
            }
            if metadata.is_file() {
                survey.files += 1;
                largest.push(Reverse(Found { bytes, path: path.to_owned(), changed: metadata.mtime() }));
                if largest.len() > NAMED {
                    largest.pop();
                }
            }
        }
        survey.largest = largest.into_sorted_vec().into_iter().map(|Reverse(found)| found).collect();
        survey.folders = folders.into_iter().map(|(path, bytes)| Found { bytes, path, changed: 0 }).collect();
        survey.folders.sort_by_key(|folder| Reverse(folder.bytes));
        survey.folders.truncate(NAMED);
        survey.leftovers = leftovers.into_iter().filter(|one| one.bytes > 0).collect();
        survey
    }
}

/// Everything below `home` on its file system, the home itself too, as links and not as what they lead to.
pub(crate) fn walk(home: &Path) -> impl Iterator<Item = DirEntry> {
    WalkDir::new(home).follow_links(false).same_file_system(true).sort_by_file_name().into_iter().filter_map(Result::ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_come_first_and_links_lead_nowhere() {
        let home = tempfile::tempdir().unwrap();
        let write = |path: &str, bytes: usize| {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, vec![1; bytes]).unwrap();
        };
        write("big.bin", 300_000);
        write("work/data.csv", 200_000);
        write(".cache/pip/wheel", 100_000);
        std::os::unix::fs::symlink("/usr", home.path().join("usr")).unwrap();
        for number in 0..40 {
            write(&format!("many/{number}"), 1);
        }
        let survey = Survey::of(home.path());
        let paths: Vec<&str> = survey.largest.iter().filter_map(|found| found.path.to_str()).collect();
        assert_eq!(paths[..3], ["big.bin", "work/data.csv", ".cache/pip/wheel"]);
        assert_eq!((survey.files, paths.len(), survey.is_whole), (43, NAMED, true));
        assert!((600_000..2_000_000).contains(&survey.bytes), "{}", survey.bytes);
        let folders: Vec<&str> = survey.folders.iter().filter_map(|found| found.path.to_str()).collect();
        assert_eq!((folders[0], folders.len()), ("work", 3), "{folders:?}");
        assert_eq!(survey.leftovers.iter().map(|one| one.path).collect::<Vec<_>>(), [".cache"]);
    }

    #[test]
    fn who_has_waited_long_enough_is_told_what_was_found_so_far() {
        let home = tempfile::tempdir().unwrap();
        assert!(!Survey::within(home.path(), Duration::ZERO).is_whole);
    }

    #[test]
    fn an_empty_home_has_nothing_to_name() {
        let home = tempfile::tempdir().unwrap();
        let survey = Survey::of(home.path());
        assert_eq!((survey.files, survey.largest.len(), survey.folders.len(), survey.leftovers.len()), (0, 0, 0, 0));
    }
}
