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
        let (summary, unread) = summary(&ended, PLACE).unwrap();
        assert_eq!((summary.total_files_processed, summary.total_bytes_processed, unread), (2, 3_000_003, 0));
        assert!(summary.snapshot_id.len() >= 8 && summary.data_added > 3_000_000, "{summary:?}");
    }
}

#[test]
fn a_backup_that_lacks_a_file_says_so() {
    for ended in each("unread") {
        let (summary, unread) = summary(&ended, PLACE).unwrap();
        assert_eq!((summary.total_files_processed, unread), (1, 1));
    }
}

#[test]
fn backups_are_listed() {
    for ended in each("snapshots") {
        let found = snapshots(&ended, PLACE).unwrap();
        assert_eq!((found.len(), found[0].hostname.as_str(), found[0].id.len()), (1, "hub", 8));
    }
}

#[test]
fn what_goes_wrong_has_words_and_something_to_do() {
    for (run, words, hint) in [
        ("wrong-password", "the password is not the one of the backups in `/mnt/disk/hubd`", "--password-file"),
        ("nowhere", "there are no backups in `/mnt/disk/hubd`", "mounted"),
        ("full", "there is no room left in `/mnt/disk/hubd`; earlier backups are whole", "make room"),
        ("damaged-check", "is damaged or incomplete", "backup check"),
        ("no-such-snapshot", "there is no such backup", "backup list"),
        ("no-such-file", "that is not in this backup", "backup list"),
    ] {
        for ended in each(run) {
            let problem = done(&ended, PLACE).unwrap_err();
            assert!(problem.what.contains(words) && problem.hint.contains(hint), "{run}: {problem:?}");
            assert!(summary(&ended, PLACE).is_err() && snapshots(&ended, PLACE).is_err());
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
    assert_eq!(problem(&ended, PLACE).what, "restic did not do it (exit code 1): Fatal: the moon is full");
    let killed = Ended { code: None, ..ended };
    assert!(problem(&killed, PLACE).what.contains("a signal ended it"));
    let silent = Ended { code: Some(0), stdout: String::new(), stderr: String::new() };
    assert!(summary(&silent, PLACE).is_err() && snapshots(&silent, PLACE).is_err());
}
