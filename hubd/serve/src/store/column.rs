//! Columns that are checked when they are read.

use hub_core::accounts::Username;
use rusqlite::Row;

/// The name in column `index`, checked like any other that comes from outside.
pub(super) fn name(row: &Row<'_>, index: usize) -> rusqlite::Result<Username> {
    let text: String = row.get(index)?;
    text.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, Box::new(error)))
}
