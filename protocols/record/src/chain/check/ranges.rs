//! Ranges of numbers, joined where they touch, and bounded.

/// Ranges that are kept of what records declare; neighbours are joined. Past it a declaration is not believed.
const RANGES_MAX: usize = 4096;

/// Ranges of numbers, rising and not touching.
#[derive(Debug, Default)]
pub(super) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Adds a range; past [`RANGES_MAX`] it is passed over.
    pub(super) fn insert(&mut self, mut from: u64, mut to: u64) {
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
    pub(super) fn rest(&self, from: u64, to: u64) -> Vec<(u64, u64)> {
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
