//! The hub's database: who is enrolled, password hashes, one-time links, sessions, keys. One connection, one writer, and
//! every wait has an end. It knows nothing of what passwords or tokens mean: it gets hashes and gives them back.

mod ballast;
mod column;
mod copy;
pub mod keys;
pub mod logins;
mod open;
pub mod people;
mod revoked;
pub mod roster;
pub mod sessions;
pub mod tokens;
mod whole;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use self::revoked::{Revocations, Revoked};
use ballast::Ballast;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::Mutex;

/// Longest wait for one piece of database work, queueing included.
const WORK_TIMEOUT: Duration = Duration::from_secs(10);

/// The open database; clones share it.
#[derive(Clone)]
pub struct Store {
    connection: Arc<Mutex<Connection>>,
    path: Arc<PathBuf>,
    ballast: Ballast,
    revoked: Arc<Revocations>,
}

/// Why the database can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file can't be made, opened or looked at.
    #[error("opening database `{}`", path.display())]
    Open {
        /// The database.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not a whole database.
    #[error(
        "database `{}` is damaged: {detail}\nhint: put back a copy of it; without a copy, move it away and enrol everybody again \
         (homes and files are not in it and stay as they are)",
        path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The file is some other program's database.
    #[error("`{}` is a database of another program\nhint: move it away", path.display())]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// A newer hubd wrote the file.
    #[error(
        "database `{}` has version {found}, this hubd knows versions up to {known}\nhint: a newer hubd has used it; install that \
         version again, or put back the copy from before the upgrade",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// The file's version.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// Another program holds the database.
    #[error("database `{}` is locked by another program\nhint: close any `sqlite3` that has it open", path.display())]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// No space left.
    #[error("no space left for database `{}`\nhint: free some space on that disk; nothing was lost", path.display())]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// It can be read and not written.
    #[error("database `{}` can't be written\nhint: it must belong to the user `hubd`, on a disk that is not read-only", path.display())]
    ReadOnly {
        /// The database.
        path: PathBuf,
    },
    /// It took too long.
    #[error("waiting for database `{}`: no answer within {} seconds", path.display(), WORK_TIMEOUT.as_secs())]
    Timeout {
        /// The database.
        path: PathBuf,
    },
    /// Anything else.
    #[error("using database `{}`", path.display())]
    Sql {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The work itself went wrong inside.
    #[error("using database `{}`: the work stopped half-way", path.display())]
    Aborted {
        /// The database.
        path: PathBuf,
    },
}

impl StoreError {
    fn from_sql(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged { path, detail: error.to_string() },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked { path },
            Some(ErrorCode::DiskFull) => Self::Full { path },
            // As when there is no room for the index of the log.
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) if ballast::is_full(&path) => Self::Full { path },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path },
            _ => Self::Sql { path, source: error },
        }
    }
}

impl Store {
    /// Opens the database at `path`, creating it (0600, in a 0700 directory) when there is none, and brings it to the
    /// current version.
    ///
    /// # Errors
    /// When the file is damaged, foreign, from a newer hubd, locked, or can't be read and written.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let (owned, ballast) = (path.to_owned(), Ballast::beside(path));
        let work = tokio::task::spawn_blocking(move || open_with_room(&owned, &ballast));
        let (connection, revoked) = match tokio::time::timeout(WORK_TIMEOUT, work).await {
            Ok(Ok(opened)) => opened?,
            Ok(Err(_)) => return Err(StoreError::Aborted { path: path.to_owned() }),
            Err(_) => return Err(StoreError::Timeout { path: path.to_owned() }),
        };
        let store = Self {
            connection: Arc::new(Mutex::new(connection)),
            path: Arc::new(path.to_owned()),
            ballast: Ballast::beside(path),
            revoked: Arc::new(revoked),
        };
        store.keep_room().await;
        Ok(store)
    }

    /// What must not come undone although the database could not be written.
    pub fn revoked(&self) -> &Revocations {
        &self.revoked
    }

    /// Makes the room again that was given up, where the disk has plenty.
    pub async fn keep_room(&self) {
        let ballast = self.ballast.clone();
        match tokio::task::spawn_blocking(move || ballast.fill()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "keeping room for the database"),
            Err(error) => tracing::warn!(%error, "keeping room for the database"),
        }
    }

    /// Does `work` on a thread where waiting is allowed, alone with the database. Once begun it is done to its end, even
    /// when the caller is gone. On a full disk it is done again with the room that is kept for that.
    ///
    /// # Errors
    /// What the database said, or that it took more than ten seconds.
    pub async fn run<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (path, ballast) = (Arc::clone(&self.path), self.ballast.clone());
        // Waiting for the connection takes no thread: a rush of logins needs one for all its database work.
        let in_turn = async {
            let mut connection = Arc::clone(&self.connection).lock_owned().await;
            let with_room = move || loop {
                match work(&mut connection).map_err(|error| StoreError::from_sql(&path, error)) {
                    Err(StoreError::Full { .. }) if ballast.give_up() => {}
                    done => return done,
                }
            };
            tokio::task::spawn_blocking(with_room).await
        };
        match tokio::time::timeout(WORK_TIMEOUT, in_turn).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(StoreError::Aborted { path: self.path.to_path_buf() }),
            Err(_) => Err(StoreError::Timeout { path: self.path.to_path_buf() }),
        }
    }
}

/// Opens the database, and what is beside it.
fn open_with_room(path: &Path, ballast: &Ballast) -> Result<(Connection, Revocations), StoreError> {
    loop {
        let opened = open::open(path).and_then(|connection| {
            let beside = path.with_file_name("revoked");
            let revoked = Revocations::open(&beside).map_err(|source| match source.kind() {
                std::io::ErrorKind::StorageFull => StoreError::Full { path: beside },
                _ => StoreError::Open { path: beside, source },
            })?;
            Ok((connection, revoked))
        });
        match opened {
            Err(StoreError::Full { .. }) if ballast.give_up() => {}
            opened => return opened,
        }
    }
}

/// Seconds since 1970, as the database keeps times.
pub(crate) fn seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// The time that the database keeps as `seconds`.
pub(crate) fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn no_room() -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None)
    }

    #[tokio::test]
    async fn on_a_full_disk_it_is_done_with_the_room_that_is_kept_as_long_as_there_is_some() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("hubd.db")).await.unwrap();
        let pieces = || std::fs::read_dir(directory.path().join("ballast")).unwrap().count();
        let kept = pieces();
        let mut tries = 0;
        let work = move |_: &mut Connection| {
            tries += 1;
            if tries < 3 { Err(no_room()) } else { Ok(tries) }
        };
        assert_eq!(store.run(work).await.unwrap(), 3);
        assert_eq!(pieces(), kept - 2);
        store.keep_room().await;
        assert_eq!(pieces(), kept, "the disk has room again");
        let error = store.run(|_| Err::<(), _>(no_room())).await.unwrap_err();
        assert!(matches!(error, StoreError::Full { .. }) && pieces() == 0, "{error}");
    }
}
