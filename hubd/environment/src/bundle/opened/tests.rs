use std::fs;

use tempfile::TempDir;

use super::*;
use crate::bundle::manifest::tests::manifest;
use crate::bundle::{WHEELS, store};

/// A machine, and a bundle for it with `change` made after the list was written.
fn bundle(change: impl FnOnce(&Path)) -> (TempDir, Paths, PathBuf) {
    bundle_of(&manifest(), |_| (), change)
}

/// As [`bundle`], with `manifest`, and with `more` made before the list.
fn bundle_of(manifest: &Manifest, more: impl FnOnce(&Path), change: impl FnOnce(&Path)) -> (TempDir, Paths, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let content = root.path().join("content");
    for directory in [PROGRAMS, WHEELS] {
        fs::create_dir_all(content.join(directory)).unwrap();
    }
    fs::create_dir_all(root.path().join("machine/opt")).unwrap();
    for name in [BOOTSTRAP, LOCK, UV, "release/bin/hubd", "wheels/cowsay-6.1-py3-none-any.whl"] {
        fs::write(content.join(name), name).unwrap();
    }
    fs::write(content.join(MANIFEST), serde_json::to_vec(manifest).unwrap()).unwrap();
    more(&content);
    let sums: Vec<String> = files(&content, &content)
        .unwrap()
        .iter()
        .map(|name| format!("{}  {name}\n", digest::of_file(&content.join(name)).unwrap()))
        .collect();
    fs::write(content.join(SUMS), sums.concat()).unwrap();
    change(&content);
    let file = root.path().join("class.bundle");
    let arguments = ["--create", "--file", file.to_str().unwrap(), "--directory", content.to_str().unwrap(), "."];
    Command::new("/usr/bin/tar", UNPACK_DEADLINE).args(arguments).run().unwrap();
    let paths = Paths::under(root.path().join("machine"));
    symlink_tar(&paths);
    (root, paths, file)
}

fn open(paths: &Paths, file: &Path) -> Result<Opened> {
    Opened::open(paths, &File::open(file).unwrap(), file)
}

