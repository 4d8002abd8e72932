//! Leaving a branch: the central side holds another history than this file (a disk image was put back, a tail or the
//! whole journal was lost), so the chain goes on behind its receipt. What this file holds beyond is kept, and sent once
//! more so that both branches are known.
//!
//! **Layout.** `leaving(id, base, first, kept, last, told)`: records `first..=last` without a receipt were left. Each has
//! a position that is never given again, `base + seq - first`; up to number `kept` they lie in `record` still, the rest
//! moved to `branch(pos, line)`, with their openings in `branch_open(pos)`. The opening that a branch begins under, once
//! it is disposed of, is `branch(-base, line)`. Up to position `told` the central side has them.

use super::memory;
use super::own_words::own_words;
use super::prune::{Authority, parts_of};
use super::store::Store;
use super::{Fault, Journal};
use picket_core::memory::{ANEW, PART, Stated};
use picket_core::wire::{Rebased, StateRow};
use picket_record::body::When;
use picket_record::chain::{Found, Head, Opening, Sealer, TailState};
use picket_record::encode::Link;
use picket_record::kind::{Kind, Severity};
use picket_record::receipt::Receipt;
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};

mod lines;

pub(super) use lines::keep_openings;

/// Records moved at once: pages that they leave take the next ones, so that moving needs little room in the file. Its
/// log grows to the bytes that are moved, because a branch is left whole or not at all: beside the budget the file
/// system has to have room for the records without a receipt once more, else it is tried again with the next receipt.
const MOVE_STEP: u64 = 64;
/// So often in an hour, successes alone, the chain may go on behind a receipt: two gateways with one identity would drive
/// each other on.
const LEAVES_MAX: usize = 8;
const HOUR_US: u64 = 3_600 * 1_000_000;

/// What is remembered of branches left by this process.
#[derive(Debug, Default)]
pub(super) struct Leaves {
    /// When the last ones were left.
    at_us: VecDeque<u64>,
    /// The epoch of a commit that was reported as failed: it may be there all the same.
    undecided: Option<Candidate>,
    /// What nobody was told yet.
    untold: Option<Rebased>,
    /// The record that the chain last went on behind.
    behind: Option<u64>,
}

impl Leaves {
    /// The record that the chain last went on behind since the start.
    pub(super) fn behind(&self) -> Option<u64> {
        self.behind
    }
}

#[derive(Debug)]
struct Candidate {
    sealer: Sealer,
    rebased: Rebased,
    opened_us: u64,
}

/// One row of `leaving`.
#[derive(Debug, Clone, Copy)]
struct Leaving {
    base: u64,
    first: u64,
    kept: u64,
    last: u64,
}

impl Leaving {
    fn end(&self) -> u64 {
        self.base + self.last - self.first
    }

    fn position(&self, seq: u64) -> u64 {
        self.base + seq - self.first
    }
}

impl Journal {
    /// Goes on behind a verified receipt, with its line and link; records from `first` on are left: one transaction.
    pub(super) fn leave(
        &mut self,
        receipt: &Receipt,
        (line, link): (&str, Link),
        first: u64,
        when: &When,
    ) -> Result<(), Fault> {
        let own = self.sealer.head();
        let tail_state = if self.receipts.is_new() { TailState::Reset } else { TailState::Rollback };
        let behind = Head { ep: own.ep.max(receipt.ep), seq: receipt.upto, link: receipt.head };
        let opening = Opening {
            tail_state,
            found: Some(Found { seq: own.seq, link: own.link }),
            last_receipt: Some(link),
            version: self.version.clone(),
        };
        let refused = |refusal: picket_record::chain::BodyRefusal| Fault::Refused(refusal.to_string());
        let (origin, identity) = (&self.credentials.origin, &self.credentials.identity);
        let (mut sealer, open) =
            Sealer::open(origin, identity, (self.entropy)(), behind, &opening, when).map_err(refused)?;
        let store = &self.store;
        let mut summed_up = 0;
        let done = store.transaction(|| {
            summed_up = super::summaries::summed_up_before(store, first)?;
            set_apart(store, first, receipt.upto, own.seq)?;
            super::receipts::write(store, receipt, line)?;
            let doing = "cannot store an epoch behind a receipt";
            store.run("INSERT INTO record(seq, line) VALUES(?1, ?2)", (open.seq, &open.line), doing)?;
            store.run("INSERT INTO epoch(ep, seq) VALUES(?1, ?2)", (sealer.head().ep, open.seq), doing)?;
            say_all_again(store, &mut sealer, summed_up, when)?;
            let erased = super::personal::left_behind(store, (first, own.seq), when)?;
            erased.map_or(Ok(()), |body| super::prune::write(store, &mut sealer, &body).map(drop))
        });
        let rebased = Rebased {
            tail: tail_state.as_str().to_owned(),
            found: own.seq,
            upto: receipt.upto,
            head: sealer.head().seq,
            left: (own.seq + 1).saturating_sub(first),
            branch: None,
            summed_up,
        };
        let candidate = Candidate { sealer, rebased, opened_us: when.mono_us };
        if let Err(fault) = done {
            self.leaves.undecided = Some(candidate);
            return Err(fault);
        }
        self.adopt(candidate)
    }

    fn adopt(&mut self, candidate: Candidate) -> Result<(), Fault> {
        let Candidate { sealer, mut rebased, opened_us } = candidate;
        self.sealer = sealer;
        self.closed = false;
        self.epoch_opened_us = opened_us;
        self.declared.clear();
        self.leaves.at_us.push_back(opened_us);
        rebased.branch = untold_branch(&self.store)?;
        self.leaves.behind = Some(rebased.upto);
        let Rebased { tail, found, upto, left, .. } = &rebased;
        tracing::warn!(tail, found, upto, left, "the central side knows another history: the chain goes on behind it");
        self.leaves.untold = Some(rebased);
        Ok(())
    }

