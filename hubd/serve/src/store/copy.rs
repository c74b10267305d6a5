//! A copy of the database for a backup: whole whatever is written meanwhile, and without what lets somebody in by itself.
//! Sessions, one-time links and API tokens that ended since the backup would work again where it is brought back; passwords are
//! for people to change.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::{Store, StoreError};

/// What is not in a copy.
const LETS_IN: &str = "DELETE FROM sessions; DELETE FROM links; DELETE FROM tokens;";
const NAME: &str = "hubd.db";

impl Store {
    /// Leaves a copy in `directory`, in place of the one before.
    ///
    /// # Errors
    /// When there is no room for it, or the database can't be read.
    pub async fn copy(&self, directory: &Path) -> Result<(), StoreError> {
        let path = directory.join(NAME);
        make(directory).map_err(|source| StoreError::Open { path: path.clone(), source })?;
        let (from, to) = (path.with_extension("new"), path.clone());
        self.run(move |connection| write(connection, &from)).await?;
        std::fs::rename(path.with_extension("new"), &to).map_err(|source| StoreError::Open { path, source })
    }
}

fn make(directory: &Path) -> std::io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => std::fs::set_permissions(directory, Permissions::from_mode(0o700)),
    }
}

fn write(connection: &Connection, path: &PathBuf) -> rusqlite::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => tracing::warn!(%error, "removing an unfinished copy"),
        _ => {}
    }
    connection.execute("VACUUM INTO ?1", [path.to_string_lossy()])?;
    let copy = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // What is deleted is overwritten, and nothing stays beside the one file.
    copy.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    copy.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    copy.execute_batch(LETS_IN)?;
    copy.close().map_err(|(_, error)| error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open::open;

    #[tokio::test]
    async fn a_copy_has_people_and_passwords_and_nothing_that_lets_in_by_itself() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("hubd.db")).await.unwrap();
        let fill = "INSERT INTO people (name, password, added) VALUES ('ada', 'hash', 0);
            INSERT INTO sessions (id, name, created, last_seen, source) VALUES (CAST('a secret session' AS BLOB), 'ada', 0, 0, 'there');
            INSERT INTO links (name, token, expires) VALUES ('ada', x'746f6b656e', 0);
            INSERT INTO tokens (hash, scopes, note, created) VALUES (CAST('other' AS BLOB), '', '', 0);";
        store.run(|connection| connection.execute_batch(fill)).await.unwrap();
        let copies = directory.path().join("copy");
        // The second takes the place of the first.
        for _ in 0..2 {
            store.copy(&copies).await.unwrap();
        }
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let path = copies.join(NAME);
        assert_eq!((mode(&copies), std::fs::read_dir(&copies).unwrap().count()), (0o700, 1));
        let raw = std::fs::read(&path).unwrap();
        let has = |bytes: &[u8]| raw.windows(bytes.len()).any(|part| part == bytes);
        assert!(has(b"hash") && !has(b"a secret session"), "deleted rows are overwritten");
        let copy = open(&path).unwrap();
        let count =
            |table: &str| -> i64 { copy.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap() };
        assert_eq!(["people", "sessions", "links", "tokens"].map(count), [1, 0, 0, 0]);
        let hash: String = copy.query_row("SELECT password FROM people", [], |row| row.get(0)).unwrap();
        assert_eq!(hash, "hash");
        let sessions = |connection: &mut Connection| connection.query_row("SELECT count(*) FROM sessions", [], |row| row.get(0));
        let left: i64 = store.run(sessions).await.unwrap();
        assert_eq!(left, 1, "the hub's own");
    }
}
