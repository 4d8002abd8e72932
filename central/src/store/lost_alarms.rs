//! Rows of `lost_alarm`: alarms that were shown before their turn, were not kept, and whose records are declared as lost.
//!
//! No record says them any more, so their beginnings are kept here: `open_alarm` has only what came of them since, and a
//! revocation takes that back.

use picket_record::encode::Name;
use rusqlite::types::Value;
use rusqlite::{Connection, Result, params, params_from_iter};

/// Nothing will ever say more of such an alarm, so a person closes it here.
pub(crate) fn keep_lost(db: &Connection, gw: &Name, (from, to): (u64, u64)) -> Result<()> {
    let sql = "INSERT OR IGNORE INTO lost_alarm(gw,raised_seq,alarm_id,rule,eq,sev,raised_ms,ep)
               SELECT gw,raised_seq,alarm_id,rule,eq,sev,raised_ms,ep FROM open_alarm
               WHERE gw=?1 AND ahead=1 AND raised_seq BETWEEN ?2 AND ?3";
    db.prepare_cached(sql)?.execute(params![gw.as_str(), from, to])?;
    // An older row of this name gives way, as if the record had come.
    let sql = "UPDATE OR REPLACE open_alarm SET ahead=0, unknown_seq=raised_seq
               WHERE gw=?1 AND ahead=1 AND raised_seq BETWEEN ?2 AND ?3";
    db.prepare_cached(sql)?.execute(params![gw.as_str(), from, to])?;
    Ok(())
}

/// Takes back an alarm that was declared as lost, because something came in its place.
pub(super) fn withdraw_lost(db: &Connection, gw: &Name, seq: u64) -> Result<()> {
    db.prepare_cached("DELETE FROM lost_alarm WHERE gw=?1 AND raised_seq=?2")?.execute(params![gw.as_str(), seq])?;
    db.prepare_cached("DELETE FROM open_alarm WHERE gw=?1 AND ahead=0 AND raised_seq=?2 AND unknown_seq=?2")?
        .execute(params![gw.as_str(), seq])?;
    Ok(())
}

/// Puts those of some numbers, the first excluded, where they were lost, as [`keep_lost`] did. How many.
pub(super) fn replay(from: &Connection, to: &Connection, gw: &Name, (after, upto): (u64, u64)) -> Result<u64> {
    let sql = "SELECT raised_seq,alarm_id,rule,eq,sev,raised_ms,ep FROM lost_alarm
               WHERE gw=?1 AND raised_seq>?2 AND raised_seq<=?3 ORDER BY raised_seq";
    let mut read = from.prepare_cached(sql)?;
    let sql = "INSERT OR REPLACE INTO open_alarm(raised_seq,alarm_id,rule,eq,sev,raised_ms,ep,gw,ahead,unknown_seq)
               VALUES(?1,?2,?3,?4,?5,?6,?7,?8,0,?1)";
    let mut write = to.prepare_cached(sql)?;
    let mut rows = read.query(params![gw.as_str(), after, upto])?;
    let mut replayed = 0;
    while let Some(row) = rows.next()? {
        let columns = (0..7).map(|column| row.get::<_, Value>(column));
        let named = columns.chain([Ok(Value::from(gw.as_str().to_owned()))]);
        write.execute(params_from_iter(named.collect::<Result<Vec<_>>>()?))?;
        replayed += 1;
    }
    Ok(replayed)
}

/// Those of a store from before this table, as far as nothing changed them since.
pub(super) fn take_over(db: &Connection) -> Result<()> {
    let sql = "SELECT gw,raised_seq,alarm_id,rule,eq,sev,raised_ms,ep FROM open_alarm a
               WHERE ahead=0 AND unknown_seq=raised_seq
               AND NOT EXISTS(SELECT 1 FROM record r WHERE r.gw=a.gw AND r.seq=a.raised_seq)
               AND NOT EXISTS(SELECT 1 FROM lost_alarm l WHERE l.gw=a.gw AND l.raised_seq=a.raised_seq)";
    // Where there is nothing, the lock of the writer is not asked for.
    if db.prepare(sql)?.exists([])? {
        db.execute(
            &format!("INSERT OR IGNORE INTO lost_alarm(gw,raised_seq,alarm_id,rule,eq,sev,raised_ms,ep) {sql}"),
            [],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::alarms::tests::GW;

    #[test]
    fn a_store_from_before_lost_alarms_were_kept_still_has_them_after_a_revocation() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("central.db");
        let gw = Name::parse(GW).unwrap();
        let before = "INSERT INTO open_alarm(gw,alarm_id,sev,raised_seq,ahead) VALUES('gate-7','passed',3,5,1);";
        let mut store = Store::open(&path).unwrap();
        store.write("losing", |db| db.execute_batch(before).and_then(|()| keep_lost(db, &gw, (4, 6)))).unwrap();
        store.write("going back", |db| db.execute_batch("DROP TABLE lost_alarm")).unwrap();
        drop(store);
        let mut store = Store::open(&path).unwrap();
        store.revoke(&gw, 9, "N. N.", 7).unwrap();
        let sql = "SELECT alarm_id||' '||raised_seq||' '||unknown_seq FROM open_alarm";
        let shown: String = store.read("asking", |db| db.query_row(sql, [], |row| row.get(0))).unwrap();
        assert_eq!(shown, "passed 5 5");
    }
}
