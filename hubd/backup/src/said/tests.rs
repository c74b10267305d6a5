use std::io::Read;
use std::path::Path;

use super::*;

const PLACE: &str = "/mnt/disk/hubd";

/// What each version of restic said, as it was kept.
fn kept() -> Vec<(String, Ended)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/said/fixtures");
    let read = |entry: std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let (code, rest) = text.split_once("\n--- stdout\n").unwrap();
        let (stdout, stderr) = rest.split_once("--- stderr").unwrap();
        let code = code.strip_prefix("code ").unwrap().parse().unwrap();
        let name = entry.file_name().into_string().unwrap().replace(".txt", "");
        (name, Ended { code: Some(code), stdout: stdout.to_owned(), stderr: stderr.trim_start().to_owned() })
    };
    std::fs::read_dir(directory).unwrap().map(|entry| read(entry.unwrap())).collect()
}

/// The same run of every version there is.
fn each(run: &str) -> Vec<Ended> {
    let found: Vec<Ended> =
        kept().into_iter().filter(|(name, _)| name.split_once('-').unwrap().1 == run).map(|(_, ended)| ended).collect();
    assert!(!found.is_empty(), "{run}");
    found
}

#[test]
fn a_backup_tells_what_is_in_it() {
    for ended in each("backup") {
        let summary = summary(&ended, PLACE).unwrap();
        assert_eq!((summary.total_files_processed, summary.total_bytes_processed), (2, 3_000_003));
        assert!(ended.stderr.lines().all(|line| unread(line).is_none()));
        assert!(summary.snapshot_id.len() >= 8 && summary.data_added > 3_000_000, "{summary:?}");
    }
}

#[test]
fn a_backup_that_lacks_a_file_says_so() {
    for ended in each("unread") {
        assert_eq!(summary(&ended, PLACE).unwrap().total_files_processed, 1);
        let lines: Vec<String> = ended.stderr.lines().filter_map(unread).collect();
        assert_eq!(lines, ["/home/hubd/small.txt"]);
    }
    let long = format!("{{\"message_type\":\"error\",\"error\":{{\"Op\":\"lstat\",\"Path\":\"/home/hubd/{}", "x".repeat(8000));
    assert_eq!(unread(&long).map(|path| path.len()), Some(8011));
}

#[test]
fn backups_are_listed() {
    for ended in each("snapshots") {
        let found = snapshots(&ended, ended.stdout.as_bytes(), LONGEST_LIST, PLACE).unwrap();
        assert_eq!((found.len(), found[0].hostname.as_str(), found[0].id.len()), (1, "hub", 8));
        assert_eq!(found[0].hub(), None);
        let of_one = ended.stdout.replace("[\"hubd\"]", "[\"hubd\",\"hub-0123456789abcdef\"]");
        assert_eq!(snapshots(&ended, of_one.as_bytes(), LONGEST_LIST, PLACE).unwrap()[0].hub(), Some("0123456789abcdef"));
    }
}

/// As of 60 nights of a class of a thousand: 3 MB.
#[test]
fn a_large_class_has_a_long_list_and_one_that_never_ends_has_words() {
    let ended = Ended { code: Some(0), stdout: String::new(), stderr: String::new() };
    let paths: Vec<String> = (0..1000).map(|number| format!("\"/home/hubd/jupyter-student-{number}-of-a-school\"")).collect();
    let one = each("snapshots")[0].stdout.trim().trim_matches(['[', ']']).replace("\"/home/hubd\"", &paths.join(","));
    let list = format!("[{}]", vec![one; 60].join(","));
    assert!(
        list.len() > 2 << 20 && snapshots(&ended, list.as_bytes(), LONGEST_LIST, PLACE).unwrap().len() == 60,
        "{}",
        list.len()
    );
    let endless = b"[{\"paths\":[\"".chain(std::io::repeat(b'x'));
    let problem = snapshots(&ended, endless, 2 << 20, PLACE).unwrap_err();
    assert!(problem.what.contains("has more than 2 MB") && problem.hint.contains("keep_daily"), "{problem:?}");
}

#[test]
fn what_goes_wrong_has_words_and_something_to_do() {
    for (run, words, hint) in [
        ("wrong-password", "the password is not the one of the backups in `/mnt/disk/hubd`", "--password-file"),
        ("nowhere", "there are no backups in `/mnt/disk/hubd`", "mounted"),
        ("full", "there is no room left in `/mnt/disk/hubd`; earlier backups are intact", "make room"),
        ("damaged-check", "is damaged or incomplete", "backup check"),
        ("no-such-snapshot", "there is no such backup", "backup list"),
        ("no-such-file", "that is not in this backup", "backup list"),
    ] {
        for ended in each(run) {
            let problem = done(&ended, PLACE).unwrap_err();
            assert!(problem.what.contains(words) && problem.hint.contains(hint), "{run}: {problem:?}");
            assert!(summary(&ended, PLACE).is_err() && snapshots(&ended, ended.stdout.as_bytes(), LONGEST_LIST, PLACE).is_err());
        }
    }
}

#[test]
fn what_went_well_is_no_problem() {
    for run in ["check", "restore"] {
        for ended in each(run) {
            done(&ended, PLACE).unwrap();
        }
    }
}

#[test]
fn what_nobody_knows_is_told_in_its_own_words() {
    let ended = Ended { code: Some(1), stdout: String::new(), stderr: "Fatal: the moon is full\n".to_owned() };
    assert_eq!(problem(&ended, PLACE).what, "restic failed (exit code 1): Fatal: the moon is full");
    let killed = Ended { code: None, ..ended };
    assert!(problem(&killed, PLACE).what.contains("a signal ended it"));
    let silent = Ended { code: Some(0), stdout: String::new(), stderr: String::new() };
    assert!(summary(&silent, PLACE).is_err() && snapshots(&silent, silent.stdout.as_bytes(), LONGEST_LIST, PLACE).is_err());
}

#[test]
fn what_could_not_be_brought_back_is_told_apart_from_a_restore_that_failed() {
    for ended in each("restore-partial") {
        assert!(is_partial(&ended));
        let mut lost = Lost::default();
        ended.stderr.lines().for_each(|line| lost.hear(line));
        assert_eq!(lost.count, 1, "two complaints about one file");
        assert!(lost.first[0].starts_with("/home/hubd/jupyter-bob/deep/ddd") && lost.first[0].len() < 170, "{lost:?}");
    }
    for run in ["wrong-password", "no-such-snapshot", "full"] {
        assert!(each(run).iter().all(|ended| !is_partial(ended)), "{run}");
    }
    let mut lost = Lost::default();
    (0..50).for_each(|number| lost.hear(&format!("ignoring error for /home/\u{1b}[31m{number}: no")));
    assert_eq!((lost.count, lost.first.len(), lost.first[0].as_str()), (50, 20, "/home/\\u{1b}[31m0: no"));
}

#[test]
fn a_pattern_is_one_path() {
    assert_eq!(pattern(Path::new("/home/a*b/[x]")), "/home/a\\*b/\\[x]");
}
