//! Rows of `certificate`: what was issued for the lines of gateways.

use picket_record::encode::Name;
use rusqlite::{Connection, OptionalExtension as _, Result, params};

/// A certificate as it was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Digest of its key.
    pub(crate) key: [u8; 32],
    /// Its last second, since 1970 UTC.
    pub(crate) until_s: u64,
    /// When it was issued, in milliseconds since 1970 UTC.
    pub(crate) made_ms: i64,
    /// The signed answer.
    pub(crate) line: String,
}

pub(crate) fn insert_certificate(db: &Connection, gw: &Name, kept: &Kept) -> Result<()> {
    let Kept { key, until_s, made_ms, line } = kept;
    let sql = "INSERT OR REPLACE INTO certificate(gw,key,until_s,made_ms,line) VALUES(?1,?2,?3,?4,?5)";
    db.execute(sql, params![gw.as_str(), key, until_s, made_ms, line])?;
    Ok(())
}

/// The answer that a wish for this key had, and the last second of its certificate, since 1970 UTC.
pub(crate) fn certificate(db: &Connection, gw: &Name, key: &[u8; 32]) -> Result<Option<(String, u64)>> {
    db.prepare_cached("SELECT line,until_s FROM certificate WHERE gw=?1 AND key=?2")?
        .query_row(params![gw.as_str(), key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// How many were issued since a moment.
pub(crate) fn certificates_since(db: &Connection, gw: &Name, since_ms: i64) -> Result<u64> {
    db.prepare_cached("SELECT count(*) FROM certificate WHERE gw=?1 AND made_ms>=?2")?
        .query_row(params![gw.as_str(), since_ms], |row| row.get(0))
}
