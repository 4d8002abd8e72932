//! Rows of `life` and `revoked`: whether a gateway is heard, and whether it is trusted.

use picket_record::encode::Name;
use rusqlite::{Connection, OptionalExtension as _, Result, params};

/// How a gateway is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    /// When its newest genuine record came; 0 if none ever did.
    pub(crate) heard_ms: i64,
    /// Time between its heartbeats, as they state it.
    pub(crate) every_s: u64,
    /// It said that it stops.
    pub(crate) stopped: bool,
    /// The record that says so, or the opposite; 0 if none does.
    pub(crate) stopped_seq: u64,
    /// Since when it is missed.
    pub(crate) silent_ms: Option<i64>,
}

pub(crate) fn life(db: &Connection, gw: &Name) -> Result<Option<Life>> {
    db.prepare_cached("SELECT heard_ms,every_s,stopped,silent_ms,stopped_seq FROM life WHERE gw=?1")?
        .query_row([gw.as_str()], |row| {
            let (heard_ms, every_s) = (row.get(0)?, row.get(1)?);
            Ok(Life { heard_ms, every_s, stopped: row.get(2)?, silent_ms: row.get(3)?, stopped_seq: row.get(4)? })
        })
        .optional()
}

pub(crate) fn save_life(db: &Connection, gw: &Name, life: &Life) -> Result<()> {
    let sql =
        "INSERT OR REPLACE INTO life(gw,heard_ms,every_s,stopped,silent_ms,stopped_seq) VALUES(?1,?2,?3,?4,?5,?6)";
    let Life { heard_ms, every_s, stopped, stopped_seq, silent_ms } = life;
    db.prepare_cached(sql)?.execute(params![gw.as_str(), heard_ms, every_s, stopped, silent_ms, stopped_seq])?;
    Ok(())
}

/// Gateways that are revoked, each with its last trusted record.
pub(crate) fn all_revoked(db: &Connection) -> Result<Vec<(String, u64)>> {
    let mut statement = db.prepare_cached("SELECT gw,after_seq FROM revoked")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Another connection has written since this number was another one.
pub(crate) fn version(db: &Connection) -> Result<u64> {
    db.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

/// Trusts nothing after a record any more; an earlier record wins.
pub(crate) fn revoke(db: &Connection, gw: &Name, after: u64, by: &str, now_ms: i64) -> Result<()> {
    let sql = "INSERT INTO revoked(gw,after_seq,approved_by,at_ms) VALUES(?1,?2,?3,?4)
               ON CONFLICT(gw) DO UPDATE SET after_seq=excluded.after_seq, approved_by=excluded.approved_by,
                 at_ms=excluded.at_ms WHERE excluded.after_seq<after_seq";
    db.execute(sql, params![gw.as_str(), after, by, now_ms])?;
    Ok(())
}
