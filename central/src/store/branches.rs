//! Rows of `fork`, `branch` and `rollback`: histories beside the one in `record`, and where the gateway left them.

use super::records::{Row, Table, insert};
use picket_record::chain::Parsed;
use picket_record::encode::{Link, Name};
use rusqlite::{Connection, OptionalExtension as _, Result, params};

/// Second histories that are listed for each gateway; what belongs to further ones is counted with the newest.
const BRANCHES_MAX: u64 = 64;
/// Openings of second histories whose keys are held after a start, the newest.
const OPENINGS_MAX: u64 = 64;

/// What became of a record of another history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It was there.
    Known,
    /// It is there now, or counted where too many are; in this history.
    New { branch: u64 },
}

/// How a record of another history is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keeping<'a> {
    pub(crate) received_ms: i64,
    /// The history of the opening that it was verified by.
    pub(crate) of: Option<u64>,
    /// Why it is not in the first one.
    pub(crate) why: &'a str,
    /// Whether the row is kept, or only counted.
    pub(crate) room: bool,
    /// The record behind which the gateway had left this history before.
    pub(crate) left_behind: Option<u64>,
    /// It contradicts the chain, and the gateway has to go on elsewhere: its history is one that was not left, even if it
    /// had been before.
    pub(crate) contradicts: bool,
}

/// Keeps a record of another history, once.
pub(crate) fn keep(db: &Connection, record: &Parsed<'_>, keeping: Keeping<'_>) -> Result<Kept> {
    let gw = record.gw.as_str();
    let at = db.prepare_cached("SELECT 1 FROM fork WHERE gw=?1 AND seq=?2 AND link=?3")?.exists(params![
        gw,
        record.seq,
        record.link
    ])?;
    if at {
        return Ok(Kept::Known);
    }
    let branch = match history(db, record, keeping.of)? {
        Some(branch) => branch,
        None => begin(db, record, keeping)?,
    };
    if keeping.room {
        insert(db, Table::Fork, record, keeping.received_ms)?;
        db.prepare_cached("UPDATE fork SET branch=?4 WHERE gw=?1 AND seq=?2 AND link=?3")?.execute(params![
            gw,
            record.seq,
            record.link,
            branch
        ])?;
    }
    let sql = "UPDATE branch SET records=records+?4, beyond=beyond+1-?4, from_seq=min(from_seq,?3),
               last_seq=max(last_seq,?3), contradicts=max(contradicts,?5), left_behind=iif(?5,NULL,left_behind),
               left_ms=iif(?5,NULL,left_ms) WHERE gw=?1 AND id=?2";
    db.prepare_cached(sql)?.execute(params![gw, branch, record.seq, keeping.room, keeping.contradicts])?;
    Ok(Kept::New { branch })
}

/// The history that a record goes on with: of the record before it, of its opening, of its epoch.
fn history(db: &Connection, record: &Parsed<'_>, of: Option<u64>) -> Result<Option<u64>> {
    let gw = record.gw.as_str();
    let before = db
        .prepare_cached("SELECT branch FROM fork WHERE gw=?1 AND seq=?2 AND link=?3")?
        .query_row(params![gw, record.seq - 1, record.prev], |row| row.get(0))
        .optional()?;
    if before.is_some() || of.is_some() || record.tail_state().is_some() {
        return Ok(before.or(of));
    }
    db.prepare_cached("SELECT id FROM branch WHERE gw=?1 AND ep=?2 ORDER BY id DESC LIMIT 1")?
        .query_row(params![gw, record.ep], |row| row.get(0))
        .optional()
}

fn begin(db: &Connection, record: &Parsed<'_>, keeping: Keeping<'_>) -> Result<u64> {
    let gw = record.gw.as_str();
    let newest: u64 =
        db.prepare_cached("SELECT coalesce(max(id),0) FROM branch WHERE gw=?1")?.query_row([gw], |row| row.get(0))?;
    if newest >= BRANCHES_MAX {
        if keeping.contradicts {
            let sql = "UPDATE branch SET left_behind=NULL, left_ms=NULL WHERE gw=?1 AND id=?2";
            db.prepare_cached(sql)?.execute(params![gw, newest])?;
        }
        return Ok(newest);
    }
    let sql = "INSERT INTO branch(gw,id,from_seq,last_seq,ep,opened_seq,since_ms,why,records,beyond,contradicts,
                 left_behind,left_ms)
               VALUES(?1,?2,?3,?3,?4,?5,?6,?7,0,0,0,?8,iif(?8 IS NULL,NULL,?6))";
    db.prepare_cached(sql)?.execute(params![
        gw,
        newest + 1,
        record.seq,
        record.ep,
        record.tail_state().map(|_| record.seq),
        keeping.received_ms,
        keeping.why,
        keeping.left_behind
    ])?;
    Ok(newest + 1)
}

