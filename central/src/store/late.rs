//! What comes after its turn, into a hole: folded where it belongs, and followed by what came of it since.

use super::alarms;
use super::lost_alarms::withdraw_lost;
use super::records::Row;
use super::refold::SQL;
use picket_record::chain::Parsed;
use picket_record::encode::Name;
use picket_record::kind::Kind;
use rusqlite::{Connection, Result, params};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Work for what came late in one message, under the lock of the writer: records read, or alarms compared with one. Where
/// there is more, the alarms are shown as open and not known: a person looks and closes them.
const LATE_MAX: u64 = 10_000;

/// Alarms that came late and had no row, each with the number of its record: what came of them since was folded before.
pub(crate) type Late = BTreeMap<String, u64>;

/// Folds a record that came after its turn, into a hole. A row that is there had its turn with all that came since, and
/// compares numbers; what had none is noted, and is for [`follow`].
pub(crate) fn fold_late(db: &Connection, record: &Parsed<'_>, late: &mut Late) -> Result<()> {
    let gw = &record.gw;
    withdraw_lost(db, gw, record.seq)?;
    if !matches!(record.kind, Kind::AlarmRaised | Kind::Snapshot) {
        return alarms::fold(db, record);
    }
    let data = record.data();
    let open = "SELECT 1 FROM open_alarm WHERE gw=?1 AND alarm_id=?2 AND ahead=0";
    // A person closed it because of what was said later.
    let closed = "SELECT 1 FROM closed_alarm WHERE gw=?1 AND alarm_id=?2 AND unknown_seq>?3";
    let raised = data.get("alarm").and_then(Value::as_str).filter(|_| record.kind == Kind::AlarmRaised);
    let mut done = BTreeSet::new();
    for alarm in raised.into_iter().chain(alarms::named(&data)) {
        if db.prepare_cached(open)?.exists(params![gw.as_str(), alarm])? {
            continue;
        }
        if raised.is_none() && db.prepare_cached(closed)?.exists(params![gw.as_str(), alarm, record.seq])? {
            done.insert(alarm);
        } else {
            late.entry(alarm.to_owned()).and_modify(|from| *from = record.seq.min(*from)).or_insert(record.seq);
        }
    }
    if record.kind == Kind::Snapshot && alarms::is_anew(&data) {
        alarms::doubt(db, gw, record.seq, None)?;
    }
    alarms::fold_of(db, record, &data, &|alarm| !done.contains(alarm))
}

