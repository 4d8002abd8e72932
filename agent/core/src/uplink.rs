//! What goes to the central side, and when: urgent records ahead of the backlog, a bounded window without receipt,
//! everything again that no receipt covers.

use crate::time::{Now, s};
use crate::wire::{Batch, Lane, Receipted};
use picket_record::receipt::State;
use std::collections::{BTreeSet, VecDeque};

/// Most records sent without a receipt: bounds what a slow central side must hold (records.md, "Receipts" 2).
pub const WINDOW: u64 = 8_192;
/// Most records of one batch; the journal also cuts at the size of a message.
pub const BATCH: u64 = 512;
/// Most urgent records of one batch.
const URGENT_BATCH: usize = 64;
/// Most urgent records that are kept for their lane; older ones travel with the backlog. Bounds what a long outage
/// costs in memory, and what the lane sends without a receipt.
pub const MAX_URGENT: usize = 1_024;
/// Without progress of receipts for so long everything after the last one is sent again.
const RESEND_AFTER_US: u64 = s(60);
/// A lane that failed while the session stands is tried again after this pause.
const PAUSE_US: u64 = s(1);

/// The uplink.
#[derive(Debug)]
pub struct Uplink {
    session: Option<u32>,
    since_ms: Option<i64>,
    cause: Option<String>,
    head: u64,
    receipted: u64,
    receipt_ms: Option<i64>,
    /// How the last receipt sees the chain.
    state: Option<State>,
    receipt_us: u64,
    /// Records up to here were sent in this session.
    sent: u64,
    urgent: BTreeSet<u64>,
    urgent_sent: BTreeSet<u64>,
    have: Vec<(u64, u64)>,
    /// Ranges asked for again, rising.
    resend: VecDeque<(u64, u64)>,
    /// Urgent records under way; empty = the lane is free.
    urgent_open: Vec<u64>,
    record_open: Option<Range>,
    paused_until: u64,
}

/// A range under way.
#[derive(Debug, Clone, Copy)]
struct Range {
    from: u64,
    to: u64,
    /// Asked for by the central side; else the next of the backlog.
    again: bool,
}

impl Uplink {
    /// Down, with what the journal recovered.
    pub fn new(head: u64, receipted: u64, urgent: Vec<u64>) -> Self {
        Self {
            session: None,
            since_ms: None,
            cause: None,
            head,
            receipted,
            receipt_ms: None,
            state: None,
            receipt_us: 0,
            sent: receipted,
            urgent: newest(urgent.into_iter().filter(|seq| *seq > receipted).collect()),
            urgent_sent: BTreeSet::new(),
            have: Vec::new(),
            resend: VecDeque::new(),
            urgent_open: Vec::new(),
            record_open: None,
            paused_until: 0,
        }
    }

    /// Session that stands.
    pub fn session(&self) -> Option<u32> {
        self.session
    }

    /// The link stands; everything without a receipt counts as not sent.
    pub fn up(&mut self, now: &Now, session: u32) {
        self.session = Some(session);
        self.since_ms = now.utc_ms;
        self.cause = None;
        self.paused_until = 0;
        self.lanes_free();
        self.forget_sent(now);
    }

    /// The link is gone.
    pub fn down(&mut self, now: &Now, cause: String) {
        if self.session.take().is_some() || self.since_ms.is_none() {
            self.since_ms = now.utc_ms;
        }
        self.cause = Some(cause);
        self.lanes_free();
    }

    fn lanes_free(&mut self) {
        self.urgent_open.clear();
        self.record_open = None;
    }

    fn forget_sent(&mut self, now: &Now) {
        self.sent = self.receipted;
        self.urgent_sent = self.urgent_open.iter().copied().collect();
        self.resend.clear();
        self.receipt_us = now.mono_us;
    }

