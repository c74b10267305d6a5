//! Rows about names to log in with that were made from a class list: for whom each was made, for good. A name whose owner has
//! left stays that person's, for the home may still be there.

use std::collections::HashMap;

use hub_core::accounts::Username;
use rusqlite::{Connection, params};

/// Every name that was made or given up, by what it is known by.
///
/// # Errors
/// What the database said.
pub fn made_names(connection: &Connection) -> rusqlite::Result<HashMap<String, Username>> {
    let mut statement = connection.prepare_cached("SELECT identity, name FROM made_names")?;
    let mut rows = statement.query([])?;
    let mut names = HashMap::new();
    while let Some(row) = rows.next()? {
        match super::column::name(row, 1) {
            Ok(name) => drop(names.insert(row.get(0)?, name)),
            Err(error) => tracing::warn!(%error, "leaving out a damaged row of the table `made_names`"),
        }
    }
    Ok(names)
}

/// Stores that `identity` is `name`, unless it is somebody already.
///
/// # Errors
/// What the database said.
pub fn keep_made(connection: &Connection, identity: &str, name: &Username) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO made_names (identity, name) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute(params![identity, name.as_str()])
        .map(drop)
}

/// Stores that `name` was somebody's.
pub(super) fn keep_from_others(connection: &Connection, name: &Username) -> rusqlite::Result<()> {
    keep_made(connection, &format!("gone:{name}"), name)
}
