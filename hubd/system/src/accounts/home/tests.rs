//! Homes on a real disk. Root makes them for somebody else; anybody else, for himself.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;

struct Place {
    _directory: tempfile::TempDir,
    homes: PathBuf,
    skeleton: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (homes, skeleton) = (directory.path().join("homes"), directory.path().join("skel"));
        std::fs::create_dir(&homes).unwrap();
        std::fs::set_permissions(&homes, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir(&skeleton).unwrap();
        Self { _directory: directory, homes, skeleton }
    }

    fn ensure(&self, name: &str) -> Result<Outcome> {
        self.with(name, |home| home.ensure())
    }

    fn with<T>(&self, name: &str, act: impl FnOnce(&Home<'_>) -> Result<T>) -> Result<T> {
        let (uid, gid) = owner();
        let path = self.homes.join(name);
        act(&Home { path: &path, uid, gid, skeleton: &self.skeleton, link: Some(("class", Path::new("/srv/class"))) })
    }
}

fn owner() -> (u32, u32) {
    if Uid::effective().is_root() { (20_001, 20_001) } else { (Uid::effective().as_raw(), Gid::effective().as_raw()) }
}

fn owner_and_mode(path: &Path) -> (u32, u32, u32) {
    let found = std::fs::symlink_metadata(path).unwrap();
    (found.uid(), found.gid(), found.mode() & 0o7777)
}

#[test]
fn a_new_home_is_its_owners_alone_and_complete() {
    let place = Place::new();
    std::fs::write(place.skeleton.join(".profile"), "hello").unwrap();
    std::fs::create_dir(place.skeleton.join("work")).unwrap();
    std::fs::write(place.skeleton.join("work/first.py"), "1 + 1").unwrap();
    assert_eq!(place.ensure("ada").unwrap(), Outcome::Created);
    let (uid, gid) = owner();
    let home = place.homes.join("ada");
    assert_eq!(owner_and_mode(&home), (uid, gid, 0o700));
    assert_eq!(std::fs::read_to_string(home.join("work/first.py")).unwrap(), "1 + 1");
    assert_eq!(owner_and_mode(&home.join("work/first.py")).0, uid);
    assert_eq!(std::fs::read_link(home.join("class")).unwrap(), Path::new("/srv/class"));
    assert_eq!(owner_and_mode(&home.join("class")).0, uid);
    assert_eq!(std::fs::read_dir(&place.homes).unwrap().count(), 1);
    assert_eq!(place.ensure("ada").unwrap(), Outcome::AlreadyThere);
}

#[test]
fn a_skeleton_gives_files_and_nothing_more() {
    let place = Place::new();
    symlink("/etc/passwd", place.skeleton.join("link")).unwrap();
    std::fs::write(place.skeleton.join("tool"), "").unwrap();
    std::fs::set_permissions(place.skeleton.join("tool"), std::fs::Permissions::from_mode(0o6755)).unwrap();
    place.ensure("ada").unwrap();
    assert!(std::fs::symlink_metadata(place.homes.join("ada/link")).is_err());
    assert_eq!(owner_and_mode(&place.homes.join("ada/tool")).2, 0o755);
}

#[test]
fn refuses_to_follow_or_take_over_what_is_in_the_place_of_a_home() {
    let place = Place::new();
    let outside = place.skeleton.join("outside");
    std::fs::create_dir(&outside).unwrap();
    symlink(&outside, place.homes.join("link")).unwrap();
    symlink("/nonexistent", place.homes.join("dangling")).unwrap();
    std::fs::write(place.homes.join("file"), "mine").unwrap();
    nix::unistd::mkfifo(&place.homes.join("fifo"), Mode::S_IRWXU).unwrap();
    let before = owner_and_mode(&outside);
    for (name, what) in
        [("link", "a symbolic link"), ("dangling", "a symbolic link"), ("file", "a file"), ("fifo", "a special file")]
    {
        for error in [place.ensure(name).unwrap_err(), place.with(name, |home| home.put_aside()).unwrap_err()] {
            assert!(format!("{error:#}").contains(&format!("is {what} of uid")), "{name}: {error:#}");
        }
    }
    assert_eq!(owner_and_mode(&outside), before);
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(std::fs::read_to_string(place.homes.join("file")).unwrap(), "mine");
}

#[test]
fn refuses_a_directory_of_homes_that_others_can_write_to() {
    let place = Place::new();
    std::fs::set_permissions(&place.homes, std::fs::Permissions::from_mode(0o777)).unwrap();
    let error = place.ensure("ada").unwrap_err().to_string();
    assert!(error.contains("mode 0777; expected root, writable by nobody else"), "{error}");
}

#[test]
fn homes_behind_a_link_are_made_kept_and_found_like_others() {
    let place = Place::new();
    let (real, link) = (place.homes.clone(), place.skeleton.join("homes"));
    symlink(&real, &link).unwrap();
    let place = Place { homes: link, ..place };
    assert_eq!(place.ensure("ada").unwrap(), Outcome::Created);
    assert!(real.join("ada").is_dir());
    assert!(place.with("ada", |home| home.is_there()).unwrap());
    place.with("ada", |home| home.put_aside()).unwrap();
    assert_eq!(owner_and_mode(&real.join("ada")).0, Uid::effective().as_raw());
}

#[test]
fn what_an_interrupted_attempt_left_is_no_obstacle() {
    let place = Place::new();
    std::fs::create_dir_all(place.homes.join(".hubd-new-ada/half")).unwrap();
    assert_eq!(place.ensure("ada").unwrap(), Outcome::Created);
    assert!(!place.homes.join("ada/half").exists());
}

#[test]
fn a_home_put_aside_is_given_back_with_its_content() {
    let place = Place::new();
    place.ensure("ada").unwrap();
    std::fs::write(place.homes.join("ada/thesis"), "almost done").unwrap();
    place.with("ada", |home| home.put_aside()).unwrap();
    let (uid, gid) = owner();
    let aside = owner_and_mode(&place.homes.join("ada"));
    assert_eq!(aside, (Uid::effective().as_raw(), Gid::effective().as_raw(), 0o700));
    // Only root can tell the two owners apart.
    let expected = if Uid::effective().is_root() { Outcome::GivenBack } else { Outcome::AlreadyThere };
    assert_eq!(place.ensure("ada").unwrap(), expected);
    assert_eq!(owner_and_mode(&place.homes.join("ada")), (uid, gid, 0o700));
    assert_eq!(std::fs::read_to_string(place.homes.join("ada/thesis")).unwrap(), "almost done");
}

#[test]
fn roots_own_directories_are_not_homes_put_aside() {
    let place = Place::new();
    std::fs::create_dir(place.homes.join("backup")).unwrap();
    std::fs::set_permissions(place.homes.join("backup"), std::fs::Permissions::from_mode(0o755)).unwrap();
    if Uid::effective().is_root() {
        let error = place.ensure("backup").unwrap_err().to_string();
        assert!(error.contains("is a directory of uid 0; expected a directory of uid 20001"), "{error}");
    }
}

#[test]
fn putting_aside_what_is_not_there_is_done() {
    let place = Place::new();
    place.with("ada", |home| home.put_aside()).unwrap();
    assert!(!place.with("ada", |home| home.is_there()).unwrap());
}

#[test]
fn what_is_moved_aside_stays_in_its_directory_and_nothing_is_followed() {
    let place = Place::new();
    place.ensure("ada").unwrap();
    let home = place.homes.join("ada");
    let (uid, gid) = owner();
    let own = |path: &Path| std::os::unix::fs::chown(path, Some(uid), Some(gid)).unwrap();
    let moved = || place.with("ada", |home| home.move_aside(Path::new(".local/share/hubd")));
    assert_eq!(moved().unwrap(), None);
    for directory in [".local", ".local/share", ".local/share/hubd"] {
        std::fs::create_dir(home.join(directory)).unwrap();
        own(&home.join(directory));
    }
    assert_eq!(moved().unwrap(), Some(home.join(".local/share/hubd.aside-1")));
    assert_eq!(moved().unwrap(), None);
    symlink("/etc", home.join(".local/share/hubd")).unwrap();
    assert_eq!(moved().unwrap(), Some(home.join(".local/share/hubd.aside-2")), "a link is moved, not what it leads to");
    std::fs::rename(home.join(".local"), home.join("elsewhere")).unwrap();
    std::fs::create_dir(home.join("elsewhere/share/hubd")).unwrap();
    symlink("elsewhere", home.join(".local")).unwrap();
    let error = format!("{:#}", moved().unwrap_err());
    assert!(error.contains("it is no directory of the owner's") && home.join("elsewhere/share/hubd").exists(), "{error}");
    for odd in ["../bob", "/etc/passwd", ".local/../x", ""] {
        assert!(place.with("ada", |home| home.move_aside(Path::new(odd))).is_err(), "{odd}");
    }
}

#[test]
fn what_lies_in_somebody_elses_directory_is_not_moved() {
    if !Uid::effective().is_root() {
        return;
    }
    let place = Place::new();
    place.ensure("ada").unwrap();
    std::fs::create_dir_all(place.homes.join("ada/.local/share/hubd")).unwrap();
    let error = place.with("ada", |home| home.move_aside(Path::new(".local/share/hubd"))).unwrap_err().to_string();
    assert_eq!(error, "`.local` on the way to `.local/share/hubd` belongs to uid 0, expected 20001");
}
