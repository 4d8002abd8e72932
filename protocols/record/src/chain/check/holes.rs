//! What is held until the end of a file: refused lines where numbers are missing, holes, and what declares them.

use super::ranges::Ranges;
use super::{Contradiction, HELD_MAX, Summary};

/// Refused lines since the last genuine record.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    lines: Vec<(u64, Contradiction)>,
}

impl Waiting {
    pub(super) fn push(&mut self, line: u64, what: Contradiction, summary: &mut Summary) {
        if self.lines.len() < HELD_MAX {
            self.lines.push((line, what));
        } else {
            summary.contradiction(Some(line), what);
        }
    }

    /// They stand where no number is missing.
    pub(super) fn flush(&mut self, summary: &mut Summary) {
        for (line, what) in self.lines.drain(..) {
            summary.contradiction(Some(line), what);
        }
    }

    /// They stand where so many numbers are missing.
    pub(super) fn keep_or_flush(&mut self, missing: u64, summary: &mut Summary) {
        if self.lines.len() as u64 > missing {
            self.flush(summary);
        }
    }
}

#[derive(Debug)]
struct Hole {
    from: u64,
    to: u64,
    line: u64,
    refused: Waiting,
}

/// Holes, and the ranges that records declare.
#[derive(Debug, Default)]
pub(super) struct Holes {
    holes: Vec<Hole>,
    held: usize,
    lost: Ranges,
    disposed: Ranges,
    left: Ranges,
}

impl Holes {
    /// A hole before the genuine record on this line.
    pub(super) fn push(&mut self, from: u64, to: u64, line: u64, mut refused: Waiting, summary: &mut Summary) {
        let held = self.held + refused.lines.len();
        if self.holes.len() == HELD_MAX || held > HELD_MAX {
            refused.flush(summary);
            return summary.contradiction(Some(line), Contradiction::Missing { from, to });
        }
        self.held = held;
        self.holes.push(Hole { from, to, line, refused });
    }

    /// A record declares these numbers as lost.
    pub(super) fn declare(&mut self, from: u64, to: u64) {
        self.lost.insert(from, to);
    }

    /// A record declares these numbers as disposed of.
    pub(super) fn dispose(&mut self, from: u64, to: u64) {
        self.disposed.insert(from, to);
    }

    /// A record declares these numbers of a branch as disposed of.
    pub(super) fn leave(&mut self, from: u64, to: u64) {
        if from <= to {
            self.left.insert(from, to);
        }
    }

    /// Numbers that are declared as lost, and those of branches that were disposed of.
    pub(super) fn declared(&self) -> (&Ranges, &Ranges) {
        (&self.lost, &self.left)
    }

    /// What of a range was not declared as disposed of.
    pub(super) fn undisposed(&self, from: u64, to: u64) -> Vec<(u64, u64)> {
        self.disposed.rest(from, to)
    }

    /// The end: a hole that is declared as a whole takes the refused lines in it along.
    pub(super) fn settle(&mut self, summary: &mut Summary) {
        for mut hole in self.holes.drain(..) {
            let rest = self.lost.rest(hole.from, hole.to);
            if rest.is_empty() {
                continue;
            }
            hole.refused.flush(summary);
            for (from, to) in rest {
                summary.contradiction(Some(hole.line), Contradiction::Missing { from, to });
            }
        }
    }
}
