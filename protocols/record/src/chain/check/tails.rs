//! Branches: an opening behind a receipt names the last record that its journal had found, and where that one is not
//! before it in the file, it must stand among the records of branches, with all that was written up to it.

use super::super::{Contradiction, Found, Parsed, TailState};
use super::HELD_MAX;
use super::ranges::Ranges;
use crate::encode::Link;
use std::collections::BTreeMap;

/// Openings by the last record of the branch that each names, and what the branches hold.
#[derive(Debug, Default)]
pub(super) struct Tails {
    named: BTreeMap<(u64, Link), Vec<Opened>>,
    /// How many openings those are.
    openings: usize,
    /// Numbers that are in branches, or that a branch says to be with the central system.
    numbers: Ranges,
    /// There is a file of branches.
    there: bool,
}

#[derive(Debug, Clone, Copy)]
struct Opened {
    line: u64,
    seq: u64,
    /// Number of the last record before it in the file.
    before: u64,
    met: bool,
}

impl Tails {
    /// An opening names the last record of a branch.
    pub(super) fn name(&mut self, tail: Found, seq: u64, before: u64, line: u64) -> Result<(), Contradiction> {
        if self.openings == HELD_MAX {
            return Err(Contradiction::TooMany { file: "records.jws", limit: HELD_MAX });
        }
        self.openings += 1;
        let opened = Opened { line, seq, before, met: false };
        self.named.entry((tail.seq, tail.link)).or_default().push(opened);
        Ok(())
    }

    /// There is a file of branches, though it may be empty.
    pub(super) fn begin(&mut self) {
        self.there = true;
    }

    /// A verified record of a branch.
    pub(super) fn met(&mut self, record: &Parsed<'_>) {
        let (seq, link) = (record.seq, record.link);
        self.numbers.insert(seq, seq);
        if record.tail_state().is_some_and(TailState::leaves_a_branch) {
            if let Some(tail) = super::found(&record.data()).filter(|tail| tail.seq + 1 < seq) {
                self.numbers.insert(tail.seq + 1, seq - 1);
            }
        }
        self.named.get_mut(&(seq, link)).into_iter().flatten().for_each(|opened| opened.met = true);
    }

    /// Line and number of each opening whose branch is not there: its last record, or where numbers are missing before
    /// the opening, one on the way to it that was neither declared as lost nor as disposed of. Without a file of
    /// branches only the latter are judged.
    pub(super) fn missing(&mut self, lost: &Ranges, left: &Ranges) -> Vec<(u64, u64)> {
        let (mut missing, known) = (Vec::new(), Ranges::all([&self.numbers, lost, left]));
        for ((tail, _), openings) in std::mem::take(&mut self.named) {
            let disposed = left.cover(tail, tail);
            for opened in openings {
                let gap = opened.before + 1 < opened.seq;
                let there = opened.met || disposed || !(gap || self.there);
                if !there || gap && !known.cover(opened.before + 1, tail) {
                    missing.push((opened.line, opened.seq));
                }
            }
        }
        missing
    }
}
