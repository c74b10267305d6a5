//! Rows about sessions: only the hash of a session's id is stored.

use std::net::IpAddr;

use hub_core::accounts::Username;
use rusqlite::{Connection, Row, Transaction, params};

use super::{column, people};

/// One session as stored. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// SHA-256 of the id that the browser has.
    pub id: [u8; 32],
    /// Who logged in.
    pub name: Username,
    /// When.
    pub created: i64,
    /// When it was last used, give or take a minute.
    pub last_seen: i64,
    /// Where the login came from.
    pub source: IpAddr,
    /// The rank of whoever logged in, then; nothing: an earlier version stored it.
    pub rank: Option<i64>,
}

/// Every session. A row that makes no sense is left out and reported.
///
/// # Errors
/// What the database said.
pub fn list(connection: &Connection) -> rusqlite::Result<Vec<SessionRow>> {
    let mut statement = connection.prepare("SELECT id, name, created, last_seen, source, rank FROM sessions")?;
    let mut rows = statement.query([])?;
    let mut sessions = Vec::new();
    while let Some(row) = rows.next()? {
        match read(row) {
            Ok(session) => sessions.push(session),
            Err(error) => tracing::warn!(%error, "leaving out a damaged row of the table `sessions`"),
        }
    }
    Ok(sessions)
}

/// Stores a session for somebody who still has exactly the password that was just checked and is not kept out, and
/// drops that person's oldest ones beyond `most`. Gives the dropped ids; `None`: the person, or what the password is good for, is
/// not as it was.
///
/// # Errors
/// What the database said.
pub fn add(
    transaction: &Transaction<'_>,
    session: &SessionRow,
    password: &str,
    most: u32,
) -> rusqlite::Result<Option<Vec<[u8; 32]>>> {
    let rows = transaction.execute(
        "INSERT INTO sessions (id, name, created, last_seen, source, rank)
         SELECT ?1, name, ?3, ?4, ?5, ?7 FROM people WHERE name = ?2 AND blocked = 0 AND password = ?6
             AND password_rank >= coalesce(?7, 0)",
        params![
            session.id,
            session.name.as_str(),
            session.created,
            session.last_seen,
            session.source.to_string(),
            password,
            session.rank
        ],
    )?;
    if rows == 0 { Ok(None) } else { drop_oldest(transaction, &session.name, most).map(Some) }
}

/// As [`add`], for somebody for whom something else than a password vouched, in this transaction.
///
/// # Errors
/// What the database said.
pub fn add_by_login(transaction: &Transaction<'_>, session: &SessionRow, most: u32) -> rusqlite::Result<Option<Vec<[u8; 32]>>> {
    let rows = transaction.execute(
        "INSERT INTO sessions (id, name, created, last_seen, source, rank)
         SELECT ?1, name, ?3, ?4, ?5, ?6 FROM people WHERE name = ?2 AND blocked = 0",
        params![session.id, session.name.as_str(), session.created, session.last_seen, session.source.to_string(), session.rank],
    )?;
    if rows == 0 { Ok(None) } else { drop_oldest(transaction, &session.name, most).map(Some) }
}

/// Forgets the oldest sessions of `name` beyond `most`; gives their ids.
fn drop_oldest(transaction: &Transaction<'_>, name: &Username, most: u32) -> rusqlite::Result<Vec<[u8; 32]>> {
    transaction
        .prepare_cached(
            "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE name = ?1
             ORDER BY last_seen DESC, created DESC, rowid DESC LIMIT -1 OFFSET ?2) RETURNING id",
        )?
        .query_map(params![name.as_str(), most], |row| row.get(0))?
        .collect()
}

/// Notes the rank of whoever has the session with that id.
///
/// # Errors
/// What the database said.
pub fn set_rank(connection: &Connection, id: &[u8; 32], rank: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE sessions SET rank = ?2 WHERE id = ?1")?.execute(params![id, rank]).map(drop)
}

/// Forgets the session with that id.
///
/// # Errors
/// What the database said.
pub fn remove(connection: &Connection, id: &[u8; 32]) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM sessions WHERE id = ?1")?.execute([id]).map(drop)
}

/// Notes when the session was last used, for it and for its owner.
///
/// # Errors
/// What the database said.
pub fn set_last_seen(connection: &Connection, id: &[u8; 32], owner: &Username, last_seen: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE sessions SET last_seen = ?2 WHERE id = ?1")?.execute(params![id, last_seen])?;
    people::set_last_active(connection, owner, last_seen)
}

fn read(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    let source: String = row.get(4)?;
    Ok(SessionRow {
        id: row.get(0)?,
        name: column::name(row, 1)?,
        created: row.get(2)?,
        last_seen: row.get(3)?,
        source: source
            .parse()
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(4, rusqlite::types::Type::Text, Box::new(error)))?,
        rank: row.get(5)?,
    })
}
