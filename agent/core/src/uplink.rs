//! What goes to the central side, and when: urgent records ahead of the backlog, a bounded window without receipt,
//! everything again that no receipt covers.

use crate::time::{Now, s};
use crate::wire::{Batch, Lane};
use std::collections::BTreeSet;

/// Most records sent without a receipt: bounds what a slow central side must hold (records.md, "Receipts" 2).
pub const WINDOW: u64 = 8_192;
/// Most records of one batch; the journal also cuts at the size of a message.
pub const BATCH: u64 = 512;
/// Most urgent records of one batch.
const URGENT_BATCH: usize = 64;
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
    receipt_us: u64,
    /// Records up to here were sent in this session.
    sent: u64,
    urgent: BTreeSet<u64>,
    urgent_sent: BTreeSet<u64>,
    have: Vec<(u64, u64)>,
    resend: Vec<(u64, u64)>,
    urgent_busy: bool,
    record_busy: bool,
    paused_until: u64,
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
            receipt_us: 0,
            sent: receipted,
            urgent: urgent.into_iter().filter(|seq| *seq > receipted).collect(),
            urgent_sent: BTreeSet::new(),
            have: Vec::new(),
            resend: Vec::new(),
            urgent_busy: false,
            record_busy: false,
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
        self.forget_sent(now);
    }

    /// The link is gone.
    pub fn down(&mut self, now: &Now, cause: String) {
        if self.session.take().is_some() || self.since_ms.is_none() {
            self.since_ms = now.utc_ms;
        }
        self.cause = Some(cause);
        self.urgent_busy = false;
        self.record_busy = false;
    }

    fn forget_sent(&mut self, now: &Now) {
        self.sent = self.receipted;
        self.urgent_sent.clear();
        self.resend.clear();
        self.urgent_busy = false;
        self.record_busy = false;
        self.receipt_us = now.mono_us;
    }

    /// Records up to `head` are stored; `urgent` of them go first.
    pub fn stored(&mut self, head: u64, urgent: &[u64]) {
        self.head = self.head.max(head);
        self.urgent.extend(urgent);
    }

    /// A batch left, or could not.
    pub fn sent(&mut self, now: &Now, session: u32, lane: Lane, result: Result<u64, String>) {
        if self.session != Some(session) {
            return;
        }
        match lane {
            Lane::Urgent => self.urgent_busy = false,
            Lane::Record => self.record_busy = false,
        }
        match (result, lane) {
            (Ok(through), Lane::Record) => self.sent = self.sent.max(through),
            (Ok(_), Lane::Urgent) => {}
            (Err(_), Lane::Urgent) => {
                self.urgent_sent.clear();
                self.paused_until = now.mono_us + PAUSE_US;
            }
            (Err(_), Lane::Record) => self.paused_until = now.mono_us + PAUSE_US,
        }
    }

    /// A verified receipt.
    pub fn receipted(&mut self, now: &Now, upto: u64, have: Vec<(u64, u64)>, resend: Vec<(u64, u64)>) {
        // A receipt that went back means that the central side was restored from a backup: what it lacks goes again.
        if upto < self.receipted {
            self.sent = self.sent.min(upto);
        }
        if upto != self.receipted {
            self.receipt_us = now.mono_us;
        }
        self.receipted = upto;
        self.sent = self.sent.max(upto);
        self.receipt_ms = now.utc_ms;
        self.urgent.retain(|seq| *seq > upto);
        self.urgent_sent.retain(|seq| *seq > upto);
        let head = self.head;
        self.resend = resend.into_iter().filter(|(from, to)| from <= to && *to <= head).collect();
        self.have = have;
    }

    /// The next batch, if the link stands and a lane is free.
    pub fn next(&mut self, now: &Now) -> Option<(u32, Batch)> {
        let session = self.session?;
        self.resend_if_stuck(now);
        if now.mono_us < self.paused_until {
            return None;
        }
        if let Some(batch) = self.next_urgent() {
            return Some((session, batch));
        }
        self.next_range().map(|batch| (session, batch))
    }

    fn next_urgent(&mut self) -> Option<Batch> {
        if self.urgent_busy {
            return None;
        }
        let seqs: Vec<u64> = self.urgent.difference(&self.urgent_sent).copied().take(URGENT_BATCH).collect();
        if seqs.is_empty() {
            return None;
        }
        self.urgent_sent.extend(&seqs);
        self.urgent_busy = true;
        Some(Batch::Urgent { seqs, receipted: self.receipted })
    }

    fn next_range(&mut self) -> Option<Batch> {
        if self.record_busy {
            return None;
        }
        if let Some((from, to)) = self.resend.pop() {
            self.record_busy = true;
            let to_now = to.min(from + BATCH - 1);
            if to_now < to {
                self.resend.push((to_now + 1, to));
            }
            return Some(Batch::Range { from, to: to_now });
        }
        let from = self.sent + 1;
        let to = self.head.min(self.sent + BATCH).min(self.receipted + WINDOW);
        (from <= to).then(|| {
            self.record_busy = true;
            Batch::Range { from, to }
        })
    }

    fn resend_if_stuck(&mut self, now: &Now) {
        let waits = self.sent > self.receipted && !self.record_busy;
        if waits && now.mono_us.saturating_sub(self.receipt_us) >= RESEND_AFTER_US {
            self.forget_sent(now);
        }
    }

    /// When [`Uplink::next`] wants to be asked again although nothing came in.
    pub fn deadline(&self) -> Option<u64> {
        self.session?;
        let paused = (self.paused_until > 0 && self.has_work()).then_some(self.paused_until);
        let stuck = (self.sent > self.receipted).then(|| self.receipt_us + RESEND_AFTER_US);
        paused.into_iter().chain(stuck).min()
    }

    fn has_work(&self) -> bool {
        self.sent < self.head || self.urgent.len() > self.urgent_sent.len() || !self.resend.is_empty()
    }

    /// Everything stored has left, or cannot leave now.
    pub fn is_drained(&self) -> bool {
        self.session.is_none() || (self.sent >= self.head && !self.record_busy && !self.urgent_busy)
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
        let ahead: u64 = self.have.iter().filter(|(a, _)| *a > self.receipted).map(|(a, b)| b - a + 1).sum();
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
        }
    }
}
