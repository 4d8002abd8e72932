//! The tables as SQLite makes them, and what a store of an earlier version lacks.

use super::{lost_alarms, personal};
use rusqlite::{Connection, Result};

/// Makes what is missing.
pub(super) fn make(db: &Connection) -> Result<()> {
    db.execute_batch(SCHEMA)?;
    db.execute_batch(personal::TABLE)?;
    personal::tell_apart(db)?;
    let has = |table, column| db.prepare("SELECT 1 FROM pragma_table_info(?1) WHERE name=?2")?.exists([table, column]);
    for (table, column, form) in ADDED {
        if !has(table, column)? {
            db.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column} {form}"))?;
        }
    }
    // Nobody read it; the certificate itself says it.
    if has("certificate", "serial")? {
        db.execute_batch("ALTER TABLE certificate DROP COLUMN serial")?;
    }
    lost_alarms::take_over(db)
}

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS record(gw TEXT NOT NULL, seq INTEGER NOT NULL, ep INTEGER NOT NULL, kind TEXT NOT NULL,
  sev INTEGER NOT NULL, eq TEXT, link BLOB NOT NULL, line TEXT NOT NULL, received_ms INTEGER NOT NULL,
  PRIMARY KEY(gw, seq)) STRICT;
CREATE INDEX IF NOT EXISTS record_alarm ON record(gw, seq)
  WHERE kind IN ('alarm.raised','alarm.cleared','alarm.closed','act.acknowledged','snapshot');
CREATE TABLE IF NOT EXISTS ahead(gw TEXT NOT NULL, seq INTEGER NOT NULL, ep INTEGER NOT NULL, kind TEXT NOT NULL,
  sev INTEGER NOT NULL, eq TEXT, link BLOB NOT NULL, line TEXT NOT NULL, received_ms INTEGER NOT NULL,
  PRIMARY KEY(gw, seq)) STRICT;
CREATE TABLE IF NOT EXISTS fork(gw TEXT NOT NULL, seq INTEGER NOT NULL, ep INTEGER NOT NULL, kind TEXT NOT NULL,
  sev INTEGER NOT NULL, eq TEXT, link BLOB NOT NULL, line TEXT NOT NULL, received_ms INTEGER NOT NULL,
  branch INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(gw, seq, link)) STRICT;
CREATE TABLE IF NOT EXISTS branch(gw TEXT NOT NULL, id INTEGER NOT NULL, from_seq INTEGER NOT NULL,
  last_seq INTEGER NOT NULL, ep INTEGER NOT NULL, opened_seq INTEGER, since_ms INTEGER NOT NULL, why TEXT NOT NULL,
  records INTEGER NOT NULL, beyond INTEGER NOT NULL, contradicts INTEGER NOT NULL,
  left_behind INTEGER, left_ms INTEGER,
  PRIMARY KEY(gw, id)) STRICT;
CREATE TABLE IF NOT EXISTS rollback(gw TEXT NOT NULL, seq INTEGER NOT NULL, ep INTEGER NOT NULL,
  tail_state TEXT NOT NULL, found_seq INTEGER, found_fits INTEGER, received_ms INTEGER NOT NULL,
  PRIMARY KEY(gw, seq)) STRICT;
CREATE TABLE IF NOT EXISTS lost(gw TEXT NOT NULL, from_seq INTEGER NOT NULL, to_seq INTEGER NOT NULL,
  declared_by INTEGER NOT NULL, since_ms INTEGER NOT NULL, PRIMARY KEY(gw, from_seq)) STRICT;
