//! Ranges of numbers, joined where they touch, and bounded.

use super::HELD_MAX;
use std::collections::BTreeMap;

/// Ranges of numbers, last by first, not touching. Past [`HELD_MAX`] a declaration is not believed.
#[derive(Debug, Default)]
pub(super) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds a range; past [`HELD_MAX`] one that touches no other is passed over.
    pub(super) fn insert(&mut self, from: u64, to: u64) {
        self.join(from, to, HELD_MAX);
    }

    fn join(&mut self, mut from: u64, mut to: u64, most: usize) {
        let mut joined = false;
        while let Some((a, b)) =
            self.0.range(..=to + 1).next_back().map(|(a, b)| (*a, *b)).filter(|(_, b)| b + 1 >= from)
        {
            self.0.remove(&a);
            (from, to, joined) = (from.min(a), to.max(b), true);
        }
        if joined || self.0.len() < most {
            self.0.insert(from, to);
        }
    }

    /// The numbers of several, all of them.
    pub(super) fn all(several: [&Self; 3]) -> Self {
        let mut all = Self::default();
        for (from, to) in several.into_iter().flat_map(|ranges| &ranges.0) {
            all.join(*from, *to, usize::MAX);
        }
        all
    }

    /// Whether these hold every number of a range.
    pub(super) fn cover(&self, from: u64, to: u64) -> bool {
        from > to || self.0.range(..=from).next_back().is_some_and(|(_, b)| *b >= to)
    }

    /// What of a range is in none of these.
    pub(super) fn rest(&self, from: u64, to: u64) -> Vec<(u64, u64)> {
        let (mut at, mut rest) = (from, Vec::new());
        let before = self.0.range(..from).next_back().filter(|(_, b)| **b >= from);
        let within = (from <= to).then(|| self.0.range(from..=to)).into_iter().flatten();
        for (a, b) in before.into_iter().chain(within) {
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
        assert_eq!(ranges.0, BTreeMap::from([(1, 1), (5, 12), (20, 30)]));
        assert_eq!(ranges.rest(1, 40), [(2, 4), (13, 19), (31, 40)]);
        assert_eq!(ranges.rest(6, 11), []);
        assert_eq!(ranges.rest(13, 13), [(13, 13)]);
        assert_eq!(ranges.rest(2, 1), []);
        assert!(ranges.cover(6, 12) && ranges.cover(2, 1) && !ranges.cover(4, 5) && !ranges.cover(12, 13));
        let mut others = [Ranges::default(), Ranges::default()];
        others[0].insert(2, 4);
        others[1].insert(13, 19);
        assert!(Ranges::all([&ranges, &others[0], &others[1]]).cover(1, 30));
    }

    #[test]
    fn as_many_ranges_are_believed_as_the_format_promises_and_no_more() {
        let mut ranges = Ranges::default();
        let most = HELD_MAX as u64;
        for n in 1..=most + 1 {
            ranges.insert(2 * n, 2 * n);
        }
        assert_eq!(ranges.rest(2 * most, 2 * most + 2), [(2 * most + 1, 2 * most + 2)]);
        // One that joins others needs no room.
        ranges.insert(2, 2 * most + 2);
        assert_eq!(ranges.rest(1, 2 * most + 3), [(1, 1), (2 * most + 3, 2 * most + 3)]);
    }
}
