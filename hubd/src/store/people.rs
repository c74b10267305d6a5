//! Rows about people: who is enrolled, their password hash, their one-time link.

use hub_core::accounts::Username;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

/// One enrolled person as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonRow {
    /// The name to log in with.
    pub name: Username,
    /// The password's hash, in the PHC text form.
    pub password: Option<String>,
    /// Whether this person is kept out.
    pub blocked: bool,
    /// When this person last did something, seconds since 1970.
    pub last_active: Option<i64>,
}

/// What a one-time link is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRow {
    /// Whose password it sets.
    pub name: Username,
    /// When it stops working, seconds since 1970.
    pub expires: i64,
}

const COLUMNS: &str = "name, password, blocked, last_active";

/// Everybody, by name. A row that makes no sense is left out and reported: it must not keep the others from their work.
///
/// # Errors
/// What the database said.
pub fn list(connection: &Connection) -> rusqlite::Result<Vec<PersonRow>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM people ORDER BY name"))?;
    let mut rows = statement.query([])?;
    let mut people = Vec::new();
    while let Some(row) = rows.next()? {
        match read(row) {
            Ok(person) => people.push(person),
            Err(error) => tracing::warn!(%error, "leaving out a damaged row of the table `people`"),
        }
    }
    Ok(people)
}

/// The row of `name`.
///
/// # Errors
/// What the database said.
pub fn find(connection: &Connection, name: &Username) -> rusqlite::Result<Option<PersonRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM people WHERE name = ?1"))?
        .query_row([name.as_str()], read)
        .optional()
}

/// How many are enrolled.
///
/// # Errors
/// What the database said.
pub fn count(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT count(*) FROM people", [], |row| row.get::<_, i64>(0)).map(|count| count.unsigned_abs())
}

/// Enrols `name`; `false`: already enrolled, nothing changed.
///
/// # Errors
/// What the database said.
pub fn add(connection: &Connection, name: &Username, password: Option<&str>, now: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("INSERT INTO people (name, password, added) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
        .execute(params![name.as_str(), password, now])
        .map(|rows| rows == 1)
}

/// Takes `name` off the list together with link and sessions; `false`: was not enrolled.
///
/// # Errors
/// What the database said.
pub fn remove(connection: &Connection, name: &Username) -> rusqlite::Result<bool> {
    connection.execute("DELETE FROM people WHERE name = ?1", [name.as_str()]).map(|rows| rows == 1)
}

/// Stores a new password and takes away what the old one gave: sessions, and a link not used yet. `false`: nobody of
/// that name.
///
/// # Errors
/// What the database said.
pub fn set_password(transaction: &Transaction<'_>, name: &Username, password: &str) -> rusqlite::Result<bool> {
    let rows = transaction.execute("UPDATE people SET password = ?2 WHERE name = ?1", [name.as_str(), password])?;
    transaction.execute("DELETE FROM links WHERE name = ?1", [name.as_str()])?;
    transaction.execute("DELETE FROM sessions WHERE name = ?1", [name.as_str()])?;
    Ok(rows == 1)
}

/// Keeps `name` out, without sessions, or lets them in again; `false`: nobody of that name.
///
/// # Errors
/// What the database said.
pub fn set_blocked(transaction: &Transaction<'_>, name: &Username, blocked: bool) -> rusqlite::Result<bool> {
    let rows = transaction.execute("UPDATE people SET blocked = ?2 WHERE name = ?1", params![name.as_str(), blocked])?;
    if blocked {
        transaction.execute("DELETE FROM sessions WHERE name = ?1", [name.as_str()])?;
    }
    Ok(rows == 1)
}

/// Stores the hash of a new one-time link for an enrolled person; an older link stops working. `false`: nobody of that
/// name.
///
/// # Errors
/// What the database said.
pub fn set_link(connection: &Connection, name: &Username, token: &[u8], expires: i64) -> rusqlite::Result<bool> {
    let rows = connection.execute(
        "INSERT OR REPLACE INTO links (name, token, expires) SELECT name, ?2, ?3 FROM people WHERE name = ?1",
        params![name.as_str(), token, expires],
    )?;
    Ok(rows == 1)
}

/// What the link with hash `token` is for; nothing when it is unknown or over, or its owner kept out.
///
/// # Errors
/// What the database said.
pub fn find_link(connection: &Connection, token: &[u8], now: i64) -> rusqlite::Result<Option<LinkRow>> {
    connection
        .prepare_cached(
            "SELECT links.name, expires FROM links JOIN people USING (name) WHERE token = ?1 AND expires > ?2 AND blocked = 0",
        )?
        .query_row(params![token, now], |row| Ok(LinkRow { name: name(row, 0)?, expires: row.get(1)? }))
        .optional()
}

/// Notes when `name` was last seen.
///
/// # Errors
/// What the database said.
pub fn set_last_active(connection: &Connection, name: &Username, last_active: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE people SET last_active = max(coalesce(last_active, 0), ?2) WHERE name = ?1")?
        .execute(params![name.as_str(), last_active])
        .map(drop)
}

/// The name in column `index`, checked like any other that comes from outside.
pub(super) fn name(row: &Row<'_>, index: usize) -> rusqlite::Result<Username> {
    let text: String = row.get(index)?;
    text.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, Box::new(error)))
}

fn read(row: &Row<'_>) -> rusqlite::Result<PersonRow> {
    Ok(PersonRow { name: name(row, 0)?, password: row.get(1)?, blocked: row.get(2)?, last_active: row.get(3)? })
}
