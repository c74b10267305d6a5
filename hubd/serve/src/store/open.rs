//! Opening the database file: created whole or not at all, checked before use, migrated in one transaction.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::StoreError;
use super::whole::quick_check;

/// Marks the file as ours ("hubd"), so that no other program's database is taken for it.
const APPLICATION_ID: i64 = 0x6875_6264;

/// How long SQLite waits for another program's lock; below the limit on the whole piece of work.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// Each brings the database from the version of its index to the next. Never edited after a release, only added to.
const MIGRATIONS: [&str; 6] = [
    "
    CREATE TABLE people (
        name TEXT PRIMARY KEY,
        password TEXT,
        blocked INTEGER NOT NULL DEFAULT 0,
        added INTEGER NOT NULL,
        last_active INTEGER
    ) STRICT;
    CREATE TABLE links (
        name TEXT PRIMARY KEY REFERENCES people(name) ON DELETE CASCADE,
        token BLOB NOT NULL UNIQUE,
        expires INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE sessions (
        id BLOB PRIMARY KEY,
        name TEXT NOT NULL REFERENCES people(name) ON DELETE CASCADE,
        created INTEGER NOT NULL,
        last_seen INTEGER NOT NULL,
        source TEXT NOT NULL
    ) STRICT;
    CREATE INDEX sessions_by_name ON sessions(name);
",
    // A link from before may be a teacher's, a password was everybody's own, a session's role is the one at the next start.
    "
    ALTER TABLE people ADD COLUMN password_rank INTEGER NOT NULL DEFAULT 3;
    ALTER TABLE links ADD COLUMN maker TEXT;
    ALTER TABLE links ADD COLUMN rank INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE links ADD COLUMN revoked INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE sessions ADD COLUMN rank INTEGER;
    CREATE TABLE keys (
        name TEXT PRIMARY KEY,
        key BLOB NOT NULL
    ) STRICT;
",
    // Passwords from before are everybody's own.
    "
    ALTER TABLE people ADD COLUMN password_maker TEXT;
",
    // What class lists say about people, and which name to log in with was made for whom: for good.
    "
    ALTER TABLE people ADD COLUMN full_name TEXT;
    ALTER TABLE people ADD COLUMN email TEXT;
    CREATE TABLE made_names (
        identity TEXT PRIMARY KEY,
        name TEXT NOT NULL
    ) STRICT;
",
    // API tokens, by whoever made them: a person, an operator, or neither, which is the host.
    "
    CREATE TABLE tokens (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        hash BLOB NOT NULL UNIQUE,
        person TEXT REFERENCES people(name) ON DELETE CASCADE,
        operator TEXT,
        scopes TEXT NOT NULL,
        note TEXT NOT NULL,
        created INTEGER NOT NULL,
        expires INTEGER,
        last_used INTEGER
    ) STRICT;
    CREATE INDEX tokens_by_person ON tokens(person);
",
    // Which account at a provider of logins is, or was, which person: for good, also when that person is taken off the list.
    "
    CREATE TABLE logins (
        issuer TEXT NOT NULL,
        subject TEXT NOT NULL,
        name TEXT NOT NULL,
        rank INTEGER NOT NULL,
        linked INTEGER NOT NULL,
        gone INTEGER NOT NULL DEFAULT 0,
        since INTEGER NOT NULL,
        last_used INTEGER,
        PRIMARY KEY (issuer, subject)
    ) STRICT;
    CREATE INDEX logins_by_name ON logins(name);
",
];

/// Opens, checks and migrates the database at `path`.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let io = |source| StoreError::Open { path: path.to_owned(), source };
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(io)?;
    }
    match std::fs::metadata(path) {
        Ok(found) if found.len() == 0 => {
            return Err(StoreError::Damaged { path: path.to_owned(), detail: "the file is empty".to_owned() });
        }
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            tracing::warn!(path = %path.display(), "the database was readable by others; closing it to them");
            std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(io)?;
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => create(path)?,
        Err(error) => return Err(io(error)),
    }
    let sql = |error| StoreError::from_sql(path, error);
    let mut connection = connect(path).map_err(sql)?;
    identify(path, &connection)?;
    migrate(&mut connection).map_err(sql)?;
    quick_check(path, &connection)?;
    Ok(connection)
}

/// Makes a new database beside `path` and moves it there when it is whole: an empty file at `path` is always damage.
fn create(path: &Path) -> Result<(), StoreError> {
    let io = |source| StoreError::Open { path: path.to_owned(), source };
    let sql = |error| StoreError::from_sql(path, error);
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).map_err(io)?;
    let mut connection = Connection::open_with_flags(&new, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(sql)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(sql)?;
    migrate(&mut connection).map_err(sql)?;
    connection.close().map_err(|(_, error)| sql(error))?;
    std::fs::File::open(&new).and_then(|file| file.sync_all()).map_err(io)?;
    std::fs::rename(&new, path).map_err(io)?;
    match path.parent() {
        Some(directory) => std::fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(io),
        None => Ok(()),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(LOCK_TIMEOUT)?;
    // FULL: a password or a removed person that was reported as saved is still so after a power cut.
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Deleted hashes are overwritten, not just unlinked.
    connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

fn identify(path: &Path, connection: &Connection) -> Result<(), StoreError> {
    let sql = |error| StoreError::from_sql(path, error);
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(sql);
    if number("application_id")? != APPLICATION_ID {
        return Err(StoreError::Foreign { path: path.to_owned() });
    }
    let known = MIGRATIONS.len() as i64;
    match number("user_version")? {
        found if found > known => Err(StoreError::Newer { path: path.to_owned(), found, known }),
        found if found < 0 => Err(StoreError::Damaged { path: path.to_owned(), detail: format!("its version is {found}") }),
        _ => Ok(()),
    }
}

fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version = transaction.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?;
    for (number, migration) in (1_i64..).zip(MIGRATIONS).filter(|(number, _)| *number > version) {
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", number)?;
    }
    transaction.commit()
}

#[cfg(test)]
mod tests;
