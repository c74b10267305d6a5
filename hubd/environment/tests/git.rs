//! Which repositories git is told to be safe, by the script that stands before it in a student's server, with a real shell.

#![expect(clippy::unwrap_used, reason = "the helpers of a test may panic like the test itself")]

use std::fs::{Permissions, create_dir_all, set_permissions, write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use hub_system::command::Command;

const TIMEOUT: Duration = Duration::from_secs(60);

fn repository(place: &Path) {
    for directory in ["objects", "refs"] {
        create_dir_all(place.join(directory)).unwrap();
    }
    write(place.join("HEAD"), "ref: refs/heads/main\n").unwrap();
}

/// What git, which only shows its configuration of the system here, is told in a home with this link to the class folder.
fn told(root: &Path, link: &str) -> String {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pyenv/assets");
    let (own, system, home, runtime) = (root.join("own"), root.join("system"), root.join("home"), root.join("runtime"));
    for directory in [&own, &system, &home, &runtime] {
        create_dir_all(directory).unwrap();
    }
    let program = |path: &Path, text: &str| {
        write(path, text).unwrap();
        set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    };
    program(&own.join("git"), &std::fs::read_to_string(assets.join("git")).unwrap());
    program(&system.join("git"), "#!/bin/sh\nexec cat \"$GIT_CONFIG_SYSTEM\"\n");
    if home.join("class").symlink_metadata().is_ok() {
        std::fs::remove_file(home.join("class")).unwrap();
    }
    symlink(link, home.join("class")).unwrap();
    let path = format!("{}:{}:/usr/bin:/bin", own.display(), system.display());
    let git = Command::new(own.join("git"), TIMEOUT).env_clear().env("PATH", path);
    let git = git.env("HUBD_CLASS", root.join("class").display().to_string()).env("HOME", home.display().to_string());
    let git = git.env("JUPYTER_RUNTIME_DIR", runtime.display().to_string());
    git.env("GIT_CONFIG_SYSTEM", runtime.join("gitconfig").display().to_string()).run().unwrap()
}

#[test]
fn what_lies_in_the_class_folder_is_safe_and_nothing_that_everybody_may_write_to() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let class = root.join("class");
    repository(&class.join("course/.git"));
    repository(&class.join("bare \"one\".git"));
    repository(&class.join("drop/evil/.git"));
    repository(&root.join("elsewhere/.git"));
    create_dir_all(class.join("empty/.git")).unwrap();
    set_permissions(class.join("drop"), Permissions::from_mode(0o1777)).unwrap();
    let named = |text: &str| -> Vec<String> {
        let mut named: Vec<String> =
            text.lines().filter_map(|line| line.strip_prefix("\tdirectory = ")).map(str::to_owned).collect();
        named.sort();
        named
    };
    let (class, home) = (class.display(), root.join("home/class").display().to_string());
    let own = [format!("\"{class}/bare \\\"one\\\".git\""), format!("\"{class}/course/.git\"")];
    assert_eq!(named(&told(root, "/elsewhere")), own);
    let text = told(root, &class.to_string());
    let linked = [format!("\"{home}/bare \\\"one\\\".git\""), format!("\"{home}/course/.git\"")];
    let mut all = [own, linked].concat();
    all.sort();
    assert_eq!(named(&text), all);
    assert!(text.contains("[safe]\n") && !text.contains('*'), "{text}");
}
