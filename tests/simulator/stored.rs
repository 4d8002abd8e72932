//! A line as the journal's tables hold it, read by the description of its layout alone, without the product's reader.

use picket_record::encode::base64url;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{FromSql, FromSqlResult, ValueRef};
use rusqlite::{Connection, Row};

/// A line of the column `line` of a journal.
#[derive(Debug)]
pub struct Line(String);

impl FromSql for Line {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes = match value {
            ValueRef::Text(text) => return Ok(Self(String::from_utf8_lossy(text).into_owned())),
            ValueRef::Blob(bytes) => bytes,
            // One bit of its type turned over: no line, and nothing that the other lines are not read for.
            ValueRef::Integer(number) => return Ok(Self(number.to_string())),
            ValueRef::Real(number) => return Ok(Self(number.to_string())),
            ValueRef::Null => return Ok(Self(String::new())),
        };
        Ok(Self(text(bytes).unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned())))
    }
}

/// The length of the header, the header, the payload, 64 bytes of signature.
fn text(bytes: &[u8]) -> Option<String> {
    let header = 1 + usize::from(*bytes.first()?);
    let payload = bytes.len().checked_sub(64).filter(|end| *end >= header)?;
    let parts = [&bytes[1..header], &bytes[header..payload], &bytes[payload..]];
    Some(parts.map(base64url).join("."))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_damage_left_no_line_of_is_read_as_what_it_is_and_fails_no_statement() {
        let db = Connection::open_in_memory().unwrap();
        teach(&db).unwrap();
        for (stored, read) in
            [("12", "12"), ("1.5", "1.5"), ("NULL", ""), ("x''", ""), ("x'0561'", "\u{5}a"), ("'a.b.c'", "a.b.c")]
        {
            let found: String = db.query_row(&format!("SELECT jws({stored})"), [], |row| row.get(0)).unwrap();
            assert_eq!(
                (found, db.query_row(&format!("SELECT {stored}"), [], line).unwrap()),
                (read.into(), read.into())
            );
        }
    }
}
