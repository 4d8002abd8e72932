//! Alarms folded once more from the records: for a gateway that is revoked, and for a record that comes after its turn.
//!
//! A long history is walked without the lock of the writer, which would wait for it no longer than five seconds.

use super::records::{Row, Table, set_aside};
use super::{SCHEMA, alarms};
use picket_record::chain::Parsed;
use picket_record::encode::Name;
use picket_record::kind::Kind;
use rusqlite::{Connection, Result, params};
use serde_json::Value;

/// Records read at a time.
const STEP: u64 = 1_000;
/// Records behind one that came late which are looked at. Where there are more, its alarm is shown as open: somebody looks.
const LATE_MAX: u64 = 10_000;

/// The partial index `record_alarm` has these words.
const SQL: &str = "SELECT seq,link,line,received_ms FROM record WHERE gw=?1 AND seq>?2 AND seq<=?3
    AND kind IN ('alarm.raised','alarm.cleared','alarm.closed','act.acknowledged','snapshot') ORDER BY seq LIMIT ?4";

/// The alarms of one gateway as they stood after some record, folded in memory.
pub(crate) struct Refold {
    memory: Connection,
    upto: u64,
    /// Rows that could not be read.
    damaged: Vec<(Row, String)>,
}

impl Refold {
    pub(crate) fn new() -> Result<Self> {
        let memory = Connection::open_in_memory()?;
        memory.execute_batch(SCHEMA)?;
        Ok(Self { memory, upto: 0, damaged: Vec::new() })
    }

    /// Takes the next records up to one; false when there are no more.
    pub(crate) fn step(&mut self, db: &Connection, gw: &Name, upto: u64) -> Result<bool> {
        let mut statement = db.prepare_cached(SQL)?;
        let rows = statement.query_map(params![gw.as_str(), self.upto, upto, STEP], Row::read)?;
        let mut found = 0;
        for row in rows {
            let row = row?;
            found += 1;
            self.upto = row.seq;
            match row.record(gw) {
                Ok(record) => alarms::fold(&self.memory, &record)?,
                Err(why) => self.damaged.push((row, why)),
            }
        }
        Ok(found == STEP)
    }

    /// Puts what was folded in the place of what was shown. What waits for its turn and is trusted stays.
    pub(crate) fn show(&self, db: &Connection, gw: &Name, after: u64) -> Result<()> {
        let sql = "DELETE FROM open_alarm WHERE gw=?1 AND (ahead=0 OR raised_seq>?2)";
        db.execute(sql, params![gw.as_str(), after])?;
        let columns = "gw,alarm_id,rule,eq,sev,raised_seq,raised_ms,cleared_seq,acked_seq,ahead,unknown_seq";
        let mut read = self.memory.prepare(&format!("SELECT {columns} FROM open_alarm"))?;
        let mut write =
            db.prepare(&format!("INSERT INTO open_alarm({columns}) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)"))?;
        let mut rows = read.query([])?;
        while let Some(row) = rows.next()? {
            let values = (0..11).map(|column| row.get::<_, rusqlite::types::Value>(column));
            write.execute(rusqlite::params_from_iter(values.collect::<Result<Vec<_>>>()?))?;
        }
        // What a person closed here stays closed, as far as the gateway still does not know it.
        let sql = "DELETE FROM open_alarm WHERE gw=?1 AND EXISTS(SELECT 1 FROM closed_alarm c WHERE c.gw=open_alarm.gw
                   AND c.alarm_id=open_alarm.alarm_id AND c.raised_seq=open_alarm.raised_seq
                   AND c.unknown_seq=open_alarm.unknown_seq)";
        db.execute(sql, [gw.as_str()])?;
        self.damaged.iter().try_for_each(|(row, why)| set_aside(db, Table::Record, gw, row, why))
    }
}

/// Folds a record that came after its turn, into a hole: never over what newer records say of the same alarm.
pub(crate) fn fold_late(db: &Connection, record: &Parsed<'_>) -> Result<()> {
    let data = record.data();
    let Some(alarm) = data.get("alarm").and_then(Value::as_str) else { return Ok(()) };
    let row = params![record.gw.as_str(), alarm, record.seq];
    match record.kind {
        Kind::AlarmRaised => {}
        Kind::AlarmClosed => return alarms::fold(db, record),
        Kind::AlarmCleared => {
            let sql = "SELECT 1 FROM open_alarm WHERE gw=?1 AND alarm_id=?2 AND ahead=0 AND cleared_seq>?3";
            let newer = db.prepare_cached(sql)?.exists(row)?;
            return if newer { Ok(()) } else { late_clear(db, record) };
        }
        Kind::ActAcknowledged => {
            let sql = "SELECT 1 FROM open_alarm WHERE gw=?1 AND alarm_id=?2 AND ahead=0
                       AND (acked_seq>?3 OR cleared_seq>?3)";
            let newer = db.prepare_cached(sql)?.exists(row)?;
            return if newer { Ok(()) } else { alarms::fold(db, record) };
        }
        _ => return Ok(()),
    }
    let sql = "SELECT 1 FROM open_alarm WHERE gw=?1 AND alarm_id=?2 AND ahead=0 AND raised_seq>=?3";
    if db.prepare_cached(sql)?.exists(row)? {
        return Ok(());
    }
    alarms::fold(db, record)?;
    // What came of it since found nothing to change then.
    let mut statement = db.prepare_cached(SQL)?;
    let rows = statement.query_map(params![record.gw.as_str(), record.seq, i64::MAX, LATE_MAX], Row::read)?;
    for row in rows {
        let row = row?;
        let Ok(later) = row.record(&record.gw) else { continue };
        if later.kind == Kind::Snapshot {
            alarms::say_anew_of(db, &later, alarm)?;
        } else if later.data().get("alarm").and_then(Value::as_str) == Some(alarm) {
            alarms::fold(db, &later)?;
        }
    }
    Ok(())
}

/// As a clear in its turn, but an acknowledgement after it stays.
fn late_clear(db: &Connection, record: &Parsed<'_>) -> Result<()> {
    let data = record.data();
    let must_close = data.get("guard_must_close") == Some(&Value::Bool(true));
    let alarm = data.get("alarm").and_then(Value::as_str);
    let sql = "UPDATE open_alarm SET cleared_seq=?3, acked_seq=iif(?4 AND acked_seq<?3, NULL, acked_seq)
               WHERE gw=?1 AND alarm_id=?2 AND ahead=0 AND raised_seq<?3";
    db.prepare_cached(sql)?.execute(params![record.gw.as_str(), alarm, record.seq, must_close])?;
    Ok(())
}
