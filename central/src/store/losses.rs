//! Rows of `lost`: numbers that a gateway declared as gone for good, and that the chain went over.

use picket_record::chain::Parsed;
use picket_record::encode::{Link, Name};
use rusqlite::{Connection, OptionalExtension as _, Result, params};

pub(crate) fn insert_lost(db: &Connection, gw: &Name, (from, to): (u64, u64), by: u64, now_ms: i64) -> Result<()> {
    db.prepare_cached("INSERT INTO lost(gw,from_seq,to_seq,declared_by,since_ms) VALUES(?1,?2,?3,?4,?5)")?
        .execute(params![gw.as_str(), from, to, by, now_ms])?;
    Ok(())
}

/// Whether a number lies in a hole that the chain went over.
pub(crate) fn is_lost(db: &Connection, gw: &Name, seq: u64) -> Result<bool> {
    let sql = "SELECT to_seq FROM lost WHERE gw=?1 AND from_seq<=?2 ORDER BY from_seq DESC LIMIT 1";
    let to: Option<u64> = db.prepare_cached(sql)?.query_row(params![gw.as_str(), seq], |row| row.get(0)).optional()?;
    Ok(to.is_some_and(|to| seq <= to))
}

/// The link that the record after this number names, where that record is stored.
pub(crate) fn named_by_next(db: &Connection, gw: &Name, seq: u64) -> Result<Option<Link>> {
    let line = line_at(db, gw, seq + 1)?;
    Ok(line.map(|line| Parsed::read(&line).expect("it was read before it was stored").prev))
}

/// The record stored under a number, in its place, before its turn, or of another history.
pub(crate) fn any_line_at(db: &Connection, gw: &Name, seq: u64) -> Result<Option<String>> {
    if let Some(line) = line_at(db, gw, seq)? {
        return Ok(Some(line));
    }
    db.prepare_cached("SELECT line FROM ahead WHERE gw=?1 AND seq=?2")?
        .query_row(params![gw.as_str(), seq], |row| row.get(0))
        .optional()
}

/// The lowest number that waits.
pub(crate) fn first_ahead(db: &Connection, gw: &Name) -> Result<Option<u64>> {
    db.prepare_cached("SELECT min(seq) FROM ahead WHERE gw=?1")?.query_row([gw.as_str()], |row| row.get(0))
}

/// The declarations that wait.
pub(crate) fn ahead_declarations(db: &Connection, gw: &Name) -> Result<Vec<String>> {
    let sql = "SELECT line FROM ahead WHERE gw=?1 AND kind IN ('journal.recovered','records.disposed') ORDER BY seq";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([gw.as_str()], |row| row.get(0))?;
    rows.collect()
}

fn line_at(db: &Connection, gw: &Name, seq: u64) -> Result<Option<String>> {
    db.prepare_cached("SELECT line FROM record WHERE gw=?1 AND seq=?2")?
        .query_row(params![gw.as_str(), seq], |row| row.get(0))
        .optional()
}
