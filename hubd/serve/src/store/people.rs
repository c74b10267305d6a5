//! Rows about people: who is enrolled, their password hash, their one-time link.

use std::fmt;

use hub_core::accounts::{NameError, Username};
use hub_roster::Profile;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::column::name;

/// Whose right a link or a password comes from, when that is not the host's own. Stored as a text, in which only an operator
/// begins with `@`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Giver {
    /// Somebody of the hub.
    Person(Username),
    /// An account of this machine, as long as it is an operator.
    Operator(String),
}

impl Giver {
    fn read(text: &str) -> Result<Self, NameError> {
        match text.strip_prefix('@') {
            Some(account) => Ok(Self::Operator(account.to_owned())),
            None => text.parse().map(Self::Person),
        }
    }
}

impl fmt::Display for Giver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(name) => name.fmt(formatter),
            Self::Operator(account) => write!(formatter, "@{account}"),
        }
    }
}

/// One enrolled person as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonRow {
    /// The name to log in with.
    pub name: Username,
    /// The password's hash, in the PHC text form.
    pub password: Option<String>,
    /// The highest rank that whoever has this person's password may have.
    pub rank: i64,
    /// Who gave it; nothing: the host.
    pub maker: Option<Giver>,
    /// Whether this person is kept out.
    pub blocked: bool,
    /// When this person last did something, seconds since 1970.
    pub last_active: Option<i64>,
    /// When this person was enrolled, seconds since 1970.
    pub added: i64,
    /// What a class list said about them.
    pub profile: Profile,
}

/// What a one-time link is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRow {
    /// Whose password it sets.
    pub name: Username,
    /// When it stops working, seconds since 1970.
    pub expires: i64,
    /// Who made it; nothing: the host.
    pub maker: Option<Giver>,
    /// The highest rank of somebody whose password it sets.
    pub rank: i64,
    /// Whether it was taken back, or its maker is kept out or gone.
    pub revoked: bool,
    /// Whether its owner is kept out.
    pub blocked: bool,
}

const COLUMNS: &str = "name, password, password_rank, blocked, last_active, password_maker, full_name, email, added";
const LINKS: &str = "SELECT links.name, links.expires, links.maker, links.rank, links.revoked = 1 OR links.maker IS NOT NULL
    AND links.maker NOT LIKE '@%' AND coalesce(makers.blocked, 1) = 1, people.blocked FROM links
    JOIN people ON people.name = links.name LEFT JOIN people AS makers ON makers.name = links.maker";

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

/// Enrols `name`; `false`: already enrolled, nothing changed. `rank`: the highest that whoever has the password may have;
/// `maker`: who gave it.
///
/// # Errors
/// What the database said.
pub fn add(
    connection: &Connection,
    name: &Username,
    password: Option<&str>,
    (rank, maker): (i64, Option<&Giver>),
    now: i64,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "INSERT INTO people (name, password, password_rank, password_maker, added) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![name.as_str(), password, rank, maker.map(Giver::to_string), now])
        .map(|rows| rows == 1)
}

/// Stores what a class list says about `name`; `false`: nobody of that name.
///
/// # Errors
/// What the database said.
pub fn set_profile(connection: &Connection, name: &Username, profile: &Profile) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("UPDATE people SET full_name = ?2, email = ?3 WHERE name = ?1")?
        .execute(params![name.as_str(), profile.full_name, profile.email])
        .map(|rows| rows == 1)
}

/// Takes `name` off the list together with link and sessions, and takes back what `name` gave others;
/// `false`: was not enrolled.
///
/// # Errors
/// What the database said.
pub fn remove(transaction: &Transaction<'_>, name: &Username) -> rusqlite::Result<bool> {
    revoke_gifts_of(transaction, name)?;
    super::roster::keep_from_others(transaction, name)?;
    super::logins::leave(transaction, name)?;
    transaction.execute("DELETE FROM people WHERE name = ?1", [name.as_str()]).map(|rows| rows == 1)
}

/// Stores a new password and takes away what the old one gave: sessions, and a link not used yet. `rank`: the highest
/// that whoever has it may have; `maker`: who gave it. Whoever gives it to themselves has no more than before, for it comes
/// from whoever let them in. `false`: nobody of that name.
///
/// # Errors
/// What the database said.
pub fn set_password(
    transaction: &Transaction<'_>,
    name: &Username,
    password: &str,
    (rank, maker): (i64, Option<&Giver>),
) -> rusqlite::Result<bool> {
    let rows = if maker.is_some_and(|maker| matches!(maker, Giver::Person(maker) if maker == name)) {
        transaction.execute("UPDATE people SET password = ?2 WHERE name = ?1", params![name.as_str(), password])?
    } else {
        transaction.execute(
            "UPDATE people SET password = ?2, password_rank = ?3, password_maker = ?4 WHERE name = ?1",
            params![name.as_str(), password, rank, maker.map(Giver::to_string)],
        )?
    };
    take_access(transaction, name)?;
    Ok(rows == 1)
}

