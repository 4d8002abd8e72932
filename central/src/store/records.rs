//! Rows of `record`, `ahead` and `fork`.

use super::alarms::withdraw;
use super::refused::quarantine;
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

/// A stored record as the disk gives it back. What a disk holds can rot, and another version of this program may have
/// written it: nothing of it is believed before [`Row::record`].
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) seq: u64,
    link: Vec<u8>,
    line: Vec<u8>,
    pub(crate) received_ms: i64,
}

impl Row {
    /// From the columns `seq`, `link`, `line` and `received_ms`, the first ones of a query.
    pub(super) fn read(row: &rusqlite::Row<'_>) -> Result<Self> {
        let bytes = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_bytes().unwrap_or_default().to_vec());
        Ok(Self { seq: row.get(0)?, link: bytes(1)?, line: bytes(2)?, received_ms: row.get(3)? })
    }

    /// The record, if it is still the one that was stored under this number.
    pub(crate) fn record(&self, gw: &Name) -> std::result::Result<Parsed<'_>, String> {
        let record = Parsed::read_bytes(&self.line)
            .map_err(|refusal| format!("record {} can no longer be read from this store: {refusal}", self.seq))?;
        if record.gw != *gw || record.seq != self.seq || record.link[..] != self.link[..] {
            return Err(format!("record {} is no longer the one that was stored under this number", self.seq));
        }
        Ok(record)
    }

    pub(crate) fn line(&self) -> &[u8] {
        &self.line
    }
}

/// A row that cannot be read any more goes into quarantine, out of the way of what follows.
pub(crate) fn set_aside(db: &Connection, table: Table, gw: &Name, row: &Row, why: &str) -> Result<()> {
    tracing::error!(%gw, seq = row.seq, why, "a row of the store is damaged, or of a newer program");
    quarantine(db, gw.as_str(), row.received_ms, why, &row.line)?;
    match table {
        // It is part of the chain: it stays where it is, for whoever can read it.
        Table::Record => Ok(()),
        Table::Ahead => {
            delete_ahead(db, gw, row.seq)?;
            withdraw(db, gw, row.seq)
        }
        Table::Fork => {
            let sql = "DELETE FROM fork WHERE gw=?1 AND seq=?2 AND link=?3 RETURNING branch";
            let branch: Option<u64> = db
                .prepare_cached(sql)?
                .query_row(params![gw.as_str(), row.seq, row.link], |row| row.get(0))
                .optional()?;
            db.prepare_cached("UPDATE branch SET records=records-1, beyond=beyond+1 WHERE gw=?1 AND id=?2")?
                .execute(params![gw.as_str(), branch])?;
            Ok(())
        }
    }
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

/// The link of a row: as it is stored, and where that is not one any more, of its line.
fn link_of(row: &rusqlite::Row<'_>, link: usize, line: usize) -> Result<Option<Link>> {
    if let Ok(link) = Link::try_from(row.get_ref(link)?.as_bytes().unwrap_or_default()) {
        return Ok(Some(link));
    }
    let line = row.get_ref(line)?.as_bytes().unwrap_or_default();
    Ok(Parsed::read_bytes(line).ok().map(|record| record.link))
}

/// The link of the record in its place. Where a row has none any more, it is like a record that is forgotten.
pub(crate) fn link_in_place(db: &Connection, gw: &Name, seq: u64) -> Result<Option<Link>> {
    let sql = "SELECT link,line FROM record WHERE gw=?1 AND seq=?2";
    db.prepare_cached(sql)?
        .query_row(params![gw.as_str(), seq], |row| link_of(row, 0, 1))
        .optional()
        .map(Option::flatten)
}

/// The link of the record that waits under a number. Where a row has none any more, it is like another record.
pub(crate) fn link_waiting(db: &Connection, gw: &Name, seq: u64) -> Result<Option<Link>> {
    let sql = "SELECT link,line FROM ahead WHERE gw=?1 AND seq=?2";
    let link = |row: &rusqlite::Row<'_>| Ok(link_of(row, 0, 1)?.unwrap_or_default());
    db.prepare_cached(sql)?.query_row(params![gw.as_str(), seq], link).optional()
}

/// The last record in its place, when it was received, and whether it closes its epoch.
pub(crate) fn head(db: &Connection, gw: &Name) -> Result<Option<(Head, i64, Option<Closed>)>> {
    db.prepare_cached(
        "SELECT ep,seq,link,received_ms,CASE kind WHEN 'epoch.close' THEN line END,line FROM record WHERE gw=?1 ORDER BY seq DESC LIMIT 1",
    )?
    .query_row([gw.as_str()], |row| {
        let close = row.get_ref(4)?.as_bytes().unwrap_or_default();
        let closed = Parsed::read_bytes(close).ok().and_then(|record| Closed::by(&record));
        // Without either, the error of the column.
        let link = link_of(row, 2, 5)?.map_or_else(|| row.get(2), Ok)?;
        Ok((Head { ep: row.get(0)?, seq: row.get(1)?, link }, row.get(3)?, closed))
    })
    .optional()
}

/// The record that waits under a number.
pub(crate) fn waiting(db: &Connection, gw: &Name, seq: u64) -> Result<Option<Row>> {
    db.prepare_cached("SELECT seq,link,line,received_ms FROM ahead WHERE gw=?1 AND seq=?2")?
        .query_row(params![gw.as_str(), seq], Row::read)
        .optional()
}

/// The openings that wait.
pub(crate) fn ahead_openings(db: &Connection, gw: &Name) -> Result<Vec<Row>> {
    let sql = "SELECT seq,link,line,received_ms FROM ahead WHERE gw=?1 AND kind='epoch.open' ORDER BY seq";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([gw.as_str()], Row::read)?;
    rows.collect()
}

/// What waits of one epoch.
pub(crate) fn ahead_of_epoch(db: &Connection, gw: &Name, ep: u64) -> Result<Vec<Row>> {
    let sql = "SELECT seq,link,line,received_ms FROM ahead WHERE gw=?1 AND ep=?2 ORDER BY seq";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![gw.as_str(), ep], Row::read)?;
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