/// A record was taken for another history and is in the first one now.
pub(crate) fn forget_fork(db: &Connection, gw: &Name, seq: u64, link: &Link) -> Result<bool> {
    let branch: Option<u64> = db
        .prepare_cached("DELETE FROM fork WHERE gw=?1 AND seq=?2 AND link=?3 RETURNING branch")?
        .query_row(params![gw.as_str(), seq, link], |row| row.get(0))
        .optional()?;
    if let Some(branch) = branch {
        db.prepare_cached("UPDATE branch SET records=records-1 WHERE gw=?1 AND id=?2")?
            .execute(params![gw.as_str(), branch])?;
        db.prepare_cached("DELETE FROM branch WHERE gw=?1 AND id=?2 AND records=0 AND beyond=0")?
            .execute(params![gw.as_str(), branch])?;
    }
    Ok(branch.is_some())
}

/// Whether there is a second history that the gateway has not left.
pub(crate) fn is_forked(db: &Connection, gw: &Name) -> Result<bool> {
    db.prepare_cached("SELECT 1 FROM branch WHERE gw=?1 AND contradicts AND left_behind IS NULL")?.exists([gw.as_str()])
}

/// The gateway went on with the first history, behind this record: it has left every other.
pub(crate) fn leave(db: &Connection, gw: &Name, behind: u64, now_ms: i64) -> Result<()> {
    db.prepare_cached("UPDATE branch SET left_behind=?2, left_ms=?3 WHERE gw=?1 AND left_behind IS NULL")?
        .execute(params![gw.as_str(), behind, now_ms])?;
    Ok(())
}

/// The openings of second histories, each with its history, the newest last.
pub(crate) fn fork_openings(db: &Connection, gw: &Name) -> Result<Vec<(Row, u64)>> {
    let sql = "SELECT seq,link,line,received_ms,branch FROM (SELECT *,rowid AS row FROM fork
               WHERE gw=?1 AND kind='epoch.open' ORDER BY rowid DESC LIMIT ?2) ORDER BY row";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![gw.as_str(), OPENINGS_MAX], |row| Ok((Row::read(row)?, row.get(4)?)))?;
    rows.collect()
}

/// An opening that goes on behind a receipt instead of behind the journal's own last record.
#[derive(Debug)]
pub(crate) struct Rollback<'a> {
    pub(crate) seq: u64,
    pub(crate) ep: u64,
    pub(crate) tail_state: &'a str,
    /// The last record that the journal held, and whether it is the one that is stored here.
    pub(crate) found: Option<(u64, Option<bool>)>,
    pub(crate) received_ms: i64,
}

pub(crate) fn insert_rollback(db: &Connection, gw: &Name, rollback: &Rollback<'_>) -> Result<()> {
    let sql = "INSERT OR IGNORE INTO rollback(gw,seq,ep,tail_state,found_seq,found_fits,received_ms)
               VALUES(?1,?2,?3,?4,?5,?6,?7)";
    db.prepare_cached(sql)?.execute(params![
        gw.as_str(),
        rollback.seq,
        rollback.ep,
        rollback.tail_state,
        rollback.found.map(|(seq, _)| seq),
        rollback.found.and_then(|(_, fits)| fits),
        rollback.received_ms
    ])?;
    Ok(())
}

/// Number and epoch of the newest opening that left another history.
pub(crate) fn last_rollback(db: &Connection, gw: &Name) -> Result<Option<(u64, u64)>> {
    db.prepare_cached("SELECT seq,ep FROM rollback WHERE gw=?1 ORDER BY seq DESC LIMIT 1")?
        .query_row([gw.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// What waits of epochs before this one.
pub(crate) fn ahead_before(db: &Connection, gw: &Name, ep: u64) -> Result<Vec<Row>> {
    let sql = "SELECT seq,link,line,received_ms FROM ahead WHERE gw=?1 AND ep<?2 ORDER BY seq";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![gw.as_str(), ep], Row::read)?;
    rows.collect()
}
