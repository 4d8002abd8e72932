//! What the journal and the link answer to batches: each that was handed out is answered once, while its session stands.

use super::{PAUSE_US, Uplink};
use crate::time::Now;
use crate::wire::Lane;

impl Uplink {
    /// The journal read a batch and hands it to the link: how far it goes, and how many bytes of lines it has.
    pub fn packed(&mut self, session: u32, lane: Lane, through: u64, bytes: u64) {
        if self.session != Some(session) || lane != Lane::Record || self.stale > 0 {
            return;
        }
        if self.branch.packed(through) {
            return;
        }
        let Some(flight) = self.flights.packed(through, bytes) else { return };
        self.reached = self.reached.max(flight.through);
        if flight.again {
            // It says nothing about what lies between it and what was sent before.
            if flight.through < flight.to {
                self.resend.push_front((flight.through + 1, flight.to));
            }
        } else if flight.from <= self.sent + 1 {
            self.sent = self.sent.max(flight.through);
        }
    }

    /// A batch left, or could not.
    pub fn sent(&mut self, now: &Now, session: u32, lane: Lane, result: Result<u64, String>) {
        if self.session != Some(session) {
            return;
        }
        if result.is_err() {
            self.paused_until = now.mono_us + PAUSE_US;
        }
        match lane {
            Lane::Urgent => self.urgent.answered(result),
            // Of what counts as not sent: its numbers may be those of other records by now.
            Lane::Record if self.stale > 0 => self.stale -= 1,
            Lane::Record => match result {
                Ok(through) if self.branch.left(through, self.first_unheard()) => {}
                Ok(0) => self.passed_over(),
                Ok(through) => self.batch_left(now, through),
                Err(_) => self.batch_failed(),
            },
        }
    }

    /// The first record that went by no lane yet: a receipt for it says that what was sent before it was handled.
    fn first_unheard(&self) -> u64 {
        let mut seq = self.reached.max(self.floor()) + 1;
        loop {
            match self.have.iter().find(|(from, to)| (*from..=*to).contains(&seq)) {
                Some((_, to)) => seq = to + 1,
                None if self.urgent.has(seq) => seq += 1,
                None => return seq,
            }
        }
    }

    /// The range that was to be read holds no record any more.
    fn passed_over(&mut self) {
        let Some(range) = self.flights.nothing_read() else { return };
        if !range.again && range.from <= self.sent + 1 {
            self.sent = self.sent.max(range.to);
        }
    }

    fn batch_left(&mut self, now: &Now, through: u64) {
        let left = self.flights.left(through);
        // The wait for a receipt counts from when the first record without one left.
        if left.is_some_and(|flight| !flight.again && flight.from <= self.floor() + 1) {
            self.receipt_us = now.mono_us;
        }
    }

    /// Which one of those under way failed is not told, and those behind it may have been thrown away: all go again,
    /// once each of them is answered.
    fn batch_failed(&mut self) {
        self.stale = self.under_way().saturating_sub(1);
        self.branch.interrupted();
        let open = self.flights.failed();
        for flight in open.iter().rev() {
            if flight.again {
                self.resend.push_front((flight.from, flight.through));
            } else {
                self.sent = self.sent.min(flight.from - 1).max(self.floor());
            }
        }
    }

    /// Batches of the record lane that are not answered yet.
    pub(super) fn under_way(&self) -> usize {
        self.flights.count() + usize::from(self.branch.is_under_way())
    }
}
