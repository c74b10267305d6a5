//! Removing and giving away trees.

use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Command;

use nix::sys::stat::{SFlag, mkdirat};

use super::*;

const DEEP: usize = 3000;

/// A directory with another in it, and so on, with a file and a link out of the tree at each level.
fn nest(top: &Path, levels: usize, outside: &Path) {
    std::fs::create_dir(top).unwrap();
    let mut directory = open(top, DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..levels {
        nix::unistd::symlinkat(outside, &directory, "link").unwrap();
        mkdirat(&directory, "directory-with-a-name", Mode::S_IRWXU).unwrap();
        directory = openat(&directory, "directory-with-a-name", DIRECTORY, Mode::empty()).unwrap();
    }
}

#[test]
fn removes_a_tree_and_nothing_that_its_links_lead_to() {
    let scratch = tempfile::tempdir().unwrap();
    let (top, outside) = (scratch.path().join("top"), scratch.path().join("outside"));
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("kept"), "").unwrap();
    for directory in ["a/b/c", "a/d", "e"] {
        std::fs::create_dir_all(top.join(directory)).unwrap();
        symlink(&outside, top.join(directory).join("link")).unwrap();
    }
    assert!(remove(&top).unwrap());
    assert!(!top.exists());
    assert!(!remove(&top).unwrap(), "there is nothing any more");
    assert!(!remove(&top.join("below")).unwrap());
    symlink(&outside, &top).unwrap();
    assert!(remove(&top).unwrap());
    assert!(outside.join("kept").exists());
}

#[test]
fn more_directories_than_are_remembered_go_all_the_same() {
    let scratch = tempfile::tempdir().unwrap();
    let top = scratch.path().join("top");
    for number in 0..MOST_REMEMBERED + 10 {
        std::fs::create_dir_all(top.join(format!("wide/{number}/full"))).unwrap();
    }
    remove(&top).unwrap();
    assert!(!top.exists());
}

#[test]
fn a_whole_tree_is_given_away_and_no_target_of_a_link() {
    let scratch = tempfile::tempdir().unwrap();
    let (top, outside) = (scratch.path().join("top"), scratch.path().join("outside"));
    std::fs::write(&outside, "").unwrap();
    nest(&top, 20, &outside);
    let gid = nix::unistd::getgid().as_raw();
    let (uid, is_root) = if nix::unistd::geteuid().is_root() { (20_001, true) } else { (nix::unistd::getuid().as_raw(), false) };
    give(&top, uid, gid).unwrap();
    let mut place = top;
    for _ in 0..20 {
        assert_eq!(place.symlink_metadata().unwrap().uid(), uid);
        assert_eq!(place.join("link").symlink_metadata().unwrap().uid(), uid);
        place.push("directory-with-a-name");
    }
    assert_eq!(place.symlink_metadata().unwrap().uid(), uid);
    assert!(!is_root || outside.metadata().unwrap().uid() == 0);
}

/// With a limit on descriptors, in a process of its own: the limit counts for all of it.
#[test]
fn three_thousand_levels_go_with_few_descriptors() {
    let scratch = tempfile::tempdir().unwrap();
    let top = scratch.path().join("top");
    nest(&top, DEEP, scratch.path());
    let limited = "ulimit -n 64 && ulimit -s 1024 && exec \"$0\" \"$@\"";
    let output = Command::new("/bin/sh")
        .args(["-c", limited])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "tree::tests::removes_what_it_is_told", "--ignored", "--test-threads=1"])
        .env("HUBD_TEST_TREE", &top)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(!top.exists());
}

#[test]
#[ignore = "started by another test"]
fn removes_what_it_is_told() {
    let top = std::env::var_os("HUBD_TEST_TREE").unwrap();
    give(Path::new(&top), nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw()).unwrap();
    assert!(remove(Path::new(&top)).unwrap());
}

