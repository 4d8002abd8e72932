//! Rows of `open_alarm`: the fold of alarm records in the order of their numbers.
//!
//! An alarm that comes before its turn is shown at once in a row of its own, marked `ahead`, beside an older alarm of
//! this name; when the chain reaches its record, the mark goes. Every step compares numbers, so that an older record never
//! undoes a newer one and each counts once: those of the last record that raised it, said it anew, cleared it and
//! acknowledged it are in its row.
//!
//! A gateway whose disk was put back says its whole state again behind the opening that goes on (`snapshot` with `part`,
//! the first with `anew`): what that says holds. An alarm that it does not name stays, marked with the number of that
//! record: the gateway no longer knows it, so a person closes it here.

use picket_record::chain::Parsed;
use picket_record::encode::Name;
use picket_record::kind::Kind;
use rusqlite::{Connection, Result, params};
use serde_json::{Map, Value};

/// Which alarms are meant.
pub(super) type Meant<'a> = &'a dyn Fn(&str) -> bool;

/// Takes a record in its place.
pub(crate) fn fold(db: &Connection, record: &Parsed<'_>) -> Result<()> {
    match record.kind {
        Kind::AlarmRaised | Kind::AlarmCleared | Kind::AlarmClosed | Kind::ActAcknowledged => {
            fold_of(db, record, &record.data(), &|_| true)
        }
        Kind::Snapshot => {
            let data = record.data();
            if is_anew(&data) {
                doubt(db, &record.gw, record.seq, None)?;
            }
            fold_of(db, record, &data, &|_| true)
        }
        _ => Ok(()),
    }
}

/// What a record with this data says of some alarms. What it does not name is for [`doubt`].
pub(super) fn fold_of(db: &Connection, record: &Parsed<'_>, data: &Map<String, Value>, meant: Meant<'_>) -> Result<()> {
    if record.kind == Kind::Snapshot {
        return say(db, record, data, meant);
    }
    let Some(alarm) = text(data, "alarm").filter(|alarm| meant(alarm)) else { return Ok(()) };
    match record.kind {
        Kind::AlarmRaised => raise(db, record, data, false),
        Kind::AlarmCleared => clear(db, record, data),
        Kind::ActAcknowledged => told(
            db,
            "UPDATE open_alarm SET acked_seq=?3 WHERE gw=?1 AND alarm_id=?2 AND ahead=0 AND max(raised_seq,said_seq)<?3
             AND coalesce(acked_seq,0)<?3 AND coalesce(cleared_seq,0)<?3",
            (record, alarm),
        ),
        // Of what was said or done later it was open.
        Kind::AlarmClosed => told(
            db,
            "DELETE FROM open_alarm WHERE gw=?1 AND alarm_id=?2 AND ahead=0 AND max(raised_seq,said_seq)<?3
             AND coalesce(acked_seq,0)<?3 AND coalesce(cleared_seq,0)<?3",
            (record, alarm),
        ),
        _ => Ok(()),
    }
}

