//! Rows of `unordered_drill`: records that say they are of a drill which nobody ordered.

use picket_record::chain::Parsed;
use rusqlite::{Connection, Result, params};

/// Drills that are told apart for each gateway; what belongs to further ones is counted with the newest.
const DRILLS_MAX: u64 = 64;

/// Counts a record; true where it is the first of its drill.
pub(crate) fn insert_unordered_drill(db: &Connection, record: &Parsed<'_>, why: &str, now_ms: i64) -> Result<bool> {
    let Some(drill) = &record.drill else { return Ok(false) };
    let gw = record.gw.as_str();
    let sql = "UPDATE unordered_drill SET last_seq=max(last_seq,?5), records=records+1
               WHERE gw=?1 AND id=?2 AND auth=?3 AND why=?4";
    if db.prepare_cached(sql)?.execute(params![gw, drill.id, drill.auth, why, record.seq])? > 0 {
        return Ok(false);
    }
    let known: u64 =
        db.prepare_cached("SELECT count(*) FROM unordered_drill WHERE gw=?1")?.query_row([gw], |row| row.get(0))?;
    if known >= DRILLS_MAX {
        let sql = "UPDATE unordered_drill SET last_seq=max(last_seq,?2), records=records+1
                   WHERE rowid=(SELECT max(rowid) FROM unordered_drill WHERE gw=?1)";
        db.prepare_cached(sql)?.execute(params![gw, record.seq])?;
        return Ok(false);
    }
    let sql = "INSERT INTO unordered_drill(gw,id,auth,why,from_seq,last_seq,records,since_ms)
               VALUES(?1,?2,?3,?4,?5,?5,1,?6)";
    db.prepare_cached(sql)?.execute(params![gw, drill.id, drill.auth, why, record.seq, now_ms])?;
    Ok(true)
}
