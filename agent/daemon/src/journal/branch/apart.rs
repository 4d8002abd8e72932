//! What a branch leaves behind: its records out of the way of the numbers that are given again, memory said again.

use super::Leaving;
use crate::journal::memory;
use crate::journal::own_words::own_words;
use crate::journal::prune::{self, parts_of};
use crate::journal::store::Store;
use crate::journal::{Fault, lost};
use picket_core::memory::{ANEW, PART, Stated};
use picket_core::wire::StateRow;
use picket_record::body::When;
use picket_record::chain::Sealer;
use picket_record::kind::{Kind, Severity};
use serde_json::json;
use std::collections::BTreeMap;

/// Records moved at once: pages that they leave take the next ones, so that moving needs little room in the file. Its
/// log grows to the bytes that are moved, because a branch is left whole or not at all: beside the budget the file
/// system has to have room for the records without a receipt once more, else it is tried again with the next receipt.
const MOVE_STEP: u64 = 64;

/// Notes what is left, and moves what stands in the way of the numbers behind `upto`.
pub(super) fn set_apart(store: &Store, first: u64, upto: u64, last: u64) -> Result<(), Fault> {
    let doing = "cannot set a branch apart";
    if first > last {
        return Ok(());
    }
    let sql = "SELECT coalesce(max(base + last - first), 0) + 1 FROM leaving";
    let base: u64 = store.row(sql, [], doing, |row| row.get(0))?.unwrap_or(1);
    let leaving = Leaving { base, first, kept: upto.min(last), last };
    let sql = "INSERT INTO leaving(base, first, kept, last, told) VALUES(?1, ?2, ?3, ?4, ?1 - 1)";
    store.run(sql, (base, first, leaving.kept, last), doing)?;
    let mut from = upto + 1;
    while from <= last {
        let to = (from + MOVE_STEP - 1).min(last);
        let sql = "INSERT INTO branch(pos, line) SELECT seq - ?1 + ?2, coalesce(line, x'') FROM record
                   WHERE seq BETWEEN ?3 AND ?4";
        store.run(sql, (first, base, from, to), doing)?;
        store.run("DELETE FROM record WHERE seq BETWEEN ?1 AND ?2", (from, to), doing)?;
        from = to + 1;
    }
    let sql = "INSERT INTO branch_open(pos) SELECT seq - ?1 + ?2 FROM epoch WHERE seq > ?3";
    store.run(sql, (first, base, upto), doing)?;
    store.run("DELETE FROM epoch WHERE seq > ?1", [upto], doing)?;
    // Summaries of the branch are no summaries of the chain, and do not outlive it.
    store.run("DELETE FROM summary WHERE seq >= ?1", [first], doing)?;
    lost::forget_declared(store)?;
    store.run("DELETE FROM urgent WHERE seq > ?1", [upto], doing).map(drop)
}

/// Memory as it is, in the new branch: rows that only the old one said are said again, and what the old one took back
/// does not return when everything is folded again. Each part says which of how many it is, and alarms come before what
/// guards did about them: the central side follows it.
pub(super) fn say_all_again(store: &Store, sealer: &mut Sealer, summed_up: u64, when: &When) -> Result<(), Fault> {
    let mut rows = renumbered(memory::rows(store)?, sealer.head().seq);
    for row in rows.iter_mut().filter(|row| row.key == picket_core::summary::ROW) {
        row.body = json!({ "to": summed_up }).to_string();
    }
    rows.sort_by_key(|row| !row.key.starts_with("alarm/"));
    let mut parts = parts_of(rows);
    if parts.is_empty() {
        parts.push(serde_json::Map::new());
    }
    let of = parts.len();
    for (n, part) in parts.into_iter().enumerate() {
        let mut data = json!({ (picket_core::memory::KEPT): part, (PART): [n + 1, of] });
        if n == 0 {
            data[ANEW] = true.into();
        }
        let body = own_words(when, Kind::Snapshot, Severity::Info, data);
        let seq = prune::write(store, sealer, &body)?;
        memory::apply(store, seq, Stated::of(&body))?;
    }
    Ok(())
}

/// Numbers of the left branch that are to be given again move below them, in the order they had.
fn renumbered(mut rows: Vec<StateRow>, below: u64) -> Vec<StateRow> {
    let mut said: Vec<u64> = rows.iter().map(|row| row.seq).collect();
    said.sort_unstable_by(|a, b| b.cmp(a));
    said.dedup();
    let mut highest = below;
    let mut moved = BTreeMap::new();
    for seq in said {
        let number = seq.min(highest).max(1);
        moved.insert(seq, number);
        highest = number.saturating_sub(1);
    }
    for row in &mut rows {
        row.seq = moved.get(&row.seq).copied().unwrap_or(row.seq);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_given_again_move_below_in_the_order_they_had() {
        let row = |seq| StateRow { key: format!("row/{seq}"), body: "1".into(), seq };
        let moved = renumbered([3, 9, 40, 41, 41, 60].map(row).to_vec(), 11);
        assert_eq!(moved.iter().map(|row| row.seq).collect::<Vec<_>>(), [3, 8, 9, 10, 10, 11]);
        let few = renumbered([7, 8, 9].map(row).to_vec(), 2);
        assert_eq!(few.iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 1, 2]);
    }
}
