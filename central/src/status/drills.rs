//! The drill that runs at one gateway, and records of drills that nobody ordered.

use picket_record::chain::Parsed;
use picket_record::encode::Name;
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::Value;

const UNORDERED: &str = "
SELECT 'NOT ORDERED, treated as live: '
  ||iif(records=1, 'record '||from_seq||' says that it is',
    records||' records from '||from_seq||' to '||last_seq||' say that they are')
  ||' of drill '||id||': '||why
FROM unordered_drill WHERE gw=?1 ORDER BY from_seq DESC LIMIT ?2";

/// Records that are looked through for the last word about a drill: some weeks.
const LOOKED_THROUGH: u64 = 50_000;

/// Lines for a person; none where nothing was ever said of a drill.
pub(super) fn rows(db: &Connection, gw: &Name) -> rusqlite::Result<Vec<String>> {
    let mut told = super::rows(db, UNORDERED, gw)?;
    let sql = "SELECT line FROM record WHERE gw=?1 AND kind IN ('exercise.started','exercise.ended')
               AND seq > (SELECT max(seq) FROM record WHERE gw=?1) - ?2 ORDER BY seq DESC LIMIT 1";
    let bytes = |row: &rusqlite::Row<'_>| Ok(row.get_ref(0)?.as_bytes().unwrap_or_default().to_vec());
    let line: Option<Vec<u8>> = db.prepare(sql)?.query_row((gw.as_str(), LOOKED_THROUGH), bytes).optional()?;
    // A line that can no longer be read says nothing.
    let Some(record) = line.as_deref().and_then(|line| Parsed::read_bytes(line).ok()) else { return Ok(told) };
    let (data, seq) = (record.data(), record.seq);
    let text = |field: &str| data.get(field).and_then(Value::as_str).unwrap_or_default();
    told.push(match record.kind.as_str() {
        "exercise.started" => format!("DRILL {} RUNS since record {seq}", text("id")),
        _ => format!("drill {} ended with record {seq}: {}", text("id"), text("why")),
    });
    Ok(told)
}
