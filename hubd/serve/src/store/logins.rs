//! Rows about logins of an institution: which account there is which person here, for good. Whoever is taken off the list keeps
//! the row, so that no other account ever gets the name by being called so.

use hub_core::accounts::Username;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

/// One account at a provider, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginRow {
    /// Which provider.
    pub issuer: String,
    /// Who that is there.
    pub subject: String,
    /// Who that is here.
    pub name: Username,
    /// The highest rank that whoever logs in by it may have.
    pub rank: i64,
    /// Whether it was linked by whoever knew the password; else it came first, and took the name.
    pub is_linked: bool,
    /// Whether that person was taken off the list since.
    pub is_gone: bool,
    /// Since when, seconds since 1970.
    pub since: i64,
    /// When it was last used, seconds since 1970.
    pub last_used: Option<i64>,
}

const COLUMNS: &str = "issuer, subject, name, rank, linked, gone, since, last_used";

/// The row of that account.
///
/// # Errors
/// What the database said.
pub fn find(connection: &Connection, issuer: &str, subject: &str) -> rusqlite::Result<Option<LoginRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM logins WHERE issuer = ?1 AND subject = ?2"))?
        .query_row([issuer, subject], read)
        .optional()
}

/// All accounts that are, or were, `name`.
///
/// # Errors
/// What the database said.
pub fn of(connection: &Connection, name: &Username) -> rusqlite::Result<Vec<LoginRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM logins WHERE name = ?1 ORDER BY since, issuer, subject"))?
        .query_map([name.as_str()], read)?
        .collect()
}

/// Every account. A row that makes no sense is left out and reported.
///
/// # Errors
/// What the database said.
pub fn list(connection: &Connection) -> rusqlite::Result<Vec<LoginRow>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM logins ORDER BY name, since"))?;
    let mut rows = statement.query([])?;
    let mut logins = Vec::new();
    while let Some(row) = rows.next()? {
        match read(row) {
            Ok(login) => logins.push(login),
            Err(error) => tracing::warn!(%error, "leaving out a damaged row of the table `logins`"),
        }
    }
    Ok(logins)
}

/// Stores who an account is. One that was somebody else is not changed: `false`.
///
/// # Errors
/// What the database said.
pub fn put(transaction: &Transaction<'_>, login: &LoginRow) -> rusqlite::Result<bool> {
    transaction
        .execute(
            "INSERT INTO logins (issuer, subject, name, rank, linked, gone, since, last_used) VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?6)
             ON CONFLICT (issuer, subject) DO UPDATE SET rank = excluded.rank, linked = min(linked, excluded.linked), gone = 0, last_used = excluded.last_used
             WHERE name = excluded.name",
            params![login.issuer, login.subject, login.name.as_str(), login.rank, login.is_linked, login.since],
        )
        .map(|rows| rows == 1)
}

/// Notes when an account was last used.
///
/// # Errors
/// What the database said.
pub fn set_used(transaction: &Transaction<'_>, issuer: &str, subject: &str, now: i64) -> rusqlite::Result<()> {
    transaction
        .execute("UPDATE logins SET last_used = ?3 WHERE issuer = ?1 AND subject = ?2", params![issuer, subject, now])
        .map(drop)
}

/// `name` is taken off the list: their accounts open nothing any more.
///
/// # Errors
/// What the database said.
pub(super) fn leave(connection: &Connection, name: &Username) -> rusqlite::Result<()> {
    connection.execute("UPDATE logins SET gone = 1 WHERE name = ?1", [name.as_str()]).map(drop)
}

/// Forgets the accounts that were linked to `name` by whoever knew the password.
///
/// # Errors
/// What the database said.
pub(super) fn forget_linked(connection: &Connection, name: &Username) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM logins WHERE name = ?1 AND linked = 1", [name.as_str()]).map(drop)
}

/// Forgets all accounts of `name`; gives how many.
///
/// # Errors
/// What the database said.
pub fn forget(connection: &Connection, name: &Username) -> rusqlite::Result<usize> {
    connection.execute("DELETE FROM logins WHERE name = ?1", [name.as_str()])
}

fn read(row: &Row<'_>) -> rusqlite::Result<LoginRow> {
    Ok(LoginRow {
        issuer: row.get(0)?,
        subject: row.get(1)?,
        name: super::column::name(row, 2)?,
        rank: row.get(3)?,
        is_linked: row.get(4)?,
        is_gone: row.get(5)?,
        since: row.get(6)?,
        last_used: row.get(7)?,
    })
}
