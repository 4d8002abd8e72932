//! Records that go ahead of the backlog: of severity 3 and up, and those that declare a loss, because the backlog is
//! held up by what they declare.

use super::{MAX_URGENT, URGENT_BATCH};
use std::collections::BTreeSet;

/// Those without a receipt, and what of them is sent.
#[derive(Debug, Default)]
pub(super) struct Urgent {
    waiting: BTreeSet<u64>,
    /// Those that declare a loss: never left to the backlog.
    declared: BTreeSet<u64>,
    sent: BTreeSet<u64>,
    /// Under way; empty = the lane is free.
    open: Vec<u64>,
    /// What is under way is of a branch that was left: its answer says nothing.
    stale: bool,
}

impl Urgent {
    pub(super) fn of(seqs: impl Iterator<Item = u64>) -> Self {
        let mut urgent = Self { waiting: seqs.collect(), ..Self::default() };
        urgent.bound();
        urgent
    }

    pub(super) fn stored(&mut self, seqs: impl Iterator<Item = u64>) {
        self.waiting.extend(seqs);
        self.bound();
    }

    /// All that declare a loss.
    pub(super) fn declared(&mut self, seqs: impl Iterator<Item = u64>) {
        self.declared = seqs.collect();
        self.waiting.extend(&self.declared);
        self.bound();
    }

    /// Older ones travel with the backlog.
    fn bound(&mut self) {
        let others = self.waiting.len() - self.waiting.intersection(&self.declared).count();
        let oldest: Vec<u64> =
            self.waiting.difference(&self.declared).take(others.saturating_sub(MAX_URGENT)).copied().collect();
        for seq in oldest {
            self.waiting.remove(&seq);
        }
    }

    /// The next of them, rising; none while some are under way.
    pub(super) fn next(&mut self, is_receipted: impl Fn(u64) -> bool) -> Option<Vec<u64>> {
        if !self.open.is_empty() || self.stale {
            return None;
        }
        let waiting = self.waiting.difference(&self.sent).copied().filter(|seq| !is_receipted(*seq));
        let seqs: Vec<u64> = waiting.take(URGENT_BATCH).collect();
        self.sent.extend(&seqs);
        self.open.clone_from(&seqs);
        (!seqs.is_empty()).then_some(seqs)
    }

    /// Those under way left, up to one of them; or could not.
    pub(super) fn answered(&mut self, result: Result<u64, String>) {
        if std::mem::take(&mut self.stale) {
            return;
        }
        // What did not leave goes again; nothing at all to be sent means that it is no longer there.
        let through = result.map_or(Some(0), |through| (through > 0).then_some(through));
        for seq in std::mem::take(&mut self.open) {
            if through.is_some_and(|through| seq > through) {
                self.sent.remove(&seq);
            }
        }
    }

    /// There is a receipt up to here.
    pub(super) fn receipted(&mut self, upto: u64) {
        for seqs in [&mut self.waiting, &mut self.declared, &mut self.sent] {
            seqs.retain(|seq| *seq > upto);
        }
    }

    /// Everything without a receipt counts as not sent, but for what is under way.
    pub(super) fn sent_none(&mut self) {
        self.sent = self.open.iter().copied().collect();
    }

    /// The session is gone, and what was under way with it.
    pub(super) fn interrupted(&mut self) {
        self.open.clear();
        self.stale = false;
    }

    /// The chain goes on behind a receipt: none of them is there any more.
    pub(super) fn left(&mut self) {
        *self = Self { stale: self.stale || !self.open.is_empty(), ..Self::default() };
    }

    pub(super) fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether a record goes, or went, by this lane.
    pub(super) fn has(&self, seq: u64) -> bool {
        self.waiting.contains(&seq) || self.sent.contains(&seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_outage_keeps_a_bounded_number_the_newest_and_all_that_declare_a_loss() {
        let mut urgent = Urgent::default();
        urgent.declared([7, 4_000].into_iter());
        urgent.stored(1..=5_000);
        assert_eq!((urgent.waiting.len(), urgent.waiting.first()), (MAX_URGENT + 2, Some(&7)));
        assert_eq!(urgent.waiting.range(8..).next(), Some(&3_976), "one of the newest declares a loss itself");
        assert_eq!(urgent.next(|_| false).unwrap()[0], 7);
    }
}
