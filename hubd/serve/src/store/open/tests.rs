use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::store::{people, sessions, tokens};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A directory with a sound database in it that holds one person.
fn with_database() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hubd.db");
    let connection = open(&path).unwrap();
    connection.execute("INSERT INTO people (name, added) VALUES ('ada', 0)", []).unwrap();
    connection.close().unwrap();
    (directory, path)
}

fn count(path: &Path) -> i64 {
    open(path).unwrap().query_row("SELECT count(*) FROM people", [], |row| row.get(0)).unwrap()
}

#[test]
fn makes_a_database_that_only_its_owner_reads() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state/hubd.db");
    let connection = open(&path).unwrap();
    connection.execute("INSERT INTO people (name, added) VALUES ('ada', 0)", []).unwrap();
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let mut files: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files, ["hubd.db", "hubd.db-shm", "hubd.db-wal"].map(|name| path.with_file_name(name)));
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn keeps_what_was_stored_and_waits_for_the_disk() {
    let (_directory, path) = with_database();
    assert_eq!(count(&path), 1);
    let connection = open(&path).unwrap();
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0)).unwrap();
    assert_eq!(pragma("synchronous"), rusqlite::types::Value::Integer(2));
    assert_eq!(pragma("journal_mode"), rusqlite::types::Value::Text("wal".to_owned()));
}

#[test]
fn starts_over_when_a_first_start_was_cut_short() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hubd.db");
    std::fs::write(directory.path().join("hubd.db.new"), "half a database").unwrap();
    assert_eq!(count(&path), 0);
}

#[test]
fn closes_a_restored_copy_to_others() {
    let (_directory, path) = with_database();
    std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert_eq!(count(&path), 1);
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn refuses_an_empty_file() {
    let (_directory, path) = with_database();
    std::fs::write(&path, "").unwrap();
    let error = open(&path).unwrap_err();
    assert!(matches!(&error, StoreError::Damaged { detail, .. } if detail == "the file is empty"), "{error:?}");
    assert!(error.to_string().contains("hint: put back a copy"), "{error}");
}

#[test]
fn refuses_a_file_that_is_no_database() {
    let (_directory, path) = with_database();
    std::fs::write(&path, "hello ".repeat(2000)).unwrap();
    assert!(matches!(open(&path), Err(StoreError::Damaged { .. })));
}

#[test]
fn refuses_a_truncated_database_and_leaves_it_as_it_is() {
    let (_directory, path) = with_database();
    let whole = std::fs::read(&path).unwrap();
    for length in [100, 4096, 5000, whole.len() - 4096] {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(open(&path), Err(StoreError::Damaged { .. })), "{length} of {} bytes were accepted", whole.len());
        assert_eq!(std::fs::read(&path).unwrap(), &whole[..length]);
    }
}

#[test]
fn refuses_a_database_with_a_page_of_rubbish() {
    let (_directory, path) = with_database();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..8192].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(open(&path), Err(StoreError::Damaged { .. })));
}

/// As it was handed on by each version that was released.
const RELEASED: [&str; 6] = [
    include_str!("fixtures/version-1.sql"),
    include_str!("fixtures/version-2.sql"),
    include_str!("fixtures/version-3.sql"),
    include_str!("fixtures/version-4.sql"),
    include_str!("fixtures/version-5.sql"),
    include_str!("fixtures/version-6.sql"),
];

#[test]
fn reads_what_every_released_version_wrote() {
    assert_eq!(RELEASED.len(), MIGRATIONS.len(), "a migration was added without the database of the version before it");
    for dump in RELEASED {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hubd.db");
        Connection::open(&path).unwrap().execute_batch(dump).unwrap();
        let connection = open(&path).unwrap();
        let ada = people::find(&connection, &"ada.lovelace".parse().unwrap()).unwrap().unwrap();
        let ada_rank = ada.rank;
        assert!(ada.password.is_some_and(|hash| hash.starts_with("$argon2id$")) && ada.last_active == Some(1_760_000_100));
        assert!(people::find(&connection, &"mallory".parse().unwrap()).unwrap().unwrap().blocked);
        let link = people::find_link(&connection, &[1, 2], 0).unwrap().unwrap();
        assert_eq!((link.name.as_str(), link.rank, link.revoked), ("ada.lovelace", 1, false));
        assert_eq!(ada_rank, 3);
        assert!(tokens::list(&connection).unwrap().iter().all(|token| token.note == "culler"));
        let sessions = sessions::list(&connection).unwrap();
        assert_eq!((sessions.len(), sessions[0].source.to_string().as_str()), (1, "192.0.2.1"));
    }
}

#[test]
fn refuses_the_database_of_another_program() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hubd.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE people (id)").unwrap();
    assert!(matches!(open(&path), Err(StoreError::Foreign { .. })));
}

#[test]
fn refuses_the_database_of_a_newer_hubd() {
    let (_directory, path) = with_database();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
    let error = open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 7, known: 6, .. }), "{error:?}");
    assert!(error.to_string().contains("has version 7, this hubd knows versions up to 6"), "{error}");
}

#[test]
fn says_when_another_program_holds_the_database() {
    let (_directory, path) = with_database();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error:?}");
}

#[test]
fn names_the_file_when_it_can_not_be_made() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("state"), "a file in the way").unwrap();
    let error = open(&directory.path().join("state/hubd.db")).unwrap_err();
    assert!(error.to_string().starts_with("opening database `"), "{error}");
}
