//! Rows after a stop that was not in order, against what records said since the newest snapshot: a row that is gone leaves
//! nothing behind that could be held against its record.

use super::{digest, with_stated};
use crate::journal::Fault;
use crate::journal::at_rest::numbered;
use crate::journal::store::Store;
use picket_core::memory::{Change, changes};
use picket_core::wire::StateRow;
use picket_record::kind::Kind;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Most records that are walked back, a second on a small board: a snapshot is taken each hour. Where none is so near, rows
/// are held against their own records alone.
const WALK_MAX: u64 = 5_000;
/// Read at once.
const PAGE: u64 = 250;

/// Where the walk ends.
#[derive(Debug)]
enum Base {
    /// No row stood there.
    Nothing,
    /// A snapshot signed how many there were, and their digest.
    Signed { rows: u64, digest: String },
}

impl Base {
    fn signed(data: &Map<String, Value>) -> Option<Self> {
        let (rows, digest) = (data.get("rows")?.as_u64()?, data.get("digest")?.as_str()?.to_owned());
        Some(Self::Signed { rows, digest })
    }
}

/// Which row contradicts what records said of it since; none where none does, or where it is not known what they said.
pub(super) fn mismatch(store: &Store, head: u64, rows: &[StateRow]) -> Result<Option<String>, Fault> {
    let Some((base, said)) = walked(store, head)? else { return Ok(None) };
    let mut stands: BTreeMap<String, bool> = BTreeMap::new();
    for change in said {
        match change {
            Change::Put { key, .. } | Change::Again(StateRow { key, .. }) => stands.insert(key, true),
            Change::Drop { key } => stands.insert(key, false),
            Change::Clear => None,
        };
    }
    let is_there = |key: &str| rows.iter().any(|row| row.key == key);
    if let Some((key, stands)) = stands.iter().find(|(key, stands)| is_there(key) != **stands) {
        let why = if *stands { "is gone" } else { "is there, and was taken back" };
        return Ok(Some(format!("row {key} {why}")));
    }
    let others = rows.iter().filter(|row| !stands.contains_key(&row.key)).count() as u64;
    let holds = match base {
        Base::Nothing => others == 0,
        Base::Signed { digest: signed, .. } if stands.is_empty() => signed == digest(rows),
        // Which of the rows that changed since stood already is not known.
        Base::Signed { rows, .. } => (others..=others + stands.len() as u64).contains(&rows),
    };
    Ok((!holds).then(|| "rows do not match the last signed snapshot".to_owned()))
}

/// What records changed since the base of the walk, in order.
fn walked(store: &Store, head: u64) -> Result<Option<(Base, Vec<Change>)>, Fault> {
    let mut back: Vec<Vec<Change>> = Vec::new();
    let mut next = head;
    while next > 0 && head - next < WALK_MAX {
        let sql = "SELECT seq, line FROM record WHERE seq <= ?1 ORDER BY seq DESC LIMIT ?2";
        let page = store.rows(sql, (next, PAGE), "cannot read the records", numbered)?;
        if page.is_empty() {
            return Ok(None);
        }
        for (seq, line) in page {
            let mut read = None;
            with_stated(&line, |_, stated| {
                let base = if stated.kind == Kind::Snapshot { Base::signed(stated.data) } else { None };
                read = Some((base, changes(stated)));
            });
            let Some((base, mut said)) = read.filter(|_| seq == next) else { return Ok(None) };
            let clears = said.iter().rposition(|change| *change == Change::Clear);
            let base = match clears {
                Some(at) => {
                    said.drain(..=at);
                    Some(Base::Nothing)
                }
                None => base.or((seq == 1).then_some(Base::Nothing)),
            };
            back.push(said);
            next -= 1;
            if let Some(base) = base {
                return Ok(Some((base, back.into_iter().rev().flatten().collect())));
            }
        }
    }
    Ok(None)
}
