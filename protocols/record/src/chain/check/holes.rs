//! What is held until the end of a file: refused lines where numbers are missing, holes, and what declares them.

use super::{Contradiction, LISTED_MAX, Summary};

/// Ranges that are kept of what records declare; neighbours are joined. Past it a declaration is not believed.
const RANGES_MAX: usize = 4096;

/// Refused lines since the last genuine record.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    lines: Vec<(u64, Contradiction)>,
    more: u64,
}

impl Waiting {
    pub(super) fn push(&mut self, line: u64, what: Contradiction, summary: &mut Summary) {
        if self.lines.len() < LISTED_MAX {
            self.lines.push((line, what));
        } else if summary.found.len() < LISTED_MAX {
            summary.contradiction(Some(line), what);
        } else {
            self.more += 1;
        }
    }

    /// They stand where no number is missing.
    pub(super) fn flush(&mut self, summary: &mut Summary) {
        summary.contradictions += self.more;
        self.more = 0;
        for (line, what) in self.lines.drain(..) {
            summary.contradiction(Some(line), what);
        }
    }

    /// They stand where so many numbers are missing.
    pub(super) fn keep_or_flush(&mut self, missing: u64, summary: &mut Summary) {
        if self.more > 0 || self.lines.len() as u64 > missing {
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
}

impl Holes {
    /// A hole before the genuine record on this line.
    pub(super) fn push(&mut self, from: u64, to: u64, line: u64, mut refused: Waiting, summary: &mut Summary) {
        self.held += refused.lines.len();
        if self.holes.len() >= LISTED_MAX || self.held > LISTED_MAX {
            refused.flush(summary);
            return summary.contradiction(Some(line), Contradiction::Missing { from, to });
        }
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

/// Ranges of numbers, rising and not touching.
#[derive(Debug, Default)]
struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    fn insert(&mut self, mut from: u64, mut to: u64) {
        let apart = |(a, b): &(u64, u64)| *b + 1 < from || to + 1 < *a;
        let joined: Vec<(u64, u64)> = self.0.iter().filter(|range| !apart(range)).copied().collect();
        if joined.is_empty() && self.0.len() >= RANGES_MAX {
            return;
        }
        self.0.retain(apart);
        for (a, b) in joined {
            (from, to) = (from.min(a), to.max(b));
        }
        let at = self.0.partition_point(|(a, _)| *a < from);
        self.0.insert(at, (from, to));
    }

    /// What of a range is in none of these.
    fn rest(&self, from: u64, to: u64) -> Vec<(u64, u64)> {
        let (mut at, mut rest) = (from, Vec::new());
        for (a, b) in self.0.iter().filter(|(a, b)| *b >= from && *a <= to) {
            if at < *a {
                rest.push((at, a - 1));
            }
            at = at.max(b + 1);
        }
        if at <= to {
            rest.push((at, to));
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_and_give_what_is_left() {
        let mut ranges = Ranges::default();
        for (from, to) in [(5, 6), (20, 30), (7, 9), (1, 1), (8, 12)] {
            ranges.insert(from, to);
        }
        assert_eq!(ranges.0, [(1, 1), (5, 12), (20, 30)]);
        assert_eq!(ranges.rest(1, 40), [(2, 4), (13, 19), (31, 40)]);
        assert_eq!(ranges.rest(6, 11), []);
        assert_eq!(ranges.rest(13, 13), [(13, 13)]);
    }
}
