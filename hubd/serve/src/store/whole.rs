//! Is the database whole on its disk? Looked at through a connection of its own: the hub's has much of it in memory.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{Store, StoreError};

/// A large class has some megabytes; a disk that answers slower than this is a finding by itself.
const CHECK_TIMEOUT: Duration = Duration::from_secs(60);

impl Store {
    /// The first thing that is wrong with the file; `None`: it is whole. Nobody waits for it.
    ///
    /// # Errors
    /// When it can't be looked at.
    pub async fn check(&self) -> Result<Option<String>, StoreError> {
        let path = Arc::clone(&self.path);
        let work = tokio::task::spawn_blocking(move || check(&path));
        match tokio::time::timeout(CHECK_TIMEOUT, work).await {
            Ok(Ok(Err(StoreError::Damaged { detail, .. }))) => Ok(Some(detail)),
            Ok(Ok(checked)) => checked.map(|()| None),
            Ok(Err(_)) => Err(StoreError::Aborted { path: self.path.to_path_buf() }),
            Err(_) => Err(StoreError::Timeout { path: self.path.to_path_buf() }),
        }
    }
}

fn check(path: &Path) -> Result<(), StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
        .map_err(|error| StoreError::from_sql(path, error))
        .and_then(|connection| quick_check(path, &connection))
}

/// # Errors
/// With the first thing that is wrong.
pub(super) fn quick_check(path: &Path, connection: &Connection) -> Result<(), StoreError> {
    let verdict: Result<String, _> = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match verdict.map_err(|error| StoreError::from_sql(path, error))?.as_str() {
        "ok" => Ok(()),
        detail => Err(StoreError::Damaged { path: path.to_owned(), detail: detail.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use super::*;

    #[tokio::test]
    async fn damage_on_the_disk_is_found_while_the_hub_runs() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hubd.db");
        let store = Store::open(&path).await.unwrap();
        assert_eq!(store.check().await.unwrap(), None);
        store.run(|connection| connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")).await.unwrap();
        let mut file = std::fs::File::options().write(true).open(&path).unwrap();
        // Behind the first page, without which it is no database at all.
        file.seek(SeekFrom::Start(4096)).unwrap();
        file.write_all(&[0xff; 8192]).unwrap();
        let problem = store.check().await.unwrap();
        assert!(problem.is_some(), "damage was not found");
    }
}
