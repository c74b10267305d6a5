//! Keys that the hub makes for itself once and keeps.

use rusqlite::{Connection, OptionalExtension, params};

/// The key called `name`: the one that was kept, else `new`, which is kept from now on.
///
/// # Errors
/// What the database said.
pub fn keep(connection: &Connection, name: &str, new: [u8; 32]) -> rusqlite::Result<[u8; 32]> {
    let kept = connection.query_row("SELECT key FROM keys WHERE name = ?1", [name], |row| row.get(0)).optional()?;
    if let Some(kept) = kept {
        return Ok(kept);
    }
    connection.execute("INSERT INTO keys (name, key) VALUES (?1, ?2)", params![name, new])?;
    Ok(new)
}