    /// Records up to `head` are stored; `urgent` of them go first.
    pub fn stored(&mut self, head: u64, urgent: &[u64]) {
        self.head = self.head.max(head);
        self.urgent.extend(urgent.iter().filter(|seq| **seq > self.receipted));
        self.urgent = newest(std::mem::take(&mut self.urgent));
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
            Lane::Urgent => {
                // What did not leave goes again; nothing at all to be sent means that it is no longer there.
                let through = result.map_or(Some(0), |through| (through > 0).then_some(through));
                let open = std::mem::take(&mut self.urgent_open);
                for seq in open.iter().filter(|seq| through.is_some_and(|through| **seq > through)) {
                    self.urgent_sent.remove(seq);
                }
            }
            Lane::Record => {
                if let Some(range) = self.record_open.take() {
                    self.range_left(now, range, result.ok());
                }
            }
        }
    }

    /// `through` is the last record that left: 0 = the range holds none any more, `None` = it could not be sent.
    fn range_left(&mut self, now: &Now, range: Range, through: Option<u64>) {
        let through = match through {
            Some(0) => range.to,
            Some(through) => through.min(range.to),
            None => range.from - 1,
        };
        if range.again {
            // It says nothing about what lies between it and what was sent before.
            if through < range.to {
                self.resend.push_front((through + 1, range.to));
            }
        } else if range.from <= self.sent + 1 && through > self.sent {
            if self.sent <= self.receipted {
                self.receipt_us = now.mono_us;
            }
            self.sent = through;
        }
    }

    /// A verified receipt.
    pub fn receipted(&mut self, now: &Now, receipted: Receipted) {
        let Receipted { state, upto, have, resend, .. } = receipted;
        self.state = Some(state);
        let upto = upto.min(self.head);
        // A receipt that went back means that the central side was restored from a backup: what it lacks goes again.
        if upto < self.receipted {
            self.sent = upto;
            self.urgent_sent = self.urgent_open.iter().copied().collect();
        }
        if upto != self.receipted {
            self.receipt_us = now.mono_us;
        }
        self.receipted = upto;
        self.sent = self.sent.max(upto);
        self.receipt_ms = now.utc_ms;
        self.urgent.retain(|seq| *seq > upto);
        self.urgent_sent.retain(|seq| *seq > upto);
        let last = self.head.min(upto + WINDOW);
        let mut resend: Vec<(u64, u64)> = resend.into_iter().map(|(from, to)| (from.max(1), to.min(last))).collect();
        resend.retain(|(from, to)| from <= to);
        resend.sort_unstable();
        self.resend = resend.into();
        self.have = have;
        self.have.retain(|(from, to)| *from > upto && from <= to);
    }

    /// The next batch, if the link stands and a lane is free.
    pub fn next(&mut self, now: &Now) -> Option<(u32, Batch)> {
        let session = self.session?;
        self.resend_if_stuck(now);
        if now.mono_us < self.paused_until {
            return None;
        }
        self.paused_until = 0;
        let batch = self.next_urgent().or_else(|| self.next_range())?;
        Some((session, batch))
    }

    fn next_urgent(&mut self) -> Option<Batch> {
        if !self.urgent_open.is_empty() {
            return None;
        }
        let waiting = self.urgent.difference(&self.urgent_sent).copied().filter(|seq| !self.is_receipted(*seq));
        let seqs: Vec<u64> = waiting.take(URGENT_BATCH).collect();
        if seqs.is_empty() {
            return None;
        }
        self.urgent_sent.extend(&seqs);
        self.urgent_open.clone_from(&seqs);
        Some(Batch::Urgent { seqs, receipted: self.receipted })
    }

    fn next_range(&mut self) -> Option<Batch> {
        if self.record_open.is_some() {
            return None;
        }
        let again = self.resend.pop_front();
        let (from, to) = match again {
            Some((from, to)) => {
                let cut = to.min(from + BATCH - 1);
                if cut < to {
                    self.resend.push_front((cut + 1, to));
                }
                (from, cut)
            }
            None => (self.sent + 1, self.head.min(self.sent + BATCH).min(self.receipted + WINDOW)),
        };
        (from <= to).then(|| {
            self.record_open = Some(Range { from, to, again: again.is_some() });
            Batch::Range { from, to }
        })
    }

    fn resend_if_stuck(&mut self, now: &Now) {
        if self.stuck_at().is_some_and(|at| now.mono_us >= at) {
            self.forget_sent(now);
        }
    }

    fn stuck_at(&self) -> Option<u64> {
        let waits = self.sent > self.receipted && self.record_open.is_none();
        waits.then(|| self.receipt_us + RESEND_AFTER_US)
    }

    /// When [`Uplink::next`] wants to be asked again although nothing came in.
    pub fn deadline(&self) -> Option<u64> {
        self.session?;
        let paused = (self.paused_until > 0).then_some(self.paused_until);
        paused.into_iter().chain(self.stuck_at()).min()
    }

    /// Everything stored has left, or cannot leave now.
    pub fn is_drained(&self) -> bool {
        self.session.is_none() || (self.sent >= self.head && self.record_open.is_none() && self.urgent_open.is_empty())
    }

    /// Up to here there are receipts.
    pub fn receipted_upto(&self) -> u64 {
        self.receipted
    }

    /// Whether the central side has stated that it holds a record.
    pub fn is_receipted(&self, seq: u64) -> bool {
        seq <= self.receipted || self.have.iter().any(|(from, to)| (*from..=*to).contains(&seq))
    }

    /// Last stored record.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Records without a receipt.
    pub fn waiting(&self) -> u64 {
        let ahead: u64 = self.have.iter().map(|(from, to)| to - from + 1).sum();
        (self.head - self.receipted.min(self.head)).saturating_sub(ahead)
    }

    /// For the page.
    pub fn status(&self) -> crate::status::LinkStatus {
        crate::status::LinkStatus {
            up: self.session.is_some(),
            since_ms: self.since_ms,
            cause: self.cause.clone(),
            waiting: self.waiting(),
            receipted: self.receipted,
            receipt_ms: self.receipt_ms,
            state: self.state.map(|state| state.as_str().to_owned()),
        }
    }
}

fn newest(mut urgent: BTreeSet<u64>) -> BTreeSet<u64> {
    while urgent.len() > MAX_URGENT {
        urgent.pop_first();
    }
    urgent
}

#[cfg(test)]
mod tests;
