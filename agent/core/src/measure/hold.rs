//! What must be seen for a time before it counts, either way; what is not known counts as neither.

use std::collections::BTreeSet;

/// One question about one point. `None` until it was answered alike for a whole hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// The answer that counts.
    pub(super) is: Option<bool>,
    /// Another answer, and since when it was seen without a break.
    turning: Option<(bool, u64)>,
}

/// Every question that is turning, by the moment from which it is seen: all are held for the same time.
#[derive(Debug)]
pub(super) struct Turning<K: Ord + Copy>(BTreeSet<(u64, K)>);

impl<K: Ord + Copy> Turning<K> {
    /// Nothing turns.
    pub(super) fn new() -> Self {
        Self(BTreeSet::new())
    }

    /// Seen now; `None` where it cannot be told, which breaks what was turning.
    pub(super) fn see(&mut self, now_us: u64, key: K, held: &mut Held, seen: Option<bool>) {
        let before = held.turning;
        held.turning = match seen.filter(|seen| held.is != Some(*seen)) {
            Some(seen) => before.filter(|(way, _)| *way == seen).or(Some((seen, now_us))),
            None => None,
        };
        if before == held.turning {
            return;
        }
        if let Some((_, since)) = before {
            self.0.remove(&(since, key));
        }
        if let Some((_, since)) = held.turning {
            self.0.insert((since, key));
        }
    }

    /// One that was seen for `hold_us`, taken out; [`Held::turn`] makes it count.
    pub(super) fn due(&mut self, now_us: u64, hold_us: u64) -> Option<K> {
        let (since, key) = *self.0.first()?;
        let is_due = now_us >= since.saturating_add(hold_us);
        is_due.then(|| {
            self.0.pop_first();
            key
        })
    }

    /// When the next one is due.
    pub(super) fn deadline(&self, hold_us: u64) -> Option<u64> {
        self.0.first().map(|(since, _)| since.saturating_add(hold_us))
    }
}

impl Held {
    /// What was turning counts from here on.
    pub(super) fn turn(&mut self) {
        self.is = self.turning.take().map(|(way, _)| way).or(self.is);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_counts_after_the_hold_and_not_before() {
        let (mut turning, mut held) = (Turning::new(), Held::default());
        turning.see(10, 'a', &mut held, Some(true));
        turning.see(50, 'a', &mut held, Some(true));
        assert_eq!((turning.deadline(60), turning.due(69, 60)), (Some(70), None));
        assert_eq!(turning.due(70, 60), Some('a'));
        held.turn();
        assert_eq!((held.is, turning.deadline(60)), (Some(true), None));
    }

    #[test]
    fn what_cannot_be_told_breaks_the_hold_and_changes_nothing() {
        let (mut turning, mut held) = (Turning::new(), Held { is: Some(true), turning: None });
        turning.see(0, 'a', &mut held, Some(false));
        turning.see(59, 'a', &mut held, None);
        turning.see(60, 'a', &mut held, Some(false));
        assert_eq!((turning.due(119, 60), held.is), (None, Some(true)));
        assert_eq!(turning.due(120, 60), Some('a'));
    }

    proptest! {
        /// Against a model that looks at the whole past: an answer counts once every sighting of a whole hold gave it.
        #[test]
        fn it_is_as_a_look_at_the_whole_past_says(steps in proptest::collection::vec((1_u64..40, 0_u8..3), 1..60)) {
            let (mut turning, mut held) = (Turning::new(), Held::default());
            let (mut now, mut model, mut run): (u64, Option<bool>, Option<(bool, u64)>) = (0, None, None);
            for (gap, seen) in steps {
                now += gap;
                if let Some((way, since)) = run {
                    if now >= since + 60 {
                        model = Some(way);
                    }
                }
                while turning.due(now, 60).is_some() {
                    held.turn();
                }
                prop_assert_eq!(held.is, model, "at {}", now);
                let seen = [None, Some(false), Some(true)][usize::from(seen)];
                run = seen.map(|way| run.filter(|(before, _)| *before == way).unwrap_or((way, now)));
                turning.see(now, (), &mut held, seen);
            }
        }
    }
}
