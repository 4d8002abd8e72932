//! A line as the journal's tables hold it, read by the description of its layout alone, without the product's reader.

use picket_record::encode::base64url;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, Row};

/// A line of the column `line` of a journal.
#[derive(Debug)]
pub struct Line(String);

impl FromSql for Line {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        if let ValueRef::Text(text) = value {
            return Ok(Self(String::from_utf8_lossy(text).into_owned()));
        }
        // The length of the header, the header, the payload, 64 bytes of signature.
        let bytes = value.as_blob()?;
        let header = 1 + usize::from(*bytes.first().ok_or(FromSqlError::InvalidType)?);
        let payload = bytes.len().checked_sub(64).filter(|end| *end >= header).ok_or(FromSqlError::InvalidType)?;
        let parts = [&bytes[1..header], &bytes[header..payload], &bytes[payload..]];
        Ok(Self(parts.map(base64url).join(".")))
    }
}

/// The line in the first column of a row.
pub fn line(row: &Row<'_>) -> rusqlite::Result<String> {
    Ok(row.get::<_, Line>(0)?.0)
}

/// Gives statements of a connection the function `jws(line)`: the line as text.
///
/// # Errors
/// Where SQLite takes no function.
pub fn teach(db: &Connection) -> rusqlite::Result<()> {
    db.create_scalar_function("jws", 1, FunctionFlags::SQLITE_DETERMINISTIC, |context| {
        Ok(Line::column_result(context.get_raw(0))
            .map_err(|_| rusqlite::Error::InvalidFunctionParameterType(0, rusqlite::types::Type::Blob))?
            .0)
    })
}
