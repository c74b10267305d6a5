//! What of a hub does not go into a backup, and whose that is: what would keep everybody else's from ending.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hub_core::accounts::Username;
use hub_core::backup::{Lacking, Why};

use crate::holes::{self, LeftOut};
use crate::manifest::{HomeOf, Manifest};
use crate::said::for_people;

/// Files that are this large need not have been there when homes were looked at.
const LARGE: u64 = 4 << 30;
/// How many entries about people and reasons a record has.
const MOST_TOLD: usize = 30;
/// Paths that are remembered so that none counts twice.
const MOST_COUNTED: usize = 10_000;

/// What is left out.
#[derive(Debug)]
pub(crate) struct LeaveOut {
    /// Lines of restic's file of what is left out.
    pub(crate) lines: Vec<u8>,
    /// Files of more bytes were not there when homes were looked at, or grew since: nobody makes a hole between the two looks.
    pub(crate) larger_than: u64,
    /// Homes, and the class folder, of which nothing is to be read.
    pub(crate) directories: BTreeSet<PathBuf>,
    pub(crate) lacking: Vec<Lacking>,
}

impl LeaveOut {
    /// Looks at every home, and at the class folder.
    pub(crate) fn look(manifest: &Manifest) -> Self {
        let mut out = Self { lines: Vec::new(), larger_than: LARGE, directories: BTreeSet::new(), lacking: Vec::new() };
        for home in &manifest.homes {
            out.add(&home.path, Some(&home.name));
        }
        if manifest.class_folder.is_dir() {
            out.add(&manifest.class_folder, None);
        }
        out
    }

    fn add(&mut self, directory: &Path, person: Option<&Username>) {
        let lacking = |why, files: usize, example: &str| Lacking {
            person: person.cloned(),
            why,
            files: files as u64,
            example: for_people(example),
        };
        let found = match holes::look(directory).map(holes::Sizes::judge) {
            Ok((LeftOut::Files(files), largest)) => {
                self.larger_than = self.larger_than.max(largest.saturating_add(largest / 8));
                for line in files.iter().filter_map(|path| holes::line(path)) {
                    self.lines.extend(line);
                    self.lines.push(b'\n');
                }
                let Some(first) = files.first() else { return };
                let first = String::from_utf8_lossy(first);
                lacking(Why::Holes, files.len(), first.strip_prefix(&format!("{}/", directory.display())).unwrap_or(&first))
            }
            Ok((LeftOut::All, _)) => {
                self.directories.insert(directory.to_owned());
                lacking(Why::Home, 0, "more than a thousand of them have large holes")
            }
            Err(error) => {
                self.directories.insert(directory.to_owned());
                lacking(Why::Home, 0, &format!("they could not be looked at: {error:#}"))
            }
        };
        self.lacking.push(found);
    }
}

/// Counts what restic could not read, for each person.
#[derive(Debug)]
pub(crate) struct Unread<'a> {
    homes: &'a [HomeOf],
    counted: BTreeSet<String>,
    /// How many in all.
    pub(crate) count: u64,
    people: BTreeMap<Option<&'a Username>, (u64, String)>,
}

impl<'a> Unread<'a> {
    pub(crate) fn of(homes: &'a [HomeOf]) -> Self {
        Self { homes, counted: BTreeSet::new(), count: 0, people: BTreeMap::new() }
    }

    /// This one, which restic may say more than once.
    pub(crate) fn add(&mut self, path: &str) {
        if self.counted.contains(path) {
            return;
        }
        if self.counted.len() < MOST_COUNTED {
            self.counted.insert(path.to_owned());
        }
        let below = |home: &'a HomeOf| {
            let rest = path.as_bytes().strip_prefix(home.path.as_os_str().as_bytes())?.strip_prefix(b"/")?;
            Some((&home.name, String::from_utf8_lossy(rest).into_owned()))
        };
        let homes = self.homes;
        let (person, example) = homes.iter().find_map(below).map_or((None, path.to_owned()), |(name, path)| (Some(name), path));
        self.count += 1;
        self.people.entry(person).or_insert_with(|| (0, for_people(&example))).0 += 1;
    }

    /// With what was left out before, as a record has it.
    pub(crate) fn told_with(self, mut lacking: Vec<Lacking>) -> Vec<Lacking> {
        let unread = |(person, (files, example)): (Option<&Username>, _)| Lacking {
            person: person.cloned(),
            why: Why::Unread,
            files,
            example,
        };
        lacking.extend(self.people.into_iter().map(unread));
        lacking.truncate(MOST_TOLD);
        lacking
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(name: &str, place: &Path) -> HomeOf {
        HomeOf { name: name.parse().unwrap(), uid: 20_000, gid: 20_000, path: place.join(format!("jupyter-{name}")) }
    }

    #[test]
    fn one_persons_holes_are_left_out_and_named_and_everybody_elses_files_stay() {
        let place = tempfile::tempdir().unwrap();
        let homes = ["ada", "bob", "cleo"].map(|name| home(name, place.path()));
        for home in &homes[..2] {
            std::fs::create_dir(&home.path).unwrap();
        }
        std::fs::write(homes[0].path.join("lesson"), "text").unwrap();
        std::fs::File::create(homes[1].path.join("x y")).unwrap().set_len(8 << 40).unwrap();
        let mut out = LeaveOut { lines: Vec::new(), larger_than: LARGE, directories: BTreeSet::new(), lacking: Vec::new() };
        homes.iter().for_each(|home| out.add(&home.path, Some(&home.name)));
        assert_eq!(String::from_utf8(out.lines).unwrap(), format!("{}/x y\n", homes[1].path.display()));
        let told: Vec<String> = out.lacking.iter().map(ToString::to_string).collect();
        assert_eq!(told[0], "1 file of bob with large holes, such as `x y`");
        assert!(told[1].starts_with("all files of cleo: they could not be looked at"), "{told:?}");
        assert_eq!(out.directories, [homes[2].path.clone()].into());
        assert_eq!(out.larger_than, LARGE);
    }

    #[test]
    fn what_could_not_be_read_is_counted_once_for_whom_it_is() {
        let homes = ["bob", "bo"].map(|name| home(name, Path::new("/home/hubd")));
        let mut unread = Unread::of(&homes);
        for path in ["/home/hubd/jupyter-bob/a", "/home/hubd/jupyter-bob/a", "/home/hubd/jupyter-bob/b", "/srv/class/x"] {
            unread.add(path);
        }
        assert_eq!(unread.count, 3);
        let told: Vec<String> = unread.told_with(Vec::new()).iter().map(ToString::to_string).collect();
        let expected = [
            "1 file of the hub that could not be read, such as `/srv/class/x`",
            "2 files of bob that could not be read, such as `a`",
        ];
        assert_eq!(told, expected);
    }
}
