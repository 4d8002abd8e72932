//! Batches of the record lane between the journal and the broker, in the order they were asked for; and what of them no
//! receipt covers yet.

use super::OPEN_BATCHES;
use std::collections::VecDeque;

/// A range under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flight {
    /// First record asked for.
    pub(super) from: u64,
    /// Last record asked for.
    pub(super) to: u64,
    /// Last record that had room.
    pub(super) through: u64,
    /// Bytes of its lines.
    pub(super) bytes: u64,
    /// Asked for by the central side; else the next of the backlog.
    pub(super) again: bool,
}

/// At most one range is with the journal, because only then it is known where the next one begins; several are with the
/// link.
#[derive(Debug, Default)]
pub(super) struct Flights {
    reading: Option<Flight>,
    open: VecDeque<Flight>,
    /// What was read without a receipt: last record and bytes of each batch, rising.
    unreceipted: VecDeque<(u64, u64)>,
    bytes: u64,
}

impl Flights {
    pub(super) fn is_empty(&self) -> bool {
        self.reading.is_none() && self.open.is_empty()
    }

    pub(super) fn count(&self) -> usize {
        self.open.len() + usize::from(self.reading.is_some())
    }

    /// Whether another range may be read.
    pub(super) fn has_room(&self) -> bool {
        self.reading.is_none() && self.open.len() < OPEN_BATCHES
    }

    /// Bytes of lines without a receipt.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The journal is asked for a range.
    pub(super) fn read(&mut self, flight: Flight) {
        self.reading = Some(flight);
    }

    /// The journal read it up to `through`: it is with the link.
    pub(super) fn packed(&mut self, through: u64, bytes: u64) -> Option<Flight> {
        let mut flight = self.reading.take()?;
        flight.through = through.clamp(flight.from, flight.to);
        flight.bytes = bytes;
        self.open.push_back(flight);
        if !flight.again {
            self.unreceipted.push_back((flight.through, bytes));
            self.bytes += bytes;
        }
        Some(flight)
    }

    /// The journal found nothing to read.
    pub(super) fn nothing_read(&mut self) -> Option<Flight> {
        self.reading.take()
    }

    /// The broker has the batch that ends with this record.
    pub(super) fn left(&mut self, through: u64) -> Option<Flight> {
        let at = self.open.iter().position(|flight| flight.through == through)?;
        self.open.remove(at)
    }

    /// One failed: all that were under way, in order.
    pub(super) fn failed(&mut self) -> Vec<Flight> {
        let open: Vec<Flight> = self.open.drain(..).chain(self.reading.take()).collect();
        if let Some(first) = open.iter().filter(|flight| !flight.again).map(|flight| flight.from).min() {
            self.forget(|through| through >= first);
        }
        open
    }

    /// There is a receipt up to here.
    pub(super) fn receipted(&mut self, upto: u64) {
        self.forget(|through| through <= upto);
    }

    /// Everything without a receipt counts as not sent.
    pub(super) fn unreceipted_none(&mut self) {
        self.forget(|_| true);
    }

    fn forget(&mut self, which: impl Fn(u64) -> bool) {
        self.unreceipted.retain(|(through, _)| !which(*through));
        self.bytes = self.unreceipted.iter().map(|(_, bytes)| bytes).sum();
    }
}
