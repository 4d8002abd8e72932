//! Alarms folded once more from the records, for a gateway that is revoked.
//!
//! A long history is walked without the lock of the writer, which would wait for it no longer than five seconds.

use super::alarms;
use super::lost_alarms;
use super::records::{Row, Table, set_aside};
use super::schema::SCHEMA;
use picket_record::encode::Name;
use picket_record::kind::Kind;
use rusqlite::{Connection, Result, params};

/// Records read at a time.
const STEP: u64 = 1_000;
/// The partial index `record_alarm` has these words.
pub(super) const SQL: &str = "SELECT seq,link,line,received_ms FROM record WHERE gw=?1 AND seq>?2 AND seq<=?3
    AND kind IN ('alarm.raised','alarm.cleared','alarm.closed','act.acknowledged','snapshot') ORDER BY seq LIMIT ?4";

/// What a person closed here stays closed, as far as the gateway still does not know it.
const CLOSED: &str = "DELETE FROM open_alarm WHERE gw=?1 AND EXISTS(SELECT 1 FROM closed_alarm c WHERE c.gw=open_alarm.gw
    AND c.alarm_id=open_alarm.alarm_id AND c.raised_seq=open_alarm.raised_seq AND c.unknown_seq=open_alarm.unknown_seq)";

/// The alarms of one gateway as they stood after some record, folded in memory.
pub(crate) struct Refold {
    memory: Connection,
    upto: u64,
    /// Alarms whose records are lost are taken as far as this number.
    lost: u64,
    /// Rows that could not be read.
    damaged: Vec<(Row, String)>,
    /// What persons closed before the first step.
    closed: bool,
}

impl Refold {
    pub(crate) fn new() -> Result<Self> {
        let memory = Connection::open_in_memory()?;
        memory.execute_batch(SCHEMA)?;
        Ok(Self { memory, upto: 0, lost: 0, damaged: Vec::new(), closed: false })
    }

    /// Takes the next records up to one; false when there are no more.
    pub(crate) fn step(&mut self, db: &Connection, gw: &Name, upto: u64) -> Result<bool> {
        if !std::mem::replace(&mut self.closed, true) {
            self.take_closed(db, gw)?;
        }
        let mut statement = db.prepare_cached(SQL)?;
        let rows = statement.query_map(params![gw.as_str(), self.upto, upto, STEP], Row::read)?;
        let mut found = 0;
        for row in rows {
            let row = row?;
            found += 1;
            self.upto = row.seq;
            self.take_lost(db, gw, row.seq)?;
            match row.record(gw) {
                Ok(record) => {
                    alarms::fold(&self.memory, &record)?;
                    if record.kind == Kind::Snapshot {
                        self.forget_closed(gw)?;
                    }
                }
                Err(why) => self.damaged.push((row, why)),
            }
        }
        if found < STEP {
            self.take_lost(db, gw, upto)?;
        }
        Ok(found == STEP)
    }

    /// Alarms whose records are lost, in the places where those were.
    fn take_lost(&mut self, db: &Connection, gw: &Name, upto: u64) -> Result<()> {
        let replayed = lost_alarms::replay(db, &self.memory, gw, (self.lost, upto))?;
        self.lost = self.lost.max(upto);
        if replayed > 0 { self.forget_closed(gw) } else { Ok(()) }
    }

    fn forget_closed(&self, gw: &Name) -> Result<()> {
        self.memory.prepare_cached(CLOSED)?.execute([gw.as_str()]).map(drop)
    }

    /// What a person closed here was gone when the gateway was put back once more, and had another beginning if it was
    /// known again then.
    fn take_closed(&self, db: &Connection, gw: &Name) -> Result<()> {
        let columns = "gw,alarm_id,raised_seq,unknown_seq,closed_by,at_ms";
        copy(db, &self.memory, ("closed_alarm", columns), gw)
    }

