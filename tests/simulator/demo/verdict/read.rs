//! Reads both stores, verifies every line, and puts the fields that are compared beside them.

use super::Verdict;
use crate::failure::{Doing, Failure};
use picket_record::chain::ChainCheck;
use picket_record::keys::PublicKey;
use rusqlite::{Connection, params};
use simulator::stored;
use std::path::Path;

/// Refused lines that are told one by one.
const TOLD: usize = 10;

/// What is judged.
#[derive(Debug)]
pub(crate) struct Stores<'s> {
    /// The simulator's ledger.
    pub(crate) ledger: &'s Path,
    /// The agent's journal; the agent has stopped.
    pub(crate) journal: &'s Path,
    /// The central store.
    pub(crate) central: &'s Path,
    /// Whose records.
    pub(crate) gateway: &'s str,
    /// Public identity key of the gateway, as it was accepted.
    pub(crate) identity: &'s str,
}

/// `told`: every line of a store, whether it verifies in its place, and its fields.
const TOLD_TABLE: &str = "
CREATE TABLE told(store TEXT NOT NULL, seq INTEGER NOT NULL, verified INTEGER NOT NULL, kind TEXT NOT NULL,
  eq TEXT NOT NULL, wall_ms INTEGER, data TEXT NOT NULL, dev_ts TEXT) STRICT;
";

pub(super) fn fill(db: &mut Connection, stores: &Stores<'_>, verdict: &mut Verdict) -> Result<(), Failure> {
    for (name, path) in [("ledger", stores.ledger), ("journal", stores.journal), ("central", stores.central)] {
        let attached = db.execute(&format!("ATTACH ?1 AS {name}"), [path.to_string_lossy()]);
        attached.doing(format!("opening {}", path.display()))?;
    }
    stored::teach(db).doing("opening the verdict")?;
    db.execute_batch(TOLD_TABLE).doing("opening the verdict")?;
    let identity = PublicKey::parse(stores.identity).doing("reading the identity of the gateway")?;
    for (store, sql) in [
        ("journal", "SELECT seq, jws(line) FROM journal.record WHERE ?1 <> '' ORDER BY seq"),
        ("central", "SELECT seq, line FROM central.record WHERE gw = ?1 ORDER BY seq"),
    ] {
        let lines = lines(db, sql, stores.gateway).doing(format!("reading the {store}"))?;
        let transaction = db.transaction().doing("writing the verdict")?;
        let mut check = ChainCheck::new(identity.clone());
        for (seq, line) in lines {
            match check.line(line.as_bytes()) {
                Ok(record) => {
                    verdict.verified += 1;
                    let data = serde_json::Value::Object(record.data()).to_string();
                    let eq = record.eq.clone().unwrap_or_default();
                    let dev_ts = device_time(record.payload());
                    let row = params![store, seq, true, record.kind.as_str(), eq, record.wall_ms, data, dev_ts];
                    transaction.execute("INSERT INTO told VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", row)
                }
                Err(contradiction) => {
                    verdict.unverified += 1;
                    if verdict.reasons.len() < TOLD {
                        verdict.reasons.push(format!("record {seq} of the {store}: {contradiction}"));
                    }
                    transaction
                        .execute("INSERT INTO told VALUES (?1, ?2, 0, '', '', NULL, '{}', NULL)", params![store, seq])
                }
            }
            .doing("writing the verdict")?;
        }
        transaction.commit().doing("writing the verdict")?;
    }
    Ok(())
}

/// The time that a device claims: tells one camera event from the next.
fn device_time(payload: &str) -> Option<String> {
    let payload: serde_json::Value = serde_json::from_str(payload).ok()?;
    payload.get("dev_ts")?.as_str().map(str::to_owned)
}

fn lines(db: &Connection, sql: &str, gateway: &str) -> rusqlite::Result<Vec<(i64, String)>> {
    let mut rows = db.prepare(sql)?;
    rows.query_map([gateway], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
