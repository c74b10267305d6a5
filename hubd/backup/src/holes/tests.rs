use std::os::unix::ffi::OsStrExt;

use super::*;

const GIB: u64 = 1 << 30;

fn judged(files: &[(&str, u64, u64)]) -> (Vec<String>, u64) {
    let mut sizes = Sizes::default();
    for &(name, size, on_disk) in files {
        sizes.add(size, on_disk, || name.as_bytes().to_vec());
    }
    let (LeftOut::Files(files), largest) = sizes.judge() else { panic!("everything") };
    (files.into_iter().map(|path| String::from_utf8(path).unwrap()).collect(), largest)
}

#[test]
fn the_largest_holes_go_until_a_home_has_no_more_than_it_may() {
    for (files, out, largest) in [
        // A database, and what a compressing disk says of a table.
        (vec![("db", 600 << 20, 4096), ("table", 200 << 20, 4096)], vec![], 600 << 20),
        (vec![("x", 16 << 40, 0), ("notebook", 5000, 8192)], vec!["x"], 5000),
        (vec![("db", GIB / 2, 0), ("x", 2 * GIB, 0), ("y", 16 << 40, 0)], vec!["y", "x"], GIB / 2),
        // As much again as lies on the disk.
        (vec![("data", 9 * GIB, 9 * GIB), ("grid", 8 * GIB, 0)], vec![], 9 * GIB),
        (vec![("data", 9 * GIB, 9 * GIB), ("grid", 10 * GIB, 0)], vec!["grid"], 9 * GIB),
    ] {
        assert_eq!(judged(&files), (out.into_iter().map(str::to_owned).collect(), largest), "{files:?}");
    }
}

#[test]
fn a_home_of_nothing_but_holes_is_left_out_and_takes_no_memory() {
    let mut sizes = Sizes::default();
    for number in 0..10 * MOST as u64 {
        sizes.add((63 << 20) + number, 0, || vec![b'x'; 4000]);
    }
    assert_eq!(sizes.with_holes.len(), MOST);
    assert_eq!(sizes.judge(), (LeftOut::All, 0));
}

#[test]
fn holes_are_found_in_a_home_however_deep() {
    let home = tempfile::tempdir().unwrap();
    let below = home.path().join("a\nb/[x] *?$HOME\\");
    std::fs::create_dir_all(&below).unwrap();
    std::fs::write(below.join("real"), vec![b'x'; 100_000]).unwrap();
    std::fs::File::create(below.join("sparse ")).unwrap().set_len(8 << 40).unwrap();
    std::os::unix::fs::symlink("/", home.path().join("link")).unwrap();
    nix::unistd::mkfifo(&home.path().join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let (left_out, largest) = look(home.path()).unwrap().judge();
    assert_eq!(left_out, LeftOut::Files(vec![below.join("sparse ").as_os_str().as_bytes().to_vec()]));
    assert_eq!(largest, 100_000);
    assert!(look(&home.path().join("nothing")).is_err());
}

#[test]
fn a_line_stands_for_one_path() {
    for (path, expected) in [
        ("/home/hubd/jupyter-bob/x", "/home/hubd/jupyter-bob/x"),
        ("/h/*?[a]\\", "/h/\\*\\?\\[a]\\\\"),
        ("/h/$HOME", "/h/$$HOME"),
        ("/h/a\nb\r", "/h/a?b?"),
        ("/h/ a ", "/h/ a?"),
        ("/h/a\u{a0}", "/h/a\u{fffd}?"),
    ] {
        let text = String::from_utf8_lossy(&line(path.as_bytes()).unwrap()).into_owned();
        assert_eq!(text, expected, "{path:?}");
    }
    assert_eq!(line(&vec![b'x'; 4096]), None);
    assert!(line(&vec![b'x'; 4095]).is_some());
}
