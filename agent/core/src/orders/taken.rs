//! Commands that records answer: what is known when it comes once more, and what comes too late.

use crate::wire::StateRow;
use picket_record::encode::Link;
use std::collections::VecDeque;

/// Commands whose repetition is known for one: more than the central side has under way in ten minutes.
const KEPT: usize = 32;
/// Key of the row with the number of the newest one.
const ROW: &str = "command";

/// What was taken. A command counts once a record that answers it is drafted: of one that was refused because nothing
/// could be recorded the repetition is not known, and takes effect.
#[derive(Debug, Default)]
pub(super) struct Taken {
    last: u64,
    /// Since the start, the newest first.
    links: VecDeque<Link>,
}

impl Taken {
    /// Of the time before the start the number is known alone.
    pub(super) fn recover(rows: &[StateRow]) -> Self {
        let row = rows.iter().find(|row| row.key == ROW);
        Self { last: row.and_then(|row| row.body.parse().ok()).unwrap_or(0), links: VecDeque::new() }
    }

    /// Whether a record answers it already, or will.
    pub(super) fn knows(&self, n: u64, link: &Link) -> bool {
        (self.links.is_empty() && n == self.last) || self.links.contains(link)
    }

    /// The number of the newest one, where this one is not above it.
    pub(super) fn passed(&self, n: u64) -> Option<u64> {
        (n <= self.last).then_some(self.last)
    }

    /// A record that answers it is drafted.
    pub(super) fn note(&mut self, n: u64, link: Link) {
        self.last = n;
        self.links.truncate(KEPT - 1);
        self.links.push_front(link);
    }
}