fn told(db: &Connection, sql: &str, (record, alarm): (&Parsed<'_>, &str)) -> Result<()> {
    db.prepare_cached(sql)?.execute(params![record.gw.as_str(), alarm, record.seq]).map(drop)
}

/// Shows an alarm whose record came before its turn. Anything else waits.
pub(crate) fn show_ahead(db: &Connection, record: &Parsed<'_>) -> Result<()> {
    if record.kind == Kind::AlarmRaised { raise(db, record, &record.data(), true) } else { Ok(()) }
}

/// Takes back what was shown for a record that turned out not to belong to the chain.
pub(crate) fn withdraw(db: &Connection, gw: &Name, seq: u64) -> Result<()> {
    db.prepare_cached("DELETE FROM open_alarm WHERE gw=?1 AND raised_seq=?2 AND ahead=1")?
        .execute(params![gw.as_str(), seq])?;
    Ok(())
}

/// Takes back every alarm that was shown before its turn and is of an epoch before this one, whether its record is kept
/// or was passed: the gateway left the history that they are of.
pub(crate) fn withdraw_before(db: &Connection, gw: &Name, ep: u64) -> Result<()> {
    db.prepare_cached("DELETE FROM open_alarm WHERE gw=?1 AND ep<?2 AND ahead=1")?.execute(params![gw.as_str(), ep])?;
    Ok(())
}

/// Takes back every alarm that was shown before its turn and in whose place the chain has another record: its own was
/// passed, or it would have been found when its turn came.
pub(crate) fn withdraw_passed(db: &Connection, gw: &Name, head: u64) -> Result<()> {
    let sql = "DELETE FROM open_alarm WHERE gw=?1 AND ahead=1 AND raised_seq<=?2
               AND EXISTS(SELECT 1 FROM record r WHERE r.gw=?1 AND r.seq=open_alarm.raised_seq)";
    db.prepare_cached(sql)?.execute(params![gw.as_str(), head])?;
    Ok(())
}

fn clear(db: &Connection, record: &Parsed<'_>, data: &Map<String, Value>) -> Result<()> {
    // The equipment's silence is not trusted then: the gateway takes back what a guard had acknowledged.
    let must_close = data.get("guard_must_close") == Some(&Value::Bool(true));
    let sql = "UPDATE open_alarm SET cleared_seq=max(coalesce(cleared_seq,0),?3),
                 acked_seq=iif(?4 AND acked_seq<?3, NULL, acked_seq)
               WHERE gw=?1 AND alarm_id=?2 AND ahead=0 AND max(raised_seq,said_seq)<?3";
    db.prepare_cached(sql)?.execute(params![record.gw.as_str(), text(data, "alarm"), record.seq, must_close])?;
    Ok(())
}

fn raise(db: &Connection, record: &Parsed<'_>, data: &Map<String, Value>, ahead: bool) -> Result<()> {
    let Some(alarm) = text(data, "alarm") else { return Ok(()) };
    let sql = "INSERT INTO open_alarm(gw,alarm_id,rule,eq,sev,raised_seq,raised_ms,cleared_seq,acked_seq,ahead,ep)
               VALUES(?1,?2,?3,?4,?5,?6,?7,NULL,NULL,?8,?9)
               ON CONFLICT(gw,alarm_id,ahead) DO UPDATE SET rule=excluded.rule, eq=excluded.eq, sev=excluded.sev,
                 raised_seq=excluded.raised_seq, raised_ms=excluded.raised_ms, ep=excluded.ep,
                 cleared_seq=iif(cleared_seq>excluded.raised_seq, cleared_seq, NULL),
                 acked_seq=iif(acked_seq>excluded.raised_seq, acked_seq, NULL),
                 unknown_seq=iif(unknown_seq>excluded.raised_seq, unknown_seq, NULL)
               WHERE excluded.raised_seq>=max(raised_seq,said_seq)";
    db.prepare_cached(sql)?.execute(params![
        record.gw.as_str(),
        alarm,
        text(data, "rule"),
        record.eq,
        record.sev as u8,
        record.seq,
        record.wall_ms,
        ahead,
        record.ep
    ])?;
    if !ahead {
        db.prepare_cached("DELETE FROM open_alarm WHERE gw=?1 AND alarm_id=?2 AND ahead=1 AND raised_seq<=?3")?
            .execute(params![record.gw.as_str(), alarm, record.seq])?;
    }
    Ok(())
}

/// Whether from here on its gateway says again all that it knows.
pub(super) fn is_anew(data: &Map<String, Value>) -> bool {
    data.get("anew") == Some(&Value::Bool(true))
}

/// The alarms that a gateway says anew are open.
pub(super) fn named(data: &Map<String, Value>) -> impl Iterator<Item = &str> {
    said(data).filter_map(|(key, _)| key.strip_prefix("alarm/"))
}

/// Rows that a gateway says anew. Those that pruning says again have no `part`, and are known here.
fn said(data: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    data.get("part").and_then(|_| data.get("kept")).and_then(Value::as_object).into_iter().flatten()
}

/// Marks each alarm, or one, as no longer known since this record, until something newer says that it is.
pub(super) fn doubt(db: &Connection, gw: &Name, seq: u64, alarm: Option<&str>) -> Result<()> {
    let sql = "UPDATE open_alarm SET unknown_seq=?2 WHERE gw=?1 AND ahead=0 AND max(raised_seq,said_seq)<?2
               AND coalesce(unknown_seq,0)<?2 AND alarm_id=coalesce(?3,alarm_id)";
    db.prepare_cached(sql)?.execute(params![gw.as_str(), seq, alarm])?;
    Ok(())
}

/// Follows a part of what a gateway says anew: rows of alarms, then what guards did about them.
fn say(db: &Connection, record: &Parsed<'_>, data: &Map<String, Value>, meant: Meant<'_>) -> Result<()> {
    let alarms = said(data).filter_map(|(key, said)| Some((key.strip_prefix("alarm/")?, said)));
    for (id, row) in alarms.filter(|(id, _)| meant(id)) {
        let body = row.get(1).and_then(Value::as_str).and_then(|body| serde_json::from_str(body).ok());
        if let Some(Value::Object(row)) = body {
            hold(db, record, id, &row)?;
        }
    }
    let sql =
        "UPDATE open_alarm SET acked_seq=?3 WHERE gw=?1 AND alarm_id=?2 AND ahead=0 AND raised_seq<=?3 AND said_seq<=?3
               AND coalesce(acked_seq,0)<?3 AND coalesce(cleared_seq,0)<=?3 AND coalesce(unknown_seq,?3+1)>?3";
    let acks = said(data).filter_map(|(key, _)| key.strip_prefix("ack/"));
    acks.filter(|id| meant(id)).try_for_each(|id| told(db, sql, (record, id)))
}

/// An alarm is open as its gateway says.
fn hold(db: &Connection, record: &Parsed<'_>, id: &str, row: &Map<String, Value>) -> Result<()> {
    let active = row.get("active") != Some(&Value::Bool(false));
    let sql =
        "INSERT INTO open_alarm(gw,alarm_id,rule,eq,sev,raised_seq,raised_ms,cleared_seq,acked_seq,ahead,said_seq)
               VALUES(?1,?2,?3,?4,?5,?6,?7,iif(?8,NULL,?6),NULL,0,?6)
               ON CONFLICT(gw,alarm_id,ahead) DO UPDATE SET rule=excluded.rule, eq=excluded.eq, sev=excluded.sev,
                 said_seq=excluded.said_seq,
                 cleared_seq=iif(cleared_seq>excluded.said_seq, cleared_seq, excluded.cleared_seq),
                 acked_seq=iif(acked_seq>excluded.said_seq, acked_seq, NULL),
                 unknown_seq=iif(unknown_seq>excluded.said_seq, unknown_seq, NULL)
               WHERE excluded.said_seq>=max(raised_seq,said_seq)";
    db.prepare_cached(sql)?.execute(params![
        record.gw.as_str(),
        id,
        text(row, "rule"),
        text(row, "eq"),
        row.get("sev").and_then(Value::as_u64).filter(|sev| *sev <= 4).unwrap_or(4),
        record.seq,
        row.get("since_ms").and_then(Value::as_i64),
        active
    ])?;
    Ok(())
}

/// A person closes an alarm that its gateway no longer knows; false where there is none.
pub(crate) fn close_unknown(db: &Connection, gw: &Name, id: &str, by: &str, now_ms: i64) -> Result<bool> {
    let sql = "INSERT INTO closed_alarm(gw,alarm_id,raised_seq,unknown_seq,closed_by,at_ms)
               SELECT gw,alarm_id,raised_seq,unknown_seq,?3,?4 FROM open_alarm
               WHERE gw=?1 AND alarm_id=?2 AND unknown_seq IS NOT NULL";
    let found = db.prepare_cached(sql)?.execute(params![gw.as_str(), id, by, now_ms])? > 0;
    db.prepare_cached("DELETE FROM open_alarm WHERE gw=?1 AND alarm_id=?2 AND unknown_seq IS NOT NULL")?
        .execute(params![gw.as_str(), id])?;
    Ok(found)
}

fn text<'a>(data: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    data.get(field).and_then(Value::as_str)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::store::schema::SCHEMA;
    use picket_record::body::{Body, ClockQuality, ClockSource, When};
    use picket_record::chain::{Head, Opening, Origin, Sealer, TailState};
    use picket_record::keys::IdentityKey;
    use picket_record::kind::Severity;
    use serde_json::json;

    pub(in crate::store) const GW: &str = "gate-7";

    /// The lines of a chain: its opening, then these about alarms.
    pub(in crate::store) fn sealed(about: impl IntoIterator<Item = (Kind, Value)>) -> Vec<String> {
        let name = |text| Name::parse(text).unwrap();
        let clock = ClockQuality { src: ClockSource::None, sync: false, err_ms: 0, age_s: 0, era: 0 };
        let when = When { boot: "b".into(), mono_us: 1, wall_ms: None, clock };
        let origin = Origin { site: name("yard"), gw: name(GW) };
        let opening = Opening { tail_state: TailState::Genesis, found: None, last_receipt: None, version: "0".into() };
        let (identity, head) = (IdentityKey::from_seed([1; 32]), Head::genesis([3; 32]));
        let (mut sealer, first) = Sealer::open(&origin, &identity, [2; 32], head, &opening, &when).unwrap();
        let mut lines = vec![first.line];
        for (kind, data) in about {
            let body = Body::new(when.clone(), kind, Severity::Security, data.as_object().unwrap().clone());
            lines.push(sealer.seal(&body).unwrap().line);
        }
        lines
    }

    #[test]
    fn an_older_word_on_an_alarm_never_undoes_a_newer_one_in_whatever_order_they_are_folded() {
        let of = |more: Value| {
            let mut data = json!({"alarm": "a"});
            data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            data
        };
        let (plain, close) = (of(json!({})), of(json!({"guard_must_close": true})));
        let (acked, cleared) = (Kind::ActAcknowledged, Kind::AlarmCleared);
        // Records 3 and 4, and the state they lead to: cleared by, acknowledged by.
        let cases = [
            ([(acked, &plain), (acked, &plain)], (None, Some(4))),
            ([(cleared, &plain), (cleared, &plain)], (Some(4), None)),
            ([(cleared, &close), (acked, &plain)], (Some(3), Some(4))),
            ([(cleared, &plain), (acked, &plain)], (Some(3), Some(4))),
            ([(acked, &plain), (cleared, &close)], (Some(4), None)),
        ];
        for (words, expected) in cases {
            let raised = (Kind::AlarmRaised, of(json!({"rule": "door-forced"})));
            let lines = sealed([raised].into_iter().chain(words.map(|(kind, data)| (kind, data.clone()))));
            for order in [[1, 2, 3], [1, 3, 2]] {
                let db = Connection::open_in_memory().unwrap();
                db.execute_batch(SCHEMA).unwrap();
                for line in order {
                    fold(&db, &Parsed::read_bytes(lines[line].as_bytes()).unwrap()).unwrap();
                }
                let sql = "SELECT cleared_seq,acked_seq FROM open_alarm";
                let found: (Option<u64>, Option<u64>) =
                    db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
                assert_eq!(found, expected, "{words:?} in the order {order:?}");
            }
        }
    }
}
