//! Lines in the tables: stored as bytes without base64url, a quarter less to write, and read back as text.

use picket_record::at_rest;
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, Value, ValueRef};
use rusqlite::{Row, ToSql};

/// A line on its way into a table.
pub(super) struct Kept<'a>(pub(super) &'a str);

impl ToSql for Kept<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match at_rest::from_line(self.0) {
            Some(bytes) => ToSqlOutput::Owned(Value::Blob(bytes)),
            None => self.0.into(),
        })
    }
}

/// A line out of a table, as text or, where damage made it none, as it lies there. One bit makes it a number or nothing: to
/// whoever reads it that is a damaged line as well, and no fault of the journal.
pub(super) struct Line(pub(super) Vec<u8>);

impl FromSql for Line {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(match value {
            // So earlier layouts have it.
            ValueRef::Text(text) => text.to_vec(),
            ValueRef::Blob(bytes) => at_rest::to_line(bytes).map_or_else(|| bytes.to_vec(), String::into_bytes),
            ValueRef::Integer(number) => number.to_string().into_bytes(),
            ValueRef::Real(number) => number.to_string().into_bytes(),
            ValueRef::Null => Vec::new(),
        }))
    }
}

/// A row of a number and a line.
pub(super) fn numbered(row: &Row<'_>) -> rusqlite::Result<(u64, Vec<u8>)> {
    Ok((row.get(0)?, row.get::<_, Line>(1)?.0))
}
