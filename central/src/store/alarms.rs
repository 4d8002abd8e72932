//! Rows of `open_alarm`: the fold of alarm records in the order of their numbers.
//!
//! An alarm that comes before its turn is shown at once in a row of its own, marked `ahead`, beside an older alarm of
//! this name; when the chain reaches its record, the mark goes. Every step compares numbers, so that an older record never
//! undoes a newer one and each counts once.

use picket_record::chain::Parsed;
use picket_record::encode::Name;
use picket_record::kind::Kind;
use rusqlite::{Connection, Result, params};
use serde_json::{Map, Value};

/// Takes a record in its place.
pub(crate) fn fold(db: &Connection, record: &Parsed<'_>) -> Result<()> {
    let sql = match record.kind {
        Kind::AlarmRaised => return raise(db, record, false),
        Kind::AlarmCleared => return clear(db, record),
        Kind::ActAcknowledged => {
            "UPDATE open_alarm SET acked_seq=?3 WHERE gw=?1 AND alarm_id=?2 AND ahead=0 AND raised_seq<?3"
        }
        Kind::AlarmClosed => "DELETE FROM open_alarm WHERE gw=?1 AND alarm_id=?2 AND ahead=0 AND raised_seq<?3",
        _ => return Ok(()),
    };
    let data = record.data();
    if let Some(alarm) = text(&data, "alarm") {
        db.prepare_cached(sql)?.execute(params![record.gw.as_str(), alarm, record.seq])?;
    }
    Ok(())
}

/// Shows an alarm whose record came before its turn. Anything else waits.
pub(crate) fn show_ahead(db: &Connection, record: &Parsed<'_>) -> Result<()> {
    if record.kind == Kind::AlarmRaised { raise(db, record, true) } else { Ok(()) }
}

/// Takes back what was shown for a record that turned out not to belong to the chain.
pub(crate) fn withdraw(db: &Connection, gw: &Name, seq: u64) -> Result<()> {
    db.prepare_cached("DELETE FROM open_alarm WHERE gw=?1 AND raised_seq=?2 AND ahead=1")?
        .execute(params![gw.as_str(), seq])?;
    Ok(())
}

fn clear(db: &Connection, record: &Parsed<'_>) -> Result<()> {
    let data = record.data();
    let Some(alarm) = text(&data, "alarm") else { return Ok(()) };
    // The equipment's silence is not trusted then: the gateway takes back what a guard had acknowledged.
    let must_close = data.get("guard_must_close") == Some(&Value::Bool(true));
    let sql = "UPDATE open_alarm SET cleared_seq=?3, acked_seq=iif(?4, NULL, acked_seq)
               WHERE gw=?1 AND alarm_id=?2 AND ahead=0 AND raised_seq<?3";
    db.prepare_cached(sql)?.execute(params![record.gw.as_str(), alarm, record.seq, must_close])?;
    Ok(())
}

fn raise(db: &Connection, record: &Parsed<'_>, ahead: bool) -> Result<()> {
    let data = record.data();
    let Some(alarm) = text(&data, "alarm") else { return Ok(()) };
    let sql = "INSERT INTO open_alarm(gw,alarm_id,rule,eq,sev,raised_seq,raised_ms,cleared_seq,acked_seq,ahead)
               VALUES(?1,?2,?3,?4,?5,?6,?7,NULL,NULL,?8)
               ON CONFLICT(gw,alarm_id,ahead) DO UPDATE SET rule=excluded.rule, eq=excluded.eq, sev=excluded.sev,
                 raised_seq=excluded.raised_seq, raised_ms=excluded.raised_ms, cleared_seq=NULL, acked_seq=NULL
               WHERE excluded.raised_seq>=raised_seq";
    db.prepare_cached(sql)?.execute(params![
        record.gw.as_str(),
        alarm,
        text(&data, "rule"),
        record.eq,
        record.sev as u8,
        record.seq,
        record.wall_ms,
        ahead
    ])?;
    if !ahead {
        db.prepare_cached("DELETE FROM open_alarm WHERE gw=?1 AND alarm_id=?2 AND ahead=1 AND raised_seq<=?3")?
            .execute(params![record.gw.as_str(), alarm, record.seq])?;
    }
    Ok(())
}

fn text<'a>(data: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    data.get(field).and_then(Value::as_str)
}