/// What came of some alarms since their records, as far as it is trusted. Once for each message, however many came late.
pub(crate) fn follow(db: &Connection, gw: &Name, late: &Late, trusted: Option<u64>) -> Result<()> {
    let Some(from) = late.values().min() else { return Ok(()) };
    let upto = trusted.unwrap_or(i64::MAX.unsigned_abs());
    let mut statement = db.prepare_cached(SQL)?;
    let mut work = 0;
    let doubted = |alarm: &str, seq| alarms::doubt(db, gw, seq, Some(alarm));
    for row in statement.query_map(params![gw.as_str(), from, upto, LATE_MAX + 1], Row::read)? {
        let row = row?;
        work += 1;
        if work > LATE_MAX {
            // Nobody knows what came of them.
            return late.iter().try_for_each(|(alarm, from)| doubted(alarm, row.seq.max(from + 1)));
        }
        let Ok(later) = row.record(gw) else { continue };
        let data = later.data();
        if later.kind == Kind::Snapshot && alarms::is_anew(&data) {
            work += late.len() as u64 - 1;
            late.iter().filter(|(_, from)| **from < row.seq).try_for_each(|(alarm, _)| doubted(alarm, row.seq))?;
        }
        alarms::fold_of(db, &later, &data, &|alarm| late.get(alarm).is_some_and(|from| *from < later.seq))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::alarms::tests::{GW, sealed};
    use crate::store::records::{self, Table};
    use crate::store::schema::SCHEMA;
    use serde_json::{Map, json};

    /// So many alarms come late, and behind them are so many saying anew, a record of another alarm after each, and the
    /// ends of the alarms. How many are shown, and how many of these are not known.
    fn shown_after(alarms: u64, anews: u64) -> (u64, u64) {
        let of = |kind, n: u64| (kind, json!({"alarm": format!("a{n}"), "rule": "door-forced"}));
        let about = (0..alarms).map(|n| of(Kind::AlarmRaised, n));
        let anew = (0..anews).flat_map(|_| {
            let said = json!({"anew": true, "part": [1, 1], "kept": {}});
            [(Kind::Snapshot, said), (Kind::AlarmCleared, json!({"alarm": "other"}))]
        });
        let lines = sealed(about.chain(anew).chain((0..alarms).map(|n| of(Kind::AlarmClosed, n))));
        let home = tempfile::tempdir().unwrap();
        let mut store = Store::open(&home.path().join("central.db")).unwrap();
        let shown = store.write("storing", |db| {
            let mut late = Late::new();
            let records: Vec<_> = lines.iter().map(|line| Parsed::read_bytes(line.as_bytes()).unwrap()).collect();
            for record in &records {
                records::insert(db, Table::Record, record, 7)?;
            }
            records[1..=alarms as usize].iter().try_for_each(|record| fold_late(db, record, &mut late))?;
            follow(db, &Name::parse(GW).unwrap(), &late, None)?;
            let sql = "SELECT count(*),count(unknown_seq) FROM open_alarm";
            db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
        });
        shown.unwrap()
    }

    #[test]
    fn what_came_late_is_followed_as_far_as_the_work_is_allowed_and_past_that_a_person_looks() {
        // Each saying anew is compared with each alarm.
        assert_eq!(shown_after(400, 20), (0, 0));
        assert_eq!(shown_after(400, 30), (400, 400));
        // As many records as are read, and one more.
        assert_eq!(shown_after(1, LATE_MAX / 2 - 1), (0, 0));
        assert_eq!(shown_after(1, LATE_MAX / 2), (1, 1));
    }

    /// What a gateway that is put back now and then records of three alarms.
    fn words(chance: &mut impl FnMut(usize) -> usize) -> Vec<(Kind, Value)> {
        // Each open alarm: cleared, acknowledged.
        let mut known: BTreeMap<String, (bool, bool)> = BTreeMap::new();
        let mut images = vec![known.clone()];
        let mut words = Vec::new();
        while words.len() < 14 {
            let alarm = ["a", "b", "c"][chance(3)].to_owned();
            let must_close = chance(2) == 0;
            let (kind, state) = match (known.get(&alarm).copied(), chance(4)) {
                (_, 0) if chance(2) == 0 => {
                    known = images[chance(images.len())].clone();
                    let body = |(cleared, _): &(bool, bool)| json!([1, json!({"active": !cleared}).to_string()]);
                    let mut kept: Map<String, Value> =
                        known.iter().map(|(alarm, state)| (format!("alarm/{alarm}"), body(state))).collect();
                    kept.extend(
                        known.iter().filter(|(_, state)| state.1).map(|(id, _)| (format!("ack/{id}"), json!(1))),
                    );
                    words.push((Kind::Snapshot, json!({"anew": true, "part": [1, 1], "kept": kept})));
                    continue;
                }
                (None, _) | (Some((true, _)), 3) => (Kind::AlarmRaised, Some((false, false))),
                (Some((true, true)), _) => (Kind::AlarmClosed, None),
                (Some((false, acked)), 1) => (Kind::AlarmCleared, Some((true, acked && !must_close))),
                (Some((cleared, false)), _) => (Kind::ActAcknowledged, Some((cleared, true))),
                (Some(_), _) => continue,
            };
            words.push((kind, json!({"alarm": alarm, "guard_must_close": must_close})));
            match state {
                Some(state) => known.insert(alarm, state),
                None => known.remove(&alarm),
            };
            images.push(known.clone());
        }
        words
    }

    /// Each open alarm: holds, is not known, is acknowledged.
    fn shown(db: &Connection) -> Vec<(String, bool, bool, bool)> {
        let sql = "SELECT alarm_id,cleared_seq IS NULL,unknown_seq IS NOT NULL,acked_seq IS NOT NULL
                   FROM open_alarm ORDER BY alarm_id";
        let mut statement = db.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
        rows.collect::<Result<_>>().unwrap()
    }

    #[test]
    fn whatever_comes_late_and_in_whatever_order_the_alarms_are_as_if_it_had_come_in_its_turn() {
        for seed in 0..300_u64 {
            let mut state = seed;
            // splitmix64
            let mut chance = |below: usize| {
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                ((mixed ^ (mixed >> 31)) % below as u64) as usize
            };
            let words = words(&mut chance);
            let lines = sealed(words.iter().cloned());
            let records: Vec<_> = lines.iter().map(|line| Parsed::read_bytes(line.as_bytes()).unwrap()).collect();
            let [in_turn, late] = [(); 2].map(|()| Connection::open_in_memory().unwrap());
            [&in_turn, &late].iter().for_each(|db| db.execute_batch(SCHEMA).unwrap());
            let mut hole = Vec::new();
            for record in &records {
                alarms::fold(&in_turn, record).unwrap();
                if chance(3) == 0 {
                    hole.insert(chance(hole.len() + 1), record);
                } else {
                    records::insert(&late, Table::Record, record, 7).unwrap();
                    alarms::fold(&late, record).unwrap();
                }
            }
            // Some in one message.
            let mut of_message = Late::new();
            for record in &hole {
                records::insert(&late, Table::Record, record, 7).unwrap();
                fold_late(&late, record, &mut of_message).unwrap();
                if chance(2) == 0 {
                    follow(&late, &record.gw, &std::mem::take(&mut of_message), None).unwrap();
                }
            }
            follow(&late, &records[0].gw, &of_message, None).unwrap();
            let (expected, found) = (shown(&in_turn), shown(&late));
            let numbers: Vec<u64> = hole.iter().map(|record| record.seq).collect();
            let told = format!("seed {seed}, late {numbers:?}, {words:#?}: {found:?} instead of {expected:?}");
            assert_eq!(found.len(), expected.len(), "{told}");
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!((&found.0, found.1, found.2), (&expected.0, expected.1, expected.2), "{told}");
                // One that came behind a newer clearing counts no more: somebody looks once more.
                assert!(expected.3 || !found.3, "{told}");
            }
        }
    }
}
