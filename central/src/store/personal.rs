//! Rows of `personal` and `erased`: what a record commits to and does not say, until it is erased.

use picket_record::encode::Name;
use rusqlite::{Connection, OptionalExtension as _, Result, params};

/// What is there for a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disclosed {
    /// Its text.
    Kept,
    /// It was, or its erasure came first.
    Erased,
}

pub(crate) fn disclosed(db: &Connection, gw: &Name, seq: u64) -> Result<Option<Disclosed>> {
    let sql = "SELECT 1 FROM erased WHERE gw=?1 AND from_seq<=?2 AND to_seq>=?2";
    if db.prepare_cached(sql)?.exists(params![gw.as_str(), seq])? {
        return Ok(Some(Disclosed::Erased));
    }
    db.prepare_cached("SELECT erased_by IS NOT NULL FROM personal WHERE gw=?1 AND seq=?2")?
        .query_row(params![gw.as_str(), seq], |row| row.get(0))
        .optional()
        .map(|found| found.map(|erased: bool| if erased { Disclosed::Erased } else { Disclosed::Kept }))
}

pub(crate) fn disclose(db: &Connection, gw: &Name, seq: u64, salt: &[u8], text: &str, now_ms: i64) -> Result<()> {
    let sql = "INSERT INTO personal(gw,seq,salt,text,erased_by,received_ms) VALUES(?1,?2,?3,?4,NULL,?5)";
    db.prepare_cached(sql)?.execute(params![gw.as_str(), seq, salt, text, now_ms])?;
    Ok(())
}

/// Erases what records of a range commit to; what comes of it later is not kept.
pub(crate) fn erase(db: &Connection, gw: &Name, (from, to): (u64, u64), by: u64) -> Result<()> {
    let sql = "UPDATE personal SET salt=NULL, text=NULL, erased_by=?4 WHERE gw=?1 AND seq BETWEEN ?2 AND ?3";
    db.prepare_cached(sql)?.execute(params![gw.as_str(), from, to, by])?;
    let sql = "INSERT INTO erased(gw,from_seq,to_seq,by_seq) VALUES(?1,?2,?3,?4)";
    db.prepare_cached(sql)?.execute(params![gw.as_str(), from, to, by])?;
    Ok(())
}