    /// Puts what was folded in the place of what was shown. What waits for its turn and is trusted stays.
    pub(crate) fn show(&self, db: &Connection, gw: &Name, after: u64) -> Result<()> {
        let sql = "DELETE FROM open_alarm WHERE gw=?1 AND (raised_seq>?2 OR ahead=0)";
        db.execute(sql, params![gw.as_str(), after])?;
        let columns =
            "gw,alarm_id,rule,eq,sev,raised_seq,raised_ms,cleared_seq,acked_seq,ahead,unknown_seq,said_seq,ep";
        copy(&self.memory, db, ("open_alarm", columns), gw)?;
        // What was closed meanwhile.
        db.execute(CLOSED, [gw.as_str()])?;
        self.damaged.iter().try_for_each(|(row, why)| set_aside(db, Table::Record, gw, row, why))
    }
}

/// Copies the rows of one gateway from one database to the other. One that is there stays.
fn copy(from: &Connection, to: &Connection, (table, columns): (&str, &str), gw: &Name) -> Result<()> {
    let mut read = from.prepare(&format!("SELECT {columns} FROM {table} WHERE gw=?1"))?;
    let count = read.column_count();
    let places = vec!["?"; count].join(",");
    let mut write = to.prepare(&format!("INSERT OR IGNORE INTO {table}({columns}) VALUES({places})"))?;
    let mut rows = read.query([gw.as_str()])?;
    while let Some(row) = rows.next()? {
        let values = (0..count).map(|column| row.get::<_, rusqlite::types::Value>(column));
        write.execute(rusqlite::params_from_iter(values.collect::<Result<Vec<_>>>()?))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::alarms::tests::{GW, sealed};
    use crate::store::{Store, records};
    use picket_record::chain::Parsed;
    use serde_json::json;

    /// A store in this folder with a history of two steps: every other alarm was closed, the others were cleared.
    fn history(home: &std::path::Path) -> (Store, u64) {
        let about = (0..STEP).flat_map(|n| {
            let alarm = json!({"alarm": format!("a{n}"), "rule": "door-forced"});
            let end = if n % 2 == 0 { Kind::AlarmClosed } else { Kind::AlarmCleared };
            [(Kind::AlarmRaised, alarm.clone()), (end, alarm)]
        });
        let lines = sealed(about);
        let mut store = Store::open(&home.join("central.db")).unwrap();
        let kept = store.write("storing", |db| {
            lines.iter().try_for_each(|line| {
                records::insert(db, Table::Record, &Parsed::read_bytes(line.as_bytes()).unwrap(), 7)
            })
        });
        kept.unwrap();
        (store, lines.len() as u64)
    }

    #[test]
    fn a_long_history_is_walked_to_its_end_while_another_process_writes() {
        let home = tempfile::tempdir().unwrap();
        let (store, last) = history(home.path());
        let writer = Connection::open(home.path().join("central.db")).unwrap();
        writer.execute_batch("BEGIN IMMEDIATE; DELETE FROM record").unwrap();
        // Opened to write, as whoever revokes has it: one that only reads is never asked for the lock.
        let refold = store.folded("walking", &Name::parse(GW).unwrap(), last).unwrap();
        assert_eq!(refold.upto, last);
        let sql = "SELECT count(*),count(cleared_seq) FROM open_alarm";
        let open = refold.memory.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(open.unwrap(), (STEP / 2, STEP / 2));
        writer.execute_batch("ROLLBACK").unwrap();
    }

    #[test]
    fn the_walk_looks_at_alarms_alone() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("central.db")).unwrap();
        let plan = store.read("asking for the plan", |db| {
            let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {SQL}"))?;
            let rows = statement.query_map(params![GW, 1, 9, STEP], |row| row.get::<_, String>(3))?;
            rows.collect::<Result<Vec<_>>>()
        });
        let plan = plan.unwrap().join("; ");
        assert!(plan.contains("USING INDEX record_alarm") && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}
