//! The table is unique in every direction, remembers for ever, and is never mistaken for an empty one.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn record(name: &str, account: &str, uid: u32) -> Record {
    Record { name: name.parse().unwrap(), account: account.to_owned(), uid, created: 1_700_000_000 }
}

fn name(text: &str) -> Username {
    text.parse().unwrap()
}

fn two_and_a_retired() -> Table {
    let mut table = Table::default();
    table.insert(record("ada", "jupyter-ada", 20_000)).unwrap();
    table.insert(record("bob", "jupyter-bob", 20_001)).unwrap();
    table.insert(record("cleo", "jupyter-cleo", 20_002)).unwrap();
    table.retire(&name("bob")).unwrap();
    table
}

#[test]
fn the_first_released_format_is_read() {
    let text = include_str!("fixtures/version-1");
    assert_eq!(Table::parse(text).unwrap(), two_and_a_retired());
    assert_eq!(two_and_a_retired().render().unwrap(), text);
}

#[test]
fn finds_both_ways() {
    let table = two_and_a_retired();
    assert_eq!(table.find(&name("ada")).unwrap().uid, 20_000);
    assert_eq!(table.owner(20_002), Some(&name("cleo")));
    assert_eq!((table.find(&name("bob")), table.owner(20_001)), (None, None));
}

#[test]
fn nothing_is_given_twice_not_even_after_retirement() {
    let mut table = two_and_a_retired();
    for (again, what) in [
        (record("ada", "jupyter-ada-2", 20_009), "name \"ada\""),
        (record("dora", "jupyter-dora", 20_000), "uid 20000"),
        (record("dora", "jupyter-dora", 20_001), "uid 20001"),
        (record("dora", "jupyter-ada", 20_009), "account \"jupyter-ada\""),
        (record("dora", "jupyter-bob", 20_009), "account \"jupyter-bob\""),
    ] {
        let error = table.insert(again).unwrap_err();
        assert!(error.to_string().starts_with(&format!("{what} is in the accounts table already")), "{error}");
    }
    table.insert(record("bob", "jupyter-bob-2", 20_009)).unwrap();
}

#[test]
fn the_next_uid_is_above_all_that_ever_were_and_free_on_the_machine() {
    let table = two_and_a_retired();
    assert_eq!(table.next_uid(|_| Ok(false)).unwrap(), 20_003);
    assert_eq!(table.next_uid(|uid| Ok(uid < 20_007)).unwrap(), 20_007);
    assert_eq!(Table::default().next_uid(|_| Ok(false)).unwrap(), 20_000);
    let mut table = two_and_a_retired();
    table.insert(record("dora", "jupyter-dora", 20_003)).unwrap();
    table.retire(&name("dora")).unwrap();
    assert_eq!(table.next_uid(|_| Ok(false)).unwrap(), 20_004);
    table.insert(record("last", "jupyter-last", 59_999)).unwrap();
    assert_eq!(table.next_uid(|_| Ok(false)).unwrap_err().downcast::<TableError>().unwrap(), TableError::Full);
}

#[test]
fn not_knowing_whether_a_uid_is_free_is_not_free() {
    assert!(two_and_a_retired().next_uid(|_| anyhow::bail!("the directory service is down")).is_err());
}

#[test]
fn refuses_what_is_not_a_whole_table() {
    for (text, problem) in [
        ("", "can't be read"),
        ("{}", "can't be read"),
        ("{\"version\": 1", "can't be read"),
        ("{\"version\": 1, \"accounts\": []}", "missing field `retired`"),
        ("{\"version\": 2, \"people\": []}", "version 2"),
        ("{\"version\": 1, \"accounts\": [], \"retired\": [], \"more\": 1}", "unknown field `more`"),
        (
            "{\"version\": 1, \"accounts\": [{\"name\":\"ada\",\"account\":\"root\",\"uid\":0,\"created\":0}], \"retired\": []}",
            "uid 0 is not one of the hub's",
        ),
        (
            "{\"version\": 1, \"accounts\": [{\"name\":\"ada\",\"account\":\"a b\",\"uid\":20000,\"created\":0}], \"retired\": []}",
            "\"a b\" is not the name of an account",
        ),
        (
            "{\"version\": 1, \"accounts\": [{\"name\":\"../ada\",\"account\":\"a\",\"uid\":20000,\"created\":0}], \"retired\": []}",
            "contains '/'",
        ),
        (
            "{\"version\": 1, \"accounts\": [{\"name\":\"ada\",\"account\":\"a\",\"uid\":20000,\"created\":0},\
             {\"name\":\"bob\",\"account\":\"b\",\"uid\":20000,\"created\":0}], \"retired\": []}",
            "uid 20000 is in the accounts table already",
        ),
    ] {
        let error = Table::parse(text).unwrap_err().to_string();
        assert!(error.contains(problem), "{text:?}: {error}");
    }
}

#[test]
fn is_kept_on_the_disk_for_root_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = TableFile::new(directory.path().join("accounts"));
    assert_eq!(file.read().unwrap(), Table::default());
    let mut guard = file.lock().unwrap();
    guard.table = two_and_a_retired();
    guard.save().unwrap();
    drop(guard);
    assert_eq!(file.read().unwrap(), two_and_a_retired());
    let mode = std::fs::metadata(directory.path().join("accounts")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn a_damaged_file_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accounts");
    std::fs::write(&path, "{\"version\": 1, \"acc").unwrap();
    let error = format!("{:#}", TableFile::new(path.clone()).lock().unwrap_err());
    assert!(error.starts_with(&format!("reading `{}`", path.display())), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"version\": 1, \"acc");
}
