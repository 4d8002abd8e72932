//! Lines in the tables: stored as bytes without base64url, a quarter less to write, and read back as text. One bit of a
//! row's header takes bytes for text and text for bytes: what they say is the same, and is read as the same.

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
            // So earlier layouts have it: base64url of a brace and a quote, where stored bytes have a length and the brace.
            ValueRef::Text(text) if text.get(1) != Some(&b'{') => text.to_vec(),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                at_rest::to_line(bytes).map_or_else(|| bytes.to_vec(), String::into_bytes)
            }
            ValueRef::Integer(number) => number.to_string().into_bytes(),
            ValueRef::Real(number) => number.to_string().into_bytes(),
            ValueRef::Null => Vec::new(),
        }))
    }
}

/// Whether a stored line may be the opening of an epoch, told by its header alone: a search reads many lines for one.
pub(super) fn may_open(value: ValueRef<'_>) -> bool {
    match value {
        // So earlier layouts have it.
        ValueRef::Text(text) if text.get(1) != Some(&b'{') => true,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            let header = bytes.split_first().and_then(|(length, rest)| rest.get(..usize::from(*length)));
            header.is_some_and(|header| header.ends_with(br#""typ":"open+jws"}"#))
        }
        ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Null => false,
    }
}

/// A text out of a table; none where damage made it no text.
pub(super) struct Text(pub(super) Option<String>);

impl FromSql for Text {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(match value {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8(bytes.to_vec()).ok(),
            ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Null => None,
        }))
    }
}

/// A row of a number and a line.
pub(super) fn numbered(row: &Row<'_>) -> rusqlite::Result<(u64, Vec<u8>)> {
    Ok((row.get(0)?, row.get::<_, Line>(1)?.0))
}