fn symlink_tar(paths: &Paths) {
    fs::create_dir_all(paths.tar().parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/usr/bin/tar", paths.tar()).unwrap();
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_whole_bundle_is_opened_and_taken_in_once() {
    let (_root, paths, file) = bundle(|_| ());
    let opened = open(&paths, &file).unwrap();
    assert_eq!(opened.manifest(), &manifest());
    assert_eq!((opened.lock().unwrap().as_str(), opened.packages()), (LOCK, None));
    assert_eq!((store::latest(&paths).unwrap(), store::wheels(&paths)), (None, None));
    assert!(!store::has(&paths, &opened).unwrap());
    assert_eq!(store::add(&paths, &opened).unwrap(), 1);
    drop(opened);
    let again = open(&paths, &file).unwrap();
    assert!(store::has(&paths, &again).unwrap());
    assert_eq!(store::names(&paths).unwrap(), ["cowsay-6.1-py3-none-any.whl"]);
    fs::write(paths.bundle().join("wheels/cowsay-6.1-py3-none-any.whl"), "other").unwrap();
    assert!(!store::has(&paths, &again).unwrap(), "a damaged wheel is not noticed");
    assert_eq!(store::add(&paths, &again).unwrap(), 1);
    store::clear(&paths).unwrap();
    store::clear(&paths).unwrap();
    assert_eq!((store::latest(&paths).unwrap(), store::wheels(&paths)), (None, None));
}

#[test]
fn what_was_changed_added_or_lost_is_refused_and_leaves_nothing() {
    type Change = Box<dyn FnOnce(&Path)>;
    let cases: [(&str, Change); 8] = [
        ("`uv` is not what `SHA256SUMS` says it is", Box::new(|root| fs::write(root.join(UV), "x").unwrap())),
        ("it holds `wheels/more.whl`, which", Box::new(|root| fs::write(root.join("wheels/more.whl"), "x").unwrap())),
        ("`release/bin/hubd` is missing", Box::new(|root| fs::remove_file(root.join("release/bin/hubd")).unwrap())),
        ("it has no `SHA256SUMS`", Box::new(|root| fs::remove_file(root.join(SUMS)).unwrap())),
        ("does not name", Box::new(|root| fs::write(root.join(SUMS), "").unwrap())),
        ("has the line", Box::new(|root| fs::write(root.join(SUMS), format!("{}  ../x\n", "0".repeat(64))).unwrap())),
        (
            "`uv` in it is no plain file",
            Box::new(|root| {
                fs::remove_file(root.join(UV)).unwrap();
                std::os::unix::fs::symlink("/etc/shadow", root.join(UV)).unwrap();
            }),
        ),
        (
            "`manifest.json` is not what",
            Box::new(|root| {
                fs::write(root.join(MANIFEST), serde_json::to_vec(&manifest()).unwrap().to_ascii_uppercase()).unwrap()
            }),
        ),
    ];
    for (said, change) in cases {
        let (_root, paths, file) = bundle(change);
        let error = format!("{:#}", open(&paths, &file).unwrap_err());
        assert!(error.contains(said) && error.contains("\nhint: "), "{said}: {error}");
        assert_eq!(names(&paths.below("opt")), Vec::<String>::new(), "{said}");
    }
}

#[test]
fn what_a_killed_process_left_is_swept_and_what_another_works_with_is_not() {
    let (_root, paths, file) = bundle(|_| ());
    let (dead, living) = (paths.below("opt/.bundle-999999999-x"), paths.below(format!("opt/.bundle-{}-x", std::process::id())));
    for directory in [&dead, &living] {
        fs::create_dir_all(directory.join("wheels")).unwrap();
    }
    open(&paths, &file).unwrap();
    assert!(!dead.exists() && living.exists());
}

#[test]
fn what_was_cut_short_at_any_place_is_refused() {
    let (_root, paths, file) = bundle(|_| ());
    let whole = fs::read(&file).unwrap();
    // Every block of the archive, and once within one.
    let last = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for length in (0..last).step_by(512).chain([last - 100]) {
        fs::write(&file, &whole[..length]).unwrap();
        assert!(open(&paths, &file).is_err(), "{length} of {} bytes", whole.len());
        assert_eq!(names(&paths.below("opt")), Vec::<String>::new(), "{length}");
    }
    let error = format!("{:#}", Opened::open(&paths, &File::open("/dev/zero").unwrap(), Path::new("/dev/zero")).unwrap_err());
    assert_eq!(error, "opening the bundle `/dev/zero`: it is no file");
}

#[test]
fn conda_packages_and_those_of_the_distribution_are_taken_in_and_stay_where_they_are() {
    let more = |content: &Path| {
        for directory in ["conda/noarch", "packages"] {
            fs::create_dir_all(content.join(directory)).unwrap();
        }
        let index =
            r#"{"info": {"subdir": "noarch"}, "packages": {"a-1-0.tar.bz2": {}}, "packages.conda": {}, "repodata_version": 1}"#;
        fs::write(content.join("conda/noarch/repodata.json"), index).unwrap();
        fs::write(content.join("conda/noarch/a-1-0.tar.bz2"), "a").unwrap();
        fs::write(content.join("packages/Packages"), "Package: git\n\n").unwrap();
        fs::write(content.join("packages/1.deb"), "git").unwrap();
    };
    let with = Manifest { apt: vec!["git".parse().unwrap()], ..manifest() };
    let (_root, paths, file) = bundle_of(&with, more, |_| ());
    let opened = open(&paths, &file).unwrap();
    assert_eq!(opened.packages(), None, "nothing of it is for an install");
    assert_eq!(store::add(&paths, &opened).unwrap(), 3);
    assert!(opened.place(Path::new("packages/1.deb")).exists(), "apt may be at work on it");
    assert!(store::has(&paths, &opened).unwrap());
    let channel = store::channel(&paths).unwrap();
    assert_eq!(names(&channel.join("noarch")), ["a-1-0.tar.bz2", "repodata.json"]);
    assert!(store::archive(&paths).is_some() && names(&paths.bundle().join("packages")).contains(&"1.deb".to_owned()));
    fs::remove_file(channel.join("noarch/a-1-0.tar.bz2")).unwrap();
    assert!(!store::has(&paths, &opened).unwrap(), "a missing archive is not noticed");
    store::clear(&paths).unwrap();
    assert_eq!(names(&paths.bundle()), Vec::<String>::new());

    let (_root, paths, file) = bundle_of(&manifest(), more, |_| ());
    assert_eq!(store::add(&paths, &open(&paths, &file).unwrap()).unwrap(), 2);
    assert!(store::archive(&paths).is_none(), "what only an install needs is kept");
}
