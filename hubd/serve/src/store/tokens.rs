//! Rows about API tokens: only the hash of a secret is stored.

use hub_core::control::tokens::Scope;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::column;
use super::people::Giver;

/// How many tokens there may be at a time.
const MOST: i64 = 1000;
/// How long one that stopped working by itself is still told of, seconds.
const REMEMBERED: i64 = 30 * 86_400;

/// One token as stored. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Its number.
    pub id: i64,
    /// Who made it; nothing: the host.
    pub maker: Option<Giver>,
    /// What it may do. Names that this version does not know are left out.
    pub scopes: Vec<Scope>,
    /// What it is for.
    pub note: String,
    /// When it was made.
    pub created: i64,
    /// When it stops working.
    pub expires: Option<i64>,
    /// When it was used last, give or take a minute.
    pub last_used: Option<i64>,
}

/// A token to store.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Of its secret.
    pub hash: [u8; 32],
    /// Who makes it; nothing: the host.
    pub maker: Option<Giver>,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// What it is for.
    pub note: String,
    /// When it stops working.
    pub expires: Option<i64>,
}

/// What came of storing a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It has this number.
    As(i64),
    /// There are as many as there may be.
    TooMany,
    /// Whoever makes it is not enrolled (any more), or kept out.
    Unknown,
}

const SELECT: &str = "SELECT id, person, operator, scopes, note, created, expires, last_used FROM tokens";

/// Stores `token`, and forgets those that stopped working long ago.
///
/// # Errors
/// What the database said.
pub fn add(transaction: &Transaction<'_>, token: &NewToken, now: i64) -> rusqlite::Result<Stored> {
    transaction.execute("DELETE FROM tokens WHERE expires < ?1", [now - REMEMBERED])?;
    if transaction.query_row("SELECT count(*) FROM tokens", [], |row| row.get::<_, i64>(0))? >= MOST {
        return Ok(Stored::TooMany);
    }
    let (person, operator) = match &token.maker {
        None => (None, None),
        Some(Giver::Person(name)) => (Some(name.as_str()), None),
        Some(Giver::Operator(account)) => (None, Some(account.as_str())),
    };
    if let Some(name) = person {
        let may = "SELECT count(*) FROM people WHERE name = ?1 AND blocked = 0";
        if transaction.query_row(may, [name], |row| row.get::<_, i64>(0))? == 0 {
            return Ok(Stored::Unknown);
        }
    }
    let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.name()).collect();
    transaction.execute(
        "INSERT INTO tokens (hash, person, operator, scopes, note, created, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![token.hash, person, operator, scopes.join(" "), token.note, now, token.expires],
    )?;
    Ok(Stored::As(transaction.last_insert_rowid()))
}

/// The token whose secret has this hash, unless it has stopped working.
///
/// # Errors
/// What the database said.
pub fn find(connection: &Connection, hash: &[u8; 32], now: i64) -> rusqlite::Result<Option<TokenRow>> {
    connection
        .prepare_cached(&format!("{SELECT} WHERE hash = ?1 AND (expires IS NULL OR expires > ?2)"))?
        .query_row(params![hash, now], read)
        .optional()
}

/// Every token, in the order they were made. A row that makes no sense is left out and reported.
///
/// # Errors
/// What the database said.
pub fn list(connection: &Connection) -> rusqlite::Result<Vec<TokenRow>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} ORDER BY id"))?;
    let mut rows = statement.query([])?;
    let mut tokens = Vec::new();
    while let Some(row) = rows.next()? {
        match read(row) {
            Ok(token) => tokens.push(token),
            Err(error) => tracing::warn!(%error, "leaving out a damaged row of the table `tokens`"),
        }
    }
    Ok(tokens)
}

/// Forgets the token with that number; `false`: there is none.
///
/// # Errors
/// What the database said.
pub fn remove(connection: &Connection, id: i64) -> rusqlite::Result<bool> {
    connection.execute("DELETE FROM tokens WHERE id = ?1", [id]).map(|rows| rows == 1)
}

/// Notes when a token was used last.
///
/// # Errors
/// What the database said.
pub fn set_last_used(connection: &Connection, id: i64, now: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE tokens SET last_used = ?2 WHERE id = ?1")?.execute(params![id, now]).map(drop)
}

fn read(row: &Row<'_>) -> rusqlite::Result<TokenRow> {
    let (person, operator, scopes): (Option<String>, Option<String>, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let maker = match (person, operator) {
        (Some(_), _) => Some(Giver::Person(column::name(row, 1)?)),
        (None, operator) => operator.map(Giver::Operator),
    };
    Ok(TokenRow {
        id: row.get(0)?,
        maker,
        scopes: scopes.split(' ').filter_map(|name| name.parse().ok()).collect(),
        note: row.get(4)?,
        created: row.get(5)?,
        expires: row.get(6)?,
        last_used: row.get(7)?,
    })
}
