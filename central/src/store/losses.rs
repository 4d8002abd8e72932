//! Rows of `lost`: numbers that a gateway declared as gone for good, and that the chain went over.

use super::records::{Row, Table, set_aside};
use picket_record::encode::{Link, Name};
use rusqlite::{Connection, OptionalExtension as _, Result, params};

/// Records of other histories that are looked at under one number.
const RIVALS_MAX: u64 = 16;

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

/// The link that the record after this number names, where that record is stored and can be read.
pub(crate) fn named_by_next(db: &Connection, gw: &Name, seq: u64) -> Result<Option<Link>> {
    let Some(row) = at(db, Table::Record, gw, seq + 1, 1)?.pop() else { return Ok(None) };
    match row.record(gw) {
        Ok(record) => Ok(Some(record.prev)),
        Err(why) => set_aside(db, Table::Record, gw, &row, &why).map(|()| None),
    }
}

/// What is stored under a number: in its place, before its turn, or of other histories, of which the first few are
/// enough.
pub(crate) fn stored_at(db: &Connection, gw: &Name, seq: u64) -> Result<Vec<Row>> {
    let mut found = at(db, Table::Record, gw, seq, 1)?;
    found.extend(at(db, Table::Ahead, gw, seq, 1)?);
    found.extend(at(db, Table::Fork, gw, seq, RIVALS_MAX)?);
    Ok(found)
}

/// The record in its place under a number.
pub(crate) fn in_place(db: &Connection, gw: &Name, seq: u64) -> Result<Option<Row>> {
    Ok(at(db, Table::Record, gw, seq, 1)?.pop())
}

/// The lowest number that waits.
pub(crate) fn first_ahead(db: &Connection, gw: &Name) -> Result<Option<u64>> {
    db.prepare_cached("SELECT min(seq) FROM ahead WHERE gw=?1")?.query_row([gw.as_str()], |row| row.get(0))
}

/// The declarations that wait.
pub(crate) fn ahead_declarations(db: &Connection, gw: &Name) -> Result<Vec<Row>> {
    let sql = "SELECT seq,link,line,received_ms FROM ahead
               WHERE gw=?1 AND kind IN ('journal.recovered','records.disposed') ORDER BY seq";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([gw.as_str()], Row::read)?;
    rows.collect()
}

fn at(db: &Connection, table: Table, gw: &Name, seq: u64, limit: u64) -> Result<Vec<Row>> {
    let sql = match table {
        Table::Record => "SELECT seq,link,line,received_ms FROM record WHERE gw=?1 AND seq=?2 LIMIT ?3",
        Table::Ahead => "SELECT seq,link,line,received_ms FROM ahead WHERE gw=?1 AND seq=?2 LIMIT ?3",
        Table::Fork => "SELECT seq,link,line,received_ms FROM fork WHERE gw=?1 AND seq=?2 LIMIT ?3",
    };
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![gw.as_str(), seq, limit], Row::read)?;
    rows.collect()
}