/// What was a directory when it was listed may be a link when it is entered.
#[test]
fn a_link_that_came_meanwhile_is_not_entered() {
    let scratch = tempfile::tempdir().unwrap();
    let top = scratch.path().join("top");
    std::fs::create_dir_all(scratch.path().join("outside/kept")).unwrap();
    std::fs::create_dir(&top).unwrap();
    symlink(scratch.path().join("outside"), top.join("a")).unwrap();
    let parent = open(scratch.path(), DIRECTORY, Mode::empty()).unwrap();
    let mut descent = Descent::begin(&parent, c"top", &top).unwrap();
    let error = descent.enter(c"a").unwrap_err().to_string();
    assert!(error.contains("entering `") && error.contains("top/a`"), "{error}");
    assert!(Descent::begin(&open(&top, DIRECTORY, Mode::empty()).unwrap(), c"a", &top.join("a")).is_err(), "as the top");
}

#[test]
fn a_directory_that_was_moved_out_ends_it() {
    let scratch = tempfile::tempdir().unwrap();
    let top = scratch.path().join("top");
    std::fs::create_dir_all(top.join("a/b")).unwrap();
    let parent = open(scratch.path(), DIRECTORY, Mode::empty()).unwrap();
    let mut descent = Descent::begin(&parent, c"top", &top).unwrap();
    descent.enter(c"a").unwrap();
    descent.enter(c"b").unwrap();
    std::fs::rename(top.join("a/b"), scratch.path().join("b")).unwrap();
    let error = descent.climb().unwrap_err().to_string();
    assert!(error.contains("top/a/b` was moved away meanwhile"), "{error}");
}

#[test]
fn owners_are_changed_one_by_one_and_links_are_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let top = root.path().join("top");
    std::fs::create_dir_all(top.join("below/deep")).unwrap();
    std::fs::write(top.join("below/deep/file"), "").unwrap();
    std::fs::write(root.path().join("outside"), "").unwrap();
    std::os::unix::fs::symlink("../outside", top.join("link")).unwrap();
    std::os::unix::fs::lchown(top.join("below/deep/file"), Some(20_000), Some(20_000)).unwrap();
    std::os::unix::fs::lchown(top.join("link"), Some(20_001), Some(990)).unwrap();
    renumber(&top, &|uid, gid| (if uid == 0 { 0 } else { uid + 10 }, if gid == 990 { 991 } else { gid })).unwrap();
    let owner = |path: &Path| {
        let found = std::os::unix::fs::MetadataExt::uid(&path.symlink_metadata().unwrap());
        (found, std::os::unix::fs::MetadataExt::gid(&path.symlink_metadata().unwrap()))
    };
    assert_eq!(owner(&top.join("below/deep/file")), (20_010, 20_000));
    assert_eq!(owner(&top.join("link")), (20_011, 991));
    assert_eq!((owner(&top), owner(&root.path().join("outside"))), ((0, 0), (0, 0)));
}

#[test]
fn shows_all_of_a_tree_however_deep_and_nothing_that_its_links_lead_to() {
    let scratch = tempfile::tempdir().unwrap();
    let (top, outside) = (scratch.path().join("top"), scratch.path().join("outside"));
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("hidden"), "").unwrap();
    nest(&top, DEEP, &outside);
    std::fs::write(top.join("directory-with-a-name/file"), "four").unwrap();
    let (mut links, mut longest, mut files) = (0, 0, Vec::new());
    walk(&top, &mut |found| {
        links += u32::from(found.is(SFlag::S_IFLNK));
        longest = longest.max(found.path().as_os_str().len());
        if found.is(SFlag::S_IFREG) {
            files.push((found.path(), found.stat.st_size));
        }
        Ok(())
    })
    .unwrap();
    assert_eq!((links as usize, files), (DEEP, vec![(top.join("directory-with-a-name/file"), 4)]));
    assert!(longest > 20 * DEEP, "{longest}");
    let error = walk(&top, &mut |_| anyhow::bail!("enough")).unwrap_err().to_string();
    assert_eq!(error, "enough");
}
