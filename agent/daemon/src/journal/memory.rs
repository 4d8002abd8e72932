//! State rows: written with the record that changes them, checked at start against their records and the signed
//! snapshot, folded again where they do not match.

use super::Fault;
use super::at_rest::numbered;
use super::store::Store;
use picket_core::memory::{Change, Stated, changes};
use picket_core::wire::StateRow;
use picket_record::chain::Parsed;
use picket_record::kind::{Kind, Severity};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

mod since;

/// Rows that are read back at once when everything is folded again.
const FOLD_PAGE: u64 = 1_000;

/// Applies what a record says to the rows.
pub(super) fn apply(store: &Store, seq: u64, stated: Stated<'_>) -> Result<(), Fault> {
    for change in changes(stated) {
        match change {
            Change::Put { key, body } => write(store, &StateRow { key, body, seq }, seq)?,
            Change::Again(row) => write(store, &row, seq)?,
            Change::Drop { key } => {
                store.run("DELETE FROM state WHERE key = ?1", [key], "cannot drop a state row")?;
            }
            Change::Clear => drop(store.run("DELETE FROM state", [], "cannot clear the state")?),
        }
    }
    Ok(())
}

fn write(store: &Store, row: &StateRow, stands_on: u64) -> Result<(), Fault> {
    let sql = "INSERT INTO state(key, body, said, seq) VALUES(?1, ?2, ?3, ?4)
               ON CONFLICT(key) DO UPDATE SET body = excluded.body, said = excluded.said, seq = excluded.seq";
    store.run(sql, (&row.key, &row.body, row.seq, stands_on), "cannot write a state row").map(drop)
}

/// All rows, by key.
pub(super) fn rows(store: &Store) -> Result<Vec<StateRow>, Fault> {
    Ok(standing(store)?.into_iter().map(|(row, _)| row).collect())
}

/// All rows, by key, each with the record that it stands on.
fn standing(store: &Store) -> Result<Vec<(StateRow, u64)>, Fault> {
    store.rows("SELECT key, body, said, seq FROM state ORDER BY key", [], "cannot read the state", |row| {
        Ok((StateRow { key: row.get(0)?, body: row.get(1)?, seq: row.get(2)? }, row.get(3)?))
    })
}

/// What a snapshot states: how many rows, and SHA-256 over `key LF body LF` of each in order of keys.
pub(super) fn snapshot(store: &Store) -> Result<Map<String, Value>, Fault> {
    let rows = rows(store)?;
    let mut data = Map::new();
    data.insert("rows".into(), rows.len().into());
    data.insert("digest".into(), digest(&rows).into());
    Ok(data)
}

fn digest(rows: &[StateRow]) -> String {
    let mut hash = Sha256::new();
    for row in rows {
        hash.update(row.key.as_bytes());
        hash.update(b"\n");
        hash.update(row.body.as_bytes());
        hash.update(b"\n");
    }
    picket_record::encode::base64url(&hash.finalize())
}

/// The check of the rows at start.
pub(super) struct StateCheck;

impl StateCheck {
    /// Every row must say what its signed record says; after a stop in order the digest must be the signed one, after
    /// another the rows must be those that records name since the last one (see `since`). Where that does not hold, all rows
    /// are folded again from the records.
    pub(super) fn run(store: &Store, head: u64, damage: &mut Vec<Value>) -> Result<(), Fault> {
        let Some(cause) = Self::mismatch(store, head)? else { return Ok(()) };
        super::salvage::whole(store)?;
        store.transaction(|| {
            damage.push(json!({ "what": "state", "cause": cause, "rows": refold(store)? }));
            super::salvage::note(store, damage)
        })
    }