/// As [`set_password`], for whoever knows the password `current` (its hash): whose right it comes from stays. `false`: it is
/// another by now.
///
/// # Errors
/// What the database said.
pub fn change_password(transaction: &Transaction<'_>, name: &Username, current: &str, password: &str) -> rusqlite::Result<bool> {
    let rows = transaction.execute(
        "UPDATE people SET password = ?3 WHERE name = ?1 AND password = ?2",
        params![name.as_str(), current, password],
    )?;
    if rows == 1 {
        take_access(transaction, name)?;
    }
    Ok(rows == 1)
}

/// What an old password gave: sessions, a link not used yet, and accounts elsewhere that whoever knew it linked.
fn take_access(transaction: &Transaction<'_>, name: &Username) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM links WHERE name = ?1", [name.as_str()])?;
    super::logins::forget_linked(transaction, name)?;
    transaction.execute("DELETE FROM sessions WHERE name = ?1", [name.as_str()]).map(drop)
}

/// Stores that whoever has the password of `name` may have at most `rank`.
///
/// # Errors
/// What the database said.
pub fn set_rank(connection: &Connection, name: &Username, rank: i64) -> rusqlite::Result<()> {
    connection.execute("UPDATE people SET password_rank = ?2 WHERE name = ?1", params![name.as_str(), rank]).map(drop)
}

/// Has `name` answer for their own password, if it was `maker` who gave it.
///
/// # Errors
/// What the database said.
pub fn adopt_password(connection: &Connection, name: &Username, maker: &Username) -> rusqlite::Result<()> {
    connection
        .execute(
            "UPDATE people SET password_maker = name WHERE name = ?1 AND password_maker = ?2",
            params![name.as_str(), maker.as_str()],
        )
        .map(drop)
}

/// Keeps `name` out, without sessions and without what `name` gave others, or lets them in again; `false`:
/// nobody of that name.
///
/// # Errors
/// What the database said.
pub fn set_blocked(transaction: &Transaction<'_>, name: &Username, blocked: bool) -> rusqlite::Result<bool> {
    let rows = transaction.execute("UPDATE people SET blocked = ?2 WHERE name = ?1", params![name.as_str(), blocked])?;
    if blocked {
        transaction.execute("DELETE FROM sessions WHERE name = ?1", [name.as_str()])?;
        transaction.execute("DELETE FROM tokens WHERE person = ?1", [name.as_str()])?;
        revoke_gifts_of(transaction, name)?;
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
        params![link.name.as_str(), token, link.expires, link.maker.as_ref().map(Giver::to_string), link.rank],
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

/// Forgets the link for `name`, used or not.
///
/// # Errors
/// What the database said.
pub fn remove_link(connection: &Connection, name: &Username) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM links WHERE name = ?1", [name.as_str()]).map(drop)
}

/// A link works no more; with a password its owner is a student at most.
fn revoke_gifts_of(connection: &Connection, maker: &Username) -> rusqlite::Result<()> {
    connection.execute("UPDATE people SET password_rank = min(password_rank, 0) WHERE password_maker = ?1", [maker.as_str()])?;
    connection.execute("UPDATE links SET revoked = 1 WHERE maker = ?1", [maker.as_str()]).map(drop)
}

/// What the link with hash `token` is for; nothing when it is unknown or over.
///
/// # Errors
/// What the database said.
pub fn find_link(connection: &Connection, token: &[u8], now: i64) -> rusqlite::Result<Option<LinkRow>> {
    connection
        .prepare_cached(&format!("{LINKS} WHERE token = ?1 AND expires > ?2"))?
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

/// Who is named in column `index`, if anybody is.
fn giver(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Giver>> {
    let text: Option<String> = row.get(index)?;
    text.map(|text| Giver::read(&text))
        .transpose()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, Box::new(error)))
}

fn read(row: &Row<'_>) -> rusqlite::Result<PersonRow> {
    Ok(PersonRow {
        name: name(row, 0)?,
        password: row.get(1)?,
        rank: row.get(2)?,
        blocked: row.get(3)?,
        last_active: row.get(4)?,
        maker: giver(row, 5)?,
        profile: Profile { full_name: row.get(6)?, email: row.get(7)? },
        added: row.get(8)?,
    })
}

fn read_link(row: &Row<'_>) -> rusqlite::Result<LinkRow> {
    Ok(LinkRow {
        name: name(row, 0)?,
        expires: row.get(1)?,
        maker: giver(row, 2)?,
        rank: row.get(3)?,
        revoked: row.get(4)?,
        blocked: row.get(5)?,
    })
}
