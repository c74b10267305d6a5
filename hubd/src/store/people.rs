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
    /// The highest rank that whoever has this person's password may have.
    pub rank: i64,
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
    /// Who of the hub's people made it; nothing: somebody on the host.
    pub maker: Option<Username>,
    /// The highest rank of somebody whose password it sets.
    pub rank: i64,
    /// Whether it was taken back, or its maker is kept out or gone.
    pub revoked: bool,
}

const COLUMNS: &str = "name, password, password_rank, blocked, last_active";
const LINKS: &str = "SELECT links.name, links.expires, links.maker, links.rank, links.revoked = 1 OR links.maker IS NOT NULL
    AND coalesce(makers.blocked, 1) = 1 FROM links LEFT JOIN people AS makers ON makers.name = links.maker";

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

/// Enrols `name`; `false`: already enrolled, nothing changed. `rank`: the highest that whoever has the password may have.
///
/// # Errors
/// What the database said.
pub fn add(connection: &Connection, name: &Username, password: Option<&str>, rank: i64, now: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "INSERT INTO people (name, password, password_rank, added) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        )?
        .execute(params![name.as_str(), password, rank, now])
        .map(|rows| rows == 1)
}

/// Takes `name` off the list together with link and sessions, and takes back the links that `name` made for others;
/// `false`: was not enrolled.
///
/// # Errors
/// What the database said.
pub fn remove(transaction: &Transaction<'_>, name: &Username) -> rusqlite::Result<bool> {
    revoke_links_of(transaction, name)?;
    transaction.execute("DELETE FROM people WHERE name = ?1", [name.as_str()]).map(|rows| rows == 1)
}

/// Stores a new password and takes away what the old one gave: sessions, and a link not used yet. `rank`: the highest
/// that whoever has it may have. `false`: nobody of that name.
///
/// # Errors
/// What the database said.
pub fn set_password(transaction: &Transaction<'_>, name: &Username, password: &str, rank: i64) -> rusqlite::Result<bool> {
    let rows = transaction
        .execute("UPDATE people SET password = ?2, password_rank = ?3 WHERE name = ?1", params![name.as_str(), password, rank])?;
    transaction.execute("DELETE FROM links WHERE name = ?1", [name.as_str()])?;
    transaction.execute("DELETE FROM sessions WHERE name = ?1", [name.as_str()])?;
    Ok(rows == 1)
}

/// Keeps `name` out, without sessions and without the links that `name` made for others, or lets them in again; `false`:
/// nobody of that name.
///
/// # Errors
/// What the database said.
pub fn set_blocked(transaction: &Transaction<'_>, name: &Username, blocked: bool) -> rusqlite::Result<bool> {
    let rows = transaction.execute("UPDATE people SET blocked = ?2 WHERE name = ?1", params![name.as_str(), blocked])?;
    if blocked {
        transaction.execute("DELETE FROM sessions WHERE name = ?1", [name.as_str()])?;
        revoke_links_of(transaction, name)?;
    }
    Ok(rows == 1)
}

/// Stores `link` for an enrolled person, with the hash of its secret; an older link stops working. `false`: nobody of
/// that name.
///
/// # Errors
/// What the database said.
pub fn set_link(connection: &Connection, token: &[u8], link: &LinkRow) -> rusqlite::Result<bool> {
    let rows = connection.execute(
        "INSERT OR REPLACE INTO links (name, token, expires, maker, rank) SELECT name, ?2, ?3, ?4, ?5 FROM people WHERE name = ?1",
        params![link.name.as_str(), token, link.expires, link.maker.as_ref().map(Username::as_str), link.rank],
    )?;
    Ok(rows == 1)
}

/// The links that are not over at `now`. A row that makes no sense is left out and reported.
///
/// # Errors
/// What the database said.
pub fn links(connection: &Connection, now: i64) -> rusqlite::Result<Vec<LinkRow>> {
    let mut statement = connection.prepare_cached(&format!("{LINKS} WHERE links.expires > ?1 ORDER BY links.name"))?;
    let mut rows = statement.query([now])?;
    let mut links = Vec::new();
    while let Some(row) = rows.next()? {
        match read_link(row) {
            Ok(link) => links.push(link),
            Err(error) => tracing::warn!(%error, "leaving out a damaged row of the table `links`"),
        }
    }
    Ok(links)
}

/// Takes back the link for `name`: it will not work again, whatever becomes of the people.
///
/// # Errors
/// What the database said.
pub fn revoke_link(connection: &Connection, name: &Username) -> rusqlite::Result<()> {
    connection.execute("UPDATE links SET revoked = 1 WHERE name = ?1", [name.as_str()]).map(drop)
}

fn revoke_links_of(connection: &Connection, maker: &Username) -> rusqlite::Result<()> {
    connection.execute("UPDATE links SET revoked = 1 WHERE maker = ?1", [maker.as_str()]).map(drop)
}

/// What the link with hash `token` is for; nothing when it is unknown or over, or its owner kept out.
///
/// # Errors
/// What the database said.
pub fn find_link(connection: &Connection, token: &[u8], now: i64) -> rusqlite::Result<Option<LinkRow>> {
    connection
        .prepare_cached(&format!(
            "{LINKS} JOIN people ON people.name = links.name WHERE token = ?1 AND expires > ?2 AND people.blocked = 0"
        ))?
        .query_row(params![token, now], read_link)
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
    Ok(PersonRow {
        name: name(row, 0)?,
        password: row.get(1)?,
        rank: row.get(2)?,
        blocked: row.get(3)?,
        last_active: row.get(4)?,
    })
}

fn read_link(row: &Row<'_>) -> rusqlite::Result<LinkRow> {
    let maker = row.get::<_, Option<String>>(2)?.map(|_| name(row, 2)).transpose()?;
    Ok(LinkRow { name: name(row, 0)?, expires: row.get(1)?, maker, rank: row.get(3)?, revoked: row.get(4)? })
}