    fn mismatch(store: &Store, head: u64) -> Result<Option<String>, Fault> {
        let rows = match standing(store) {
            // SQLite read them, but they are not what a row is.
            Err(Fault::Disk { source, .. }) if source.sqlite_error_code().is_none() => {
                return Ok(Some(source.to_string()));
            }
            rows => rows?,
        };
        for (row, seq) in &rows {
            if *seq > head || !written_by(store, row, *seq)? {
                return Ok(Some(format!("row {} is not what record {seq} says", row.key)));
            }
        }
        let rows: Vec<StateRow> = rows.into_iter().map(|(row, _)| row).collect();
        // A stop in order ends with snapshot and epoch.close: nothing changed the rows since.
        let Some(signed) = signed_digest(store, head)? else { return since::mismatch(store, head, &rows) };
        Ok((signed != digest(&rows)).then(|| "rows do not match the signed digest".to_owned()))
    }
}

/// Whether the record that a row stands on says exactly this row. Pruning says a row again before its record goes.
fn written_by(store: &Store, row: &StateRow, seq: u64) -> Result<bool, Fault> {
    let Some(line) = store.line(seq)? else { return Ok(false) };
    let mut same = false;
    with_stated(&line, |_, stated| {
        let said = match row.seq == seq {
            true => Change::Put { key: row.key.clone(), body: row.body.clone() },
            false => Change::Again(row.clone()),
        };
        same = changes(stated).contains(&said);
    });
    Ok(same)
}

fn signed_digest(store: &Store, head: u64) -> Result<Option<String>, Fault> {
    let (Some(last), Some(before)) = (store.line(head)?, store.line(head.saturating_sub(1))?) else {
        return Ok(None);
    };
    let kinds = (Parsed::read_bytes(&last).ok(), Parsed::read_bytes(&before).ok());
    Ok(match kinds {
        (Some(last), Some(before)) if last.kind == Kind::EpochClose && before.kind == Kind::Snapshot => {
            before.data().get("digest").and_then(Value::as_str).map(str::to_owned)
        }
        _ => None,
    })
}

/// Folds every record again, oldest first, in pages, inside a transaction; what is kept of epochs and urgent records comes
/// back too. How many rows there are.
pub(super) fn refold(store: &Store) -> Result<u64, Fault> {
    store.run("DELETE FROM state", [], "cannot clear the state")?;
    let mut after = 0u64;
    loop {
        let page: Vec<(u64, Vec<u8>)> = store.rows(
            "SELECT seq, line FROM record WHERE seq > ?1 ORDER BY seq LIMIT ?2",
            (after, FOLD_PAGE),
            "cannot read the records",
            numbered,
        )?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        for (seq, line) in &page {
            let mut outcome = Ok(());
            with_stated(line, |ep, stated| {
                outcome = index(store, *seq, ep, stated).and_then(|()| apply(store, *seq, stated));
            });
            outcome?;
        }
    }
    let count = store.row("SELECT count(*) FROM state", [], "cannot count the state", |row| row.get(0))?;
    Ok(count.unwrap_or(0))
}

/// Rows that find a record without reading it.
fn index(store: &Store, seq: u64, ep: u64, stated: Stated<'_>) -> Result<(), Fault> {
    if stated.kind == Kind::EpochOpen {
        let sql = "INSERT OR IGNORE INTO epoch(ep, seq) VALUES(?1, ?2)";
        store.run(sql, (ep, seq), "cannot note an epoch")?;
    }
    if stated.kind == Kind::SummaryDay && !stated.data.contains_key(picket_core::summary::VOID) {
        super::summaries::mark(store, seq)?;
    }
    if stated.kind == Kind::PersonalErased {
        super::personal::erase(store, seq, stated.data)?;
    }
    if stated.severity >= Severity::Security as u64 {
        let sql = "INSERT OR IGNORE INTO urgent(seq) SELECT ?1
                   WHERE ?1 > coalesce((SELECT upto FROM receipt ORDER BY n DESC LIMIT 1), 0)";
        store.run(sql, [seq], "cannot mark a record urgent")?;
    }
    Ok(())
}

fn with_stated(line: &[u8], take: impl FnOnce(u64, Stated<'_>)) {
    let Ok(record) = Parsed::read_bytes(line) else { return };
    let Ok(Value::Object(payload)) = serde_json::from_str::<Value>(record.payload()) else { return };
    let data = record.data();
    if let Some(stated) = Stated::read(&payload, &data) {
        take(record.ep, stated);
    }
}
