use std::os::unix::fs::PermissionsExt;

use super::*;

fn now() -> Timestamp {
    "2026-09-07T10:00:00.25Z".parse().unwrap()
}

fn history() -> (tempfile::TempDir, Paths, History) {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::under(root.path());
    let history = History::open(&paths);
    (root, paths, history)
}

fn begin(history: &History, text: &str) -> u32 {
    history.begin(text, "debian", How::Edit, now()).unwrap().number
}

#[test]
fn a_version_is_pending_until_it_is_known_what_came_of_it() {
    let (_root, paths, history) = history();
    assert_eq!(history.entries().unwrap(), []);
    let first = history.begin("[hub]\n", "debian", How::Edit, now()).unwrap();
    assert_eq!((first.number, first.saved.as_str(), first.state), (1, "2026-09-07T10:00:00Z", State::Pending));
    assert!(paths.config_pending().exists());
    assert_eq!(history.pending().unwrap(), Some(first.clone()));
    let settled = history.settle(1, State::Healthy, None).unwrap();
    assert_eq!(settled, Entry { state: State::Healthy, ..first });
    assert!(!paths.config_pending().exists());
    assert_eq!((history.pending().unwrap(), history.last_healthy().unwrap()), (None, Some(settled)));
    assert_eq!(history.text(1).unwrap(), "[hub]\n");
}

#[test]
fn one_that_was_taken_back_stays_with_its_reason_and_is_not_the_last_healthy_one() {
    let (_root, _, history) = history();
    let first = begin(&history, "1");
    history.settle(first, State::Healthy, None).unwrap();
    let second = begin(&history, "2");
    history.settle(second, State::RolledBack, Some("the hub did not answer")).unwrap();
    let entries = history.entries().unwrap();
    assert_eq!(entries[1].reason.as_deref(), Some("the hub did not answer"));
    assert_eq!(history.last_healthy().unwrap().unwrap().number, first);
    assert_eq!(history.text(second).unwrap(), "2");
    assert_eq!(begin(&history, "3"), 3);
}

#[test]
fn one_that_nobody_could_judge_stays_and_is_not_taken_back_at_boot() {
    let (_root, paths, history) = history();
    let first = begin(&history, "1");
    let left = history.leave_open(first, "the hub was not running").unwrap();
    assert_eq!((left.state, left.reason.as_deref()), (State::Pending, Some("the hub was not running")));
    assert!(!paths.config_pending().exists());
    assert_eq!((history.pending().unwrap(), history.last_healthy().unwrap()), (None, None));
}

#[test]
fn one_that_came_to_be_by_other_means_is_remembered_once() {
    let (_root, paths, history) = history();
    for text in ["1", "1", "2"] {
        history.remember_healthy(text, "debian", How::Installer, now()).unwrap();
    }
    let entries = history.entries().unwrap();
    assert_eq!(entries.len(), 2);
    assert!(entries.iter().all(|entry| entry.state == State::Healthy));
    assert!(!paths.config_pending().exists());
}

#[test]
fn all_of_it_is_roots_alone() {
    let (_root, paths, history) = history();
    begin(&history, "1");
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(paths.config_history()), 0o700);
    for file in ["0001.toml", "0001.json", "pending"] {
        assert_eq!(mode(paths.config_history().join(file)), 0o600, "{file}");
    }
}

#[test]
fn the_oldest_are_forgotten_but_never_the_last_healthy_one() {
    let (_root, _, history) = history();
    let first = begin(&history, "1");
    history.settle(first, State::Healthy, None).unwrap();
    for _ in 0..6 {
        let number = begin(&history, "x");
        history.settle(number, State::RolledBack, None).unwrap();
    }
    history.prune(3).unwrap();
    let numbers: Vec<u32> = history.entries().unwrap().iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, [first, 5, 6, 7]);
    assert_eq!(history.text(first).unwrap(), "1");
    assert!(history.text(2).unwrap_err().to_string().starts_with("there is no version 2"));
}

#[test]
fn who_is_not_root_pushes_out_nothing_of_roots() {
    let (_root, _paths, history) = history();
    let first = begin(&history, "1");
    history.settle(first, State::Healthy, None).unwrap();
    let broken = begin(&history, "2");
    history.settle(broken, State::RolledBack, None).unwrap();
    for who in ["tess, in the hub", "opal, an operator"].into_iter().cycle().take(20) {
        let entry = history.begin("x", who, How::Set, now()).unwrap();
        history.settle(entry.number, State::Healthy, None).unwrap();
    }
    history.prune(12).unwrap();
    let numbers: Vec<u32> = history.entries().unwrap().iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, [first, broken, 20, 21, 22]);
}

#[test]
fn what_can_not_be_read_is_not_skipped() {
    let (_root, paths, history) = history();
    begin(&history, "1");
    let path = paths.config_history().join("0001.json");
    for (text, expected) in [
        ("{", "EOF"),
        (
            "{\"format\": 2, \"number\": 1, \"saved\": \"\", \"who\": \"\", \"how\": \"edit\", \"state\": \"healthy\"}",
            "it has format 2, expected 1",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = format!("{:#}", history.entries().unwrap_err());
        assert!(error.contains("0001.json") && error.contains(expected), "{error}");
    }
}

#[test]
fn the_first_format_is_still_read() {
    let text = include_str!("fixtures/entry-1.json");
    let entry = Entry::parse(text).unwrap();
    assert_eq!((entry.number, entry.how, entry.state), (12, How::Rollback, State::RolledBack));
    assert_eq!(entry.to_text().unwrap(), text);
}
