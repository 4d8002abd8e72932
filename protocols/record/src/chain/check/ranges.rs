//! Ranges of numbers, joined where they touch, and bounded.

use super::HELD_MAX;
use std::collections::BTreeMap;

/// Ranges of numbers, last by first, not touching. Past [`HELD_MAX`] a declaration is not believed.
#[derive(Debug, Default)]
pub(super) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds a range; past [`HELD_MAX`] one that touches no other is passed over.
    pub(super) fn insert(&mut self, mut from: u64, mut to: u64) {
        let mut joined = false;
        while let Some((a, b)) =
            self.0.range(..=to + 1).next_back().map(|(a, b)| (*a, *b)).filter(|(_, b)| b + 1 >= from)
        {
            self.0.remove(&a);
            (from, to, joined) = (from.min(a), to.max(b), true);
        }
        if joined || self.0.len() < HELD_MAX {
            self.0.insert(from, to);
        }
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
