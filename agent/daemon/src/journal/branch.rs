//! Leaving a branch: the central side holds another history than this file (a disk image was put back, a tail or the
//! whole journal was lost), so the chain goes on behind its receipt. What this file holds beyond is kept, and sent once
//! more so that both branches are known.
//!
//! **Layout.** `leaving(id, base, first, kept, last, told)`: records `first..=last` without a receipt were left. Each has
//! a position that is never given again, `base + seq - first`; up to number `kept` they lie in `record` still, the rest
//! moved to `branch(pos, line)`, with their openings in `branch_open(pos)`. The opening that a branch begins under, once
//! it is disposed of, is `branch(-base, line)`. Up to position `told` the central side has them.

use super::own_words::own_words;
use super::prune::Authority;
use super::receipts::Stands;
use super::store::Store;
use super::{Fault, Journal};
use picket_core::wire::Rebased;
use picket_record::body::When;
use picket_record::chain::{Found, Head, Opening, Sealer, TailState};
use picket_record::encode::Link;
use picket_record::kind::{Kind, Severity};
use picket_record::receipt::Receipt;
use serde_json::json;
use std::collections::VecDeque;

mod apart;
mod lines;

pub(super) use lines::keep_openings;

/// So often in an hour, successes alone, the chain may go on behind a receipt: two gateways with one identity would drive
/// each other on.
const LEAVES_MAX: usize = 8;
const HOUR_US: u64 = 3_600 * 1_000_000;
/// Where there was no room it is tried again after this time: each attempt writes all that is left into the log and takes
/// it back, and receipts come with each batch.
const NO_ROOM_US: u64 = 60 * 1_000_000;

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
    /// Before this moment it is not tried again: there was no room.
    again_us: u64,
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
    /// Personal data was erased: it stands in the log still.
    erased: bool,
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
    /// Goes on behind a verified receipt, with its line and link: one transaction. Behind our own record what follows it is
    /// left; behind another's, what has no receipt, and this file was put back.
    pub(super) fn leave(
        &mut self,
        receipt: &Receipt,
        (line, link): (&str, Link),
        stands: Stands,
        when: &When,
    ) -> Result<(), Fault> {
        let (first, put_back) = match stands {
            // What is up to the mark is of both histories.
            Stands::OnOurs => (receipt.upto + 1, None),
            Stands::OnAnother => (self.receipts.upto() + 1, Some(self.receipts.upto())),
        };
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
        let (mut summed_up, mut erased) = (0, false);
        let done = store.transaction(|| {
            summed_up = super::summaries::summed_up_before(store, first)?;
            apart::set_apart(store, first, receipt.upto, own.seq)?;
            super::receipts::write(store, receipt, line)?;
            let doing = "cannot store an epoch behind a receipt";
            store.put(&open, doing)?;
            super::openings::note(store, sealer.head().ep, open.seq)?;
            apart::say_all_again(store, &mut sealer, summed_up, when)?;
            let left = super::personal::left_behind(store, (first, own.seq), when)?;
            let held = put_back.map_or(Ok(None), |last| super::personal::put_back(store, last, when))?;
            for body in left.into_iter().chain(held) {
                erased = true;
                super::prune::write(store, &mut sealer, &body)?;
            }
            Ok(())
        });
        let rebased = Rebased {
            tail: tail_state.as_str().to_owned(),
            found: own.seq,
            upto: receipt.upto,
            head: sealer.head().seq,
            left: (own.seq + 1).saturating_sub(first),
            branch: None,
            summed_up,
            nameless_from: if put_back.is_some() { 1 } else { first },
        };
        let candidate = Candidate { sealer, rebased, opened_us: when.mono_us, erased };
        if let Err(fault) = done {
            self.leaves.undecided = Some(candidate);
            return Err(fault);
        }
        self.adopt(candidate)
    }

    fn adopt(&mut self, candidate: Candidate) -> Result<(), Fault> {
        let Candidate { sealer, mut rebased, opened_us, erased } = candidate;
        if erased {
            self.store.cut_log();
        }
        self.sealer = sealer;
        self.closed = false;
        self.epoch_opened_us = opened_us;
        self.declared.clear();
        self.handed = rebased.upto;
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

    /// Whether one that failed did not take place: the file answers, and its epoch is not there.
    pub(super) fn has_not_left(&mut self) -> Result<bool, Fault> {
        if self.store.broken() {
            return Ok(false);
        }
        let Some(candidate) = &self.leaves.undecided else { return Ok(true) };
        let head = candidate.sealer.head();
        let line = self.store.line(head.seq)?;
        let there = line.is_some_and(|line| super::tail::link_of(&line) == Some(head.link));
        self.leaves.undecided.take_if(|_| !there);
        Ok(!there)
    }

    /// What happened since this was asked last: to be told before anything else.
    pub fn rebased(&mut self) -> Option<Rebased> {
        self.leaves.untold.take()
    }

    /// Refuses to try again at once where there was no room.
    pub(super) fn refuse_without_room(&self, when: &When) -> Result<(), Fault> {
        let budget = self.store.budget();
        match when.mono_us < self.leaves.again_us {
            true => Err(Fault::Full { used: self.store.used().unwrap_or(budget), budget }),
            false => Ok(()),
        }
    }

    /// Remembers where a branch could not be left for want of room.
    pub(super) fn found_no_room(&mut self, fault: &Fault, when: &When) {
        if matches!(fault, Fault::Full { .. }) {
            self.leaves.again_us = when.mono_us + NO_ROOM_US;
        }
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
                let sql = format!("DELETE FROM {table} WHERE pos BETWEEN ?1 AND ?2");
                store.run(&sql, (leaving.base, leaving.end()), doing)?;
            }
            // The part that lies among the records is verified with the opening that was kept; it goes with that part.
            let sql =
                "DELETE FROM branch WHERE pos = -?1 AND NOT EXISTS (SELECT 1 FROM record WHERE seq BETWEEN ?2 AND ?3)";
            store.run(sql, (leaving.base, leaving.first, leaving.kept), doing).map(drop)
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
