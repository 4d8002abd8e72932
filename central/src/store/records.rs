//! Rows of `record`, `ahead` and `fork`.

use picket_record::chain::{Closed, Head, Parsed};
use picket_record::encode::{Link, Name};
use rusqlite::{Connection, OptionalExtension as _, Result, params};

/// Which of the three tables of one shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// In its place.
    Record,
    /// Before its turn.
    Ahead,
    /// Of another history.
    Fork,
}

/// A record that waits in `ahead`.
pub(crate) struct Waiting {
    pub(crate) line: String,
    pub(crate) received_ms: i64,
}

/// Stores a record. A row that is there already in `ahead` or `fork` stays.
pub(crate) fn insert(db: &Connection, table: Table, record: &Parsed<'_>, received_ms: i64) -> Result<()> {
    let sql = match table {
        Table::Record => {
            "INSERT INTO record(gw,seq,ep,kind,sev,eq,link,line,received_ms) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)"
        }
        Table::Ahead => {
            "INSERT OR IGNORE INTO ahead(gw,seq,ep,kind,sev,eq,link,line,received_ms)
             VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)"
        }
        Table::Fork => {
            "INSERT OR IGNORE INTO fork(gw,seq,ep,kind,sev,eq,link,line,received_ms)
             VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)"
        }
    };
    db.prepare_cached(sql)?.execute(params![
        record.gw.as_str(),
        record.seq,
        record.ep,
        record.kind.as_str(),
        record.sev as u8,
        record.eq,
        record.link,
        record.line,
        received_ms
    ])?;
    Ok(())
}

/// The link stored under a number, in `record` or in `ahead`.
pub(crate) fn link_at(db: &Connection, table: Table, gw: &Name, seq: u64) -> Result<Option<Link>> {
    let sql = match table {
        Table::Record => "SELECT link FROM record WHERE gw=?1 AND seq=?2",
        Table::Ahead => "SELECT link FROM ahead WHERE gw=?1 AND seq=?2",
        Table::Fork => "SELECT link FROM fork WHERE gw=?1 AND seq=?2 LIMIT 1",
    };
    db.prepare_cached(sql)?.query_row(params![gw.as_str(), seq], |row| row.get(0)).optional()
}

/// The last record in its place, when it was received, and whether it closes its epoch.
pub(crate) fn head(db: &Connection, gw: &Name) -> Result<Option<(Head, i64, Option<Closed>)>> {
    db.prepare_cached(
        "SELECT ep,seq,link,received_ms,CASE kind WHEN 'epoch.close' THEN line END FROM record WHERE gw=?1 ORDER BY seq DESC LIMIT 1",
    )?
    .query_row([gw.as_str()], |row| {
        let close: Option<String> = row.get(4)?;
        let closed = close.and_then(|line| Parsed::read(&line).ok().and_then(|record| Closed::by(&record)));
        Ok((Head { ep: row.get(0)?, seq: row.get(1)?, link: row.get(2)? }, row.get(3)?, closed))
    })
    .optional()
}

/// The record that waits under a number.
pub(crate) fn waiting(db: &Connection, gw: &Name, seq: u64) -> Result<Option<Waiting>> {
    db.prepare_cached("SELECT line,received_ms FROM ahead WHERE gw=?1 AND seq=?2")?
        .query_row(params![gw.as_str(), seq], |row| Ok(Waiting { line: row.get(0)?, received_ms: row.get(1)? }))
        .optional()
}

/// The openings that wait.
pub(crate) fn ahead_openings(db: &Connection, gw: &Name) -> Result<Vec<String>> {
    let mut statement = db.prepare_cached("SELECT line FROM ahead WHERE gw=?1 AND kind='epoch.open' ORDER BY seq")?;
    let rows = statement.query_map([gw.as_str()], |row| row.get(0))?;
    rows.collect()
}

/// What waits of one epoch.
pub(crate) fn ahead_of_epoch(db: &Connection, gw: &Name, ep: u64) -> Result<Vec<String>> {
    let mut statement = db.prepare_cached("SELECT line FROM ahead WHERE gw=?1 AND ep=?2 ORDER BY seq")?;
    let rows = statement.query_map(params![gw.as_str(), ep], |row| row.get(0))?;
    rows.collect()
}

/// Its turn came.
pub(crate) fn delete_ahead(db: &Connection, gw: &Name, seq: u64) -> Result<()> {
    db.prepare_cached("DELETE FROM ahead WHERE gw=?1 AND seq=?2")?.execute(params![gw.as_str(), seq])?;
    Ok(())
}

/// How many wait.
pub(crate) fn ahead_count(db: &Connection, gw: &Name) -> Result<u64> {
    db.prepare_cached("SELECT count(*) FROM ahead WHERE gw=?1")?.query_row([gw.as_str()], |row| row.get(0))
}

/// How many stand in `fork`.
pub(crate) fn fork_count(db: &Connection, gw: &Name) -> Result<u64> {
    db.prepare_cached("SELECT count(*) FROM fork WHERE gw=?1")?.query_row([gw.as_str()], |row| row.get(0))
}

/// The numbers that wait, as ranges, the lowest first.
pub(crate) fn ahead_ranges(db: &Connection, gw: &Name, limit: usize) -> Result<Vec<(u64, u64)>> {
    let sql = "SELECT min(seq), max(seq) FROM
                 (SELECT seq, seq - row_number() OVER (ORDER BY seq) AS island FROM ahead WHERE gw=?1)
               GROUP BY island ORDER BY 1 LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![gw.as_str(), limit as u64], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}