    /// After the file was opened again: whether the epoch whose commit was reported as failed is there.
    pub(super) fn decide(&mut self) -> Result<bool, Fault> {
        let Some(candidate) = self.leaves.undecided.take() else { return Ok(false) };
        let head = candidate.sealer.head();
        let line = self.store.line(head.seq)?;
        let there = line.is_some_and(|line| super::tail::link_of(&line) == Some(head.link));
        if there {
            self.receipts = super::receipts::Receipts::load(&self.store, &self.credentials)?;
            self.adopt(candidate)?;
        }
        Ok(there)
    }

    /// What happened since this was asked last: to be told before anything else.
    pub fn rebased(&mut self) -> Option<Rebased> {
        self.leaves.untold.take()
    }

    /// Refuses to be driven from branch to branch.
    pub(super) fn may_leave(&mut self, when: &When) -> bool {
        let at_us = &mut self.leaves.at_us;
        while at_us.front().is_some_and(|at| at + HOUR_US <= when.mono_us) {
            at_us.pop_front();
        }
        at_us.len() < LEAVES_MAX
    }

    /// The central side has what was left, up to a position.
    pub fn branch_told(&self, through: u64) -> Result<(), Fault> {
        let sql = "UPDATE leaving SET told = min(?1, base + last - first) WHERE base <= ?1 AND told < ?1";
        self.store.run(sql, [through], "cannot note what the central side has of a branch").map(drop)
    }

    /// The eldest branch that the central side has, and that was left behind a record before `below`, goes, and that is
    /// stated. Whether one went.
    pub(super) fn dispose_of_branch(
        &mut self,
        when: &When,
        below: u64,
        authority: Authority<'_>,
    ) -> Result<bool, Fault> {
        let doing = "cannot look for a branch to dispose of";
        let sql = "SELECT base, first, kept, last FROM leaving WHERE told >= base + last - first AND kept < ?1
                   AND EXISTS (SELECT 1 FROM branch WHERE pos BETWEEN base AND base + last - first) ORDER BY base LIMIT 1";
        let below = below.min(i64::MAX as u64);
        let found = self.store.row(sql, [below], doing, |row| {
            Ok(Leaving { base: row.get(0)?, first: row.get(1)?, kept: row.get(2)?, last: row.get(3)? })
        })?;
        let Some(leaving) = found else { return Ok(false) };
        self.in_one(|store, sealer| {
            let Authority { why, text } = authority;
            let range = json!([leaving.kept + 1, leaving.last]);
            let data = json!({ "branch": range, "why": why, "authority": text });
            let body = own_words(when, Kind::RecordsDisposed, Severity::Notice, data);
            super::prune::write(store, sealer, &body)?;
            let doing = "cannot dispose of a branch";
            for table in ["branch", "branch_open"] {
                let sql = format!("DELETE FROM {table} WHERE pos BETWEEN ?1 AND ?2 OR pos = -?1");
                store.run(&sql, (leaving.base, leaving.end()), doing)?;
            }
            Ok(())
        })?;
        Ok(true)
    }
}

/// Positions that the central side does not have yet: the first and the last.
pub(super) fn untold_branch(store: &Store) -> Result<Option<(u64, u64)>, Fault> {
    let sql = "SELECT min(told) + 1, max(base + last - first) FROM leaving WHERE told < base + last - first";
    let range: Option<(Option<u64>, Option<u64>)> =
        store.row(sql, [], "cannot read the branches", |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(range.and_then(|(first, last)| first.zip(last)))
}

/// The first record among those left in their places that the central side does not have yet: it is not disposed of.
pub(super) fn first_untold(store: &Store) -> Result<Option<u64>, Fault> {
    let sql = "SELECT min(first) FROM leaving WHERE told < base + last - first";
    store.row(sql, [], "cannot read the branches", |row| row.get(0)).map(Option::flatten)
}

/// Notes what is left, and moves what stands in the way of the numbers behind `upto`.
fn set_apart(store: &Store, first: u64, upto: u64, last: u64) -> Result<(), Fault> {
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
        let sql = "INSERT INTO branch(pos, line) SELECT seq - ?1 + ?2, line FROM record WHERE seq BETWEEN ?3 AND ?4";
        store.run(sql, (first, base, from, to), doing)?;
        store.run("DELETE FROM record WHERE seq BETWEEN ?1 AND ?2", (from, to), doing)?;
        from = to + 1;
    }
    let sql = "INSERT INTO branch_open(pos) SELECT seq - ?1 + ?2 FROM epoch WHERE seq > ?3";
    store.run(sql, (first, base, upto), doing)?;
    store.run("DELETE FROM epoch WHERE seq > ?1", [upto], doing)?;
    // Summaries of the branch are no summaries of the chain, and do not outlive it.
    store.run("DELETE FROM summary WHERE seq >= ?1", [first], doing)?;
    super::lost::forget_declared(store)?;
    store.run("DELETE FROM urgent WHERE seq > ?1", [upto], doing).map(drop)
}

/// Memory as it is, in the new branch: rows that only the old one said are said again, and what the old one took back
/// does not return when everything is folded again. Each part says which of how many it is, and alarms come before what
/// guards did about them: the central side follows it.
fn say_all_again(store: &Store, sealer: &mut Sealer, summed_up: u64, when: &When) -> Result<(), Fault> {
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
        let seq = super::prune::write(store, sealer, &body)?;
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