CREATE TABLE IF NOT EXISTS erased(gw TEXT NOT NULL, from_seq INTEGER NOT NULL, to_seq INTEGER NOT NULL,
  by_seq INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS erased_gw ON erased(gw, from_seq);
CREATE TABLE IF NOT EXISTS life(gw TEXT PRIMARY KEY, heard_ms INTEGER NOT NULL, every_s INTEGER NOT NULL,
  stopped INTEGER NOT NULL, silent_ms INTEGER, stopped_seq INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE IF NOT EXISTS revoked(gw TEXT PRIMARY KEY, after_seq INTEGER NOT NULL, approved_by TEXT NOT NULL,
  at_ms INTEGER NOT NULL) STRICT;
CREATE VIEW IF NOT EXISTS trusted_record AS SELECT r.* FROM record r LEFT JOIN revoked v ON v.gw=r.gw
  WHERE v.after_seq IS NULL OR r.seq<=v.after_seq;
CREATE TABLE IF NOT EXISTS quarantine(id INTEGER PRIMARY KEY, gw TEXT NOT NULL, received_ms INTEGER NOT NULL,
  reason TEXT NOT NULL, line TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS quarantine_gw ON quarantine(gw, id);
CREATE TABLE IF NOT EXISTS quarantined(gw TEXT PRIMARY KEY, total INTEGER NOT NULL, dropped INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS epoch(gw TEXT NOT NULL, ep INTEGER NOT NULL, epk BLOB NOT NULL, open_seq INTEGER NOT NULL,
  PRIMARY KEY(gw, ep)) STRICT;
CREATE TABLE IF NOT EXISTS receipt(gw TEXT NOT NULL, n INTEGER NOT NULL, upto INTEGER NOT NULL, state TEXT NOT NULL,
  ts_ms INTEGER NOT NULL, line TEXT NOT NULL, PRIMARY KEY(gw, n)) STRICT;
CREATE TABLE IF NOT EXISTS gateway(gw TEXT PRIMARY KEY, site TEXT NOT NULL, identity BLOB NOT NULL,
  accepted_line TEXT NOT NULL, accepted_link BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS left_out(gw TEXT PRIMARY KEY, why TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS token(id BLOB PRIMARY KEY, site TEXT NOT NULL, gw TEXT NOT NULL, exp_ms INTEGER NOT NULL,
  used_ms INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS ordered(gw TEXT NOT NULL, ver INTEGER NOT NULL, link BLOB NOT NULL, line TEXT NOT NULL,
  register TEXT, approved_by TEXT NOT NULL, made_ms INTEGER NOT NULL, PRIMARY KEY(gw, ver)) STRICT;
CREATE TABLE IF NOT EXISTS commanded(gw TEXT NOT NULL, n INTEGER NOT NULL, line TEXT NOT NULL,
  approved_by TEXT NOT NULL, made_ms INTEGER NOT NULL, PRIMARY KEY(gw, n)) STRICT;
CREATE TABLE IF NOT EXISTS answered(gw TEXT NOT NULL, about TEXT NOT NULL, n INTEGER NOT NULL, seq INTEGER NOT NULL,
  reason TEXT NOT NULL, cause TEXT NOT NULL, received_ms INTEGER NOT NULL, PRIMARY KEY(gw, about)) STRICT;
CREATE TABLE IF NOT EXISTS certificate(gw TEXT NOT NULL, key BLOB NOT NULL, until_s INTEGER NOT NULL,
  made_ms INTEGER NOT NULL, line TEXT NOT NULL, PRIMARY KEY(gw, key)) STRICT;
CREATE TABLE IF NOT EXISTS open_alarm(gw TEXT NOT NULL, alarm_id TEXT NOT NULL, rule TEXT, eq TEXT,
  sev INTEGER NOT NULL, raised_seq INTEGER NOT NULL, raised_ms INTEGER, cleared_seq INTEGER, acked_seq INTEGER,
  ahead INTEGER NOT NULL, unknown_seq INTEGER, ep INTEGER,
  said_seq INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(gw, alarm_id, ahead)) STRICT;
CREATE TABLE IF NOT EXISTS lost_alarm(gw TEXT NOT NULL, raised_seq INTEGER NOT NULL, alarm_id TEXT NOT NULL, rule TEXT,
  eq TEXT, sev INTEGER NOT NULL, raised_ms INTEGER, ep INTEGER, PRIMARY KEY(gw, raised_seq)) STRICT;
CREATE TABLE IF NOT EXISTS unordered_drill(gw TEXT NOT NULL, id TEXT NOT NULL, auth BLOB NOT NULL, why TEXT NOT NULL,
  from_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, records INTEGER NOT NULL, since_ms INTEGER NOT NULL,
  PRIMARY KEY(gw, id, auth, why)) STRICT;
CREATE TABLE IF NOT EXISTS closed_alarm(gw TEXT NOT NULL, alarm_id TEXT NOT NULL, raised_seq INTEGER NOT NULL,
  unknown_seq INTEGER NOT NULL, closed_by TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT;
";

/// Columns that a store of an earlier version lacks.
const ADDED: [(&str, &str, &str); 5] = [
    ("fork", "branch", "INTEGER NOT NULL DEFAULT 0"),
    ("open_alarm", "unknown_seq", "INTEGER"),
    ("open_alarm", "ep", "INTEGER"),
    ("open_alarm", "said_seq", "INTEGER NOT NULL DEFAULT 0"),
    ("life", "stopped_seq", "INTEGER NOT NULL DEFAULT 0"),
];
