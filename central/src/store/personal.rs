//! Rows of `personal` and `erased`: what a record commits to and does not say, until it is erased.

use picket_record::chain::Parsed;
use picket_record::encode::{Link, Name};
use rusqlite::{Connection, Result, params};

/// By the link too: a record of another history has the same number, and commits to something else.
pub(super) const TABLE: &str = "
CREATE TABLE IF NOT EXISTS personal(gw TEXT NOT NULL, seq INTEGER NOT NULL, link BLOB NOT NULL, salt BLOB, text TEXT,
  erased_by INTEGER, received_ms INTEGER NOT NULL, PRIMARY KEY(gw, seq, link)) STRICT;";

/// Whether something is there for the record with this link: another history may have one of its own under the same number.
pub(crate) fn is_disclosed(db: &Connection, gw: &Name, seq: u64, link: &Link) -> Result<bool> {
    let sql = "SELECT 1 FROM personal WHERE gw=?1 AND seq=?2 AND link=?3";
    db.prepare_cached(sql)?.exists(params![gw.as_str(), seq, link])
}

/// Whether what records of this number commit to was erased, or is erased as soon as it comes.
pub(crate) fn is_erased(db: &Connection, gw: &Name, seq: u64) -> Result<bool> {
    let sql = "SELECT 1 FROM erased WHERE gw=?1 AND from_seq<=?2 AND to_seq>=?2";
    db.prepare_cached(sql)?.exists(params![gw.as_str(), seq])
}

/// Keeps what a record commits to.
pub(crate) fn disclose(
    db: &Connection,
    record: &Parsed<'_>,
    (salt, text): (&[u8], &str),
    received_ms: i64,
) -> Result<()> {
    let sql = "INSERT INTO personal(gw,seq,link,salt,text,erased_by,received_ms) VALUES(?1,?2,?3,?4,?5,NULL,?6)";
    db.prepare_cached(sql)?.execute(params![record.gw.as_str(), record.seq, record.link, salt, text, received_ms])?;
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

/// Makes room for what records of other histories commit to, in a store from before that: what is there belongs to the
/// record in its place, before its turn, or of another history, in this order; what was erased is erased for all of them.
pub(crate) fn tell_apart(db: &Connection) -> Result<()> {
    if db.prepare("SELECT 1 FROM pragma_table_info('personal') WHERE name='link'")?.exists([])? {
        return Ok(());
    }
    db.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         ALTER TABLE personal RENAME TO personal_before;
         {TABLE}
         INSERT INTO personal SELECT gw,seq,coalesce(
             (SELECT link FROM record r WHERE r.gw=p.gw AND r.seq=p.seq),
             (SELECT link FROM ahead a WHERE a.gw=p.gw AND a.seq=p.seq),
             (SELECT link FROM fork f WHERE f.gw=p.gw AND f.seq=p.seq LIMIT 1), X''),
           salt,text,erased_by,received_ms FROM personal_before p;
         INSERT INTO erased SELECT gw,seq,seq,erased_by FROM personal_before WHERE erased_by IS NOT NULL;
         DROP TABLE personal_before;
         COMMIT;"
    ))
}
