//! What goes to the central side, and when: nothing before it has said what it has; urgent records ahead of the backlog,
//! a bounded window without receipt, everything again that no receipt covers.

use crate::status::LeftStatus;
use crate::time::{Now, s};
use crate::wire::{BATCH_BYTES, Batch, Rebased, Receipted};
use branch::Branch;
use flights::{Flight, Flights};
use picket_record::encode::Link;
use picket_record::receipt::State;
use std::collections::VecDeque;
use urgent::Urgent;

mod answers;
mod branch;
mod flights;
mod urgent;

/// Most records sent without a receipt: bounds what a slow central side must hold.
pub const WINDOW: u64 = 8_192;
/// Most bytes of their lines; a batch is begun only where it fits as a whole.
pub const WINDOW_BYTES: u64 = 8 * 1024 * 1024;
/// Most records of one batch; the journal also cuts at the size of a message.
pub const BATCH: u64 = 512;
/// Most batches of the record lane under way: enough that reading, the broker and the way there work at once.
pub const OPEN_BATCHES: usize = 4;
/// Most urgent records of one batch. In front of each the journal may put the opening of its epoch, so that one has at
/// most twice as many lines: as many as the central side takes at once on this lane.
const URGENT_BATCH: usize = 64;
/// Most urgent records that are kept for their lane; older ones travel with the backlog. Bounds what a long outage
/// costs in memory, and what the lane sends without a receipt.
pub const MAX_URGENT: usize = 1_024;
/// Without progress of receipts for so long everything after the last one is sent again.
const RESEND_AFTER_US: u64 = s(60);
/// A lane that failed while the session stands is tried again after this pause.
const PAUSE_US: u64 = s(1);
/// So long the first receipt of a session is waited for: it tells whether this journal is the one that the central side
/// knows, and what is sent before it may be another history under the same numbers.
const LISTEN_US: u64 = s(10);

/// The uplink.
#[derive(Debug)]
pub struct Uplink {
    session: Option<u32>,
    since_ms: Option<i64>,
    cause: Option<String>,
    head: u64,
    receipted: u64,
    /// Records behind `receipted` and up to this cannot be sent any more.
    gone: u64,
    receipt_ms: Option<i64>,
    /// Number and link of the newest receipt.
    receipt: Option<(u64, Link)>,
    /// Times that a session began.
    links: u64,
    /// How the last receipt sees the chain.
    state: Option<State>,
    receipt_us: u64,
    /// Nothing is sent before the first receipt of the session, or this moment.
    listen_until: Option<u64>,
    /// Records up to here were read for the link in this session.
    sent: u64,
    /// Highest number that the record lane ever carried.
    reached: u64,
    urgent: Urgent,
    have: Vec<(u64, u64)>,
    /// Ranges asked for again, rising.
    resend: VecDeque<(u64, u64)>,
    flights: Flights,
    branch: Branch,
    /// So many batches of the record lane are under way that count as not sent. None follows before they are answered:
    /// an answer names no batch.
    stale: usize,
    left: Option<LeftStatus>,
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
            gone: 0,
            receipt_ms: None,
            receipt: None,
            links: 0,
            state: None,
            receipt_us: 0,
            listen_until: None,
            sent: receipted,
            reached: 0,
            urgent: Urgent::of(urgent.into_iter().filter(|seq| *seq > receipted)),
            have: Vec::new(),
            resend: VecDeque::new(),
            flights: Flights::default(),
            branch: Branch::default(),
            stale: 0,
            left: None,
            paused_until: 0,
        }
    }

    /// With what was left and the central side may not have: first and last position.
    pub fn with_branch(self, branch: Option<(u64, u64)>) -> Self {
        Self { branch: Branch::of(branch), ..self }
    }

    /// With the newest receipt that the journal holds.
    pub fn with_receipt(self, receipt: Option<(u64, Link)>) -> Self {
        Self { receipt, ..self }
    }

    /// Number and link of the newest receipt that was verified.
    pub fn last_receipt(&self) -> Option<(u64, Link)> {
        self.receipt
    }

    /// Times that the link was made since the start.
    pub fn links(&self) -> u64 {
        self.links
    }

    /// The chain goes on behind a receipt: what was sent or asked for of the branch that was left says nothing here.
    pub fn rebased(&mut self, now: &Now, rebased: &Rebased) {
        self.stale += self.under_way();
        self.flights = Flights::default();
        self.urgent.left();
        (self.head, self.receipted, self.gone) = (rebased.head, rebased.upto, 0);
        self.reached = rebased.upto;
        self.have.clear();
        self.forget_sent(now);
        self.branch = Branch::of(rebased.branch);
        let Rebased { tail, found, upto, left, .. } = rebased.clone();
        self.left = Some(LeftStatus { tail, found, upto, records: left, sent: false });
    }

    /// Up to here the central side has what was left, where that is news.
    pub fn branch_told(&mut self) -> Option<u64> {
        self.branch.told()
    }

    /// Session that stands.
    pub fn session(&self) -> Option<u32> {
        self.session
    }

    /// The link stands; everything without a receipt counts as not sent, and waits for what the central side says.
    pub fn up(&mut self, now: &Now, session: u32) {
        self.session = Some(session);
        self.links += 1;
        self.since_ms = now.utc_ms;
        self.cause = None;
        self.paused_until = 0;
        self.listen_until = Some(now.mono_us + LISTEN_US);
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
        self.urgent.interrupted();
        self.flights = Flights::default();
        self.branch.interrupted();
        self.stale = 0;
    }

    /// What is to be sent begins behind this.
    fn floor(&self) -> u64 {
        self.receipted.max(self.gone.min(self.head))
    }

    fn forget_sent(&mut self, now: &Now) {
        self.sent = self.floor();
        self.flights.unreceipted_none();
        self.urgent.sent_none();
        self.resend.clear();
        self.receipt_us = now.mono_us;
    }

    /// Records up to `head` are stored; `urgent` of them go first.
    pub fn stored(&mut self, head: u64, urgent: &[u64]) {
        self.head = self.head.max(head);
        self.urgent.stored(urgent.iter().copied().filter(|seq| *seq > self.receipted));
    }

    /// These records, and no others without a receipt, declare a loss that holds up the backlog.
    pub fn declared(&mut self, seqs: &[u64]) {
        self.head = self.head.max(seqs.last().copied().unwrap_or(0));
        self.urgent.declared(seqs.iter().copied().filter(|seq| *seq > self.receipted));
    }

    /// A verified receipt.
    pub fn receipted(&mut self, now: &Now, receipted: Receipted) {
        let Receipted { state, upto, have, resend, mark, gone, .. } = receipted;
        self.state = Some(state);
        self.receipt = Some(mark);
        self.listen_until = None;
        let upto = upto.min(self.head);
        // A receipt that went back means that the central side was restored from a backup: what it lacks goes again.
        if upto < self.receipted {
            self.sent = upto;
            self.flights.unreceipted_none();
            self.urgent.sent_none();
        }
        if upto != self.receipted {
            self.receipt_us = now.mono_us;
        }
        (self.receipted, self.gone) = (upto, gone);
        self.sent = self.sent.max(self.floor());
        self.flights.receipted(upto);
        self.branch.receipted(upto);
        self.receipt_ms = now.utc_ms;
        self.urgent.receipted(upto);
        let last = self.head.min(self.floor() + WINDOW);
        let mut resend: Vec<(u64, u64)> = resend.into_iter().map(|(from, to)| (from.max(1), to.min(last))).collect();
        resend.retain(|(from, to)| from <= to);
        resend.sort_unstable();
        self.resend = resend.into();
        self.have = have;
        self.have.retain(|(from, to)| *from > upto && from <= to);
    }

    /// The next batch, if the link stands, the central side has been heard, and a lane is free.
    pub fn next(&mut self, now: &Now) -> Option<(u32, Batch)> {
        let session = self.session?;
        if self.listen_until.is_some_and(|until| now.mono_us < until) {
            return None;
        }
        self.listen_until = None;
        self.resend_if_stuck(now);
        if now.mono_us < self.paused_until {
            return None;
        }
        self.paused_until = 0;
        let batch = self.next_urgent().or_else(|| self.next_range())?;
        Some((session, batch))
    }

    fn next_urgent(&mut self) -> Option<Batch> {
        let (receipted, have) = (self.receipted, &self.have);
        let seqs = self.urgent.next(|seq| is_receipted(receipted, have, seq))?;
        Some(Batch::Urgent { seqs, receipted })
    }

    /// What was left takes turns with what is new: a long branch does not hold up the day.
    fn next_range(&mut self) -> Option<Batch> {
        if self.stale > 0 || self.branch.is_read() || !self.flights.has_room() {
            return None;
        }
        if let Some(after) = self.branch.next() {
            return Some(Batch::Branch { after });
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
            None if self.flights.bytes() + BATCH_BYTES as u64 > WINDOW_BYTES => return None,
            None => (self.sent + 1, self.head.min(self.sent + BATCH).min(self.floor() + WINDOW)),
        };
        (from <= to).then(|| {
            self.flights.read(Flight { from, to, through: to, bytes: 0, again: again.is_some() });
            Batch::Range { from, to }
        })
    }

    fn resend_if_stuck(&mut self, now: &Now) {
        if self.stuck_at().is_some_and(|at| now.mono_us >= at) {
            self.forget_sent(now);
        }
    }

    fn stuck_at(&self) -> Option<u64> {
        let waits = self.sent > self.floor() && self.flights.is_empty();
        waits.then(|| self.receipt_us + RESEND_AFTER_US)
    }

    /// When [`Uplink::next`] wants to be asked again although nothing came in.
    pub fn deadline(&self) -> Option<u64> {
        self.session?;
        if self.listen_until.is_some() {
            return self.listen_until;
        }
        let paused = (self.paused_until > 0).then_some(self.paused_until);
        paused.into_iter().chain(self.stuck_at()).min()
    }

    /// Everything stored has left, or cannot leave now.
    pub fn is_drained(&self) -> bool {
        self.session.is_none()
            || (self.sent >= self.head && self.flights.is_empty() && self.branch.is_sent() && self.urgent.is_idle())
    }

    /// Up to here there are receipts.
    pub fn receipted_upto(&self) -> u64 {
        self.receipted
    }

    /// Whether the central side has stated that it holds a record.
    pub fn is_receipted(&self, seq: u64) -> bool {
        is_receipted(self.receipted, &self.have, seq)
    }

    /// Last stored record.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Records without a receipt.
    pub fn waiting(&self) -> u64 {
        let ahead: u64 = self.have.iter().map(|(from, to)| to - from + 1).sum();
        (self.head - self.floor().min(self.head)).saturating_sub(ahead)
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
            left: self.left.clone().map(|left| LeftStatus { sent: self.branch.is_told(), ..left }),
        }
    }
}

fn is_receipted(upto: u64, have: &[(u64, u64)], seq: u64) -> bool {
    seq <= upto || have.iter().any(|(from, to)| (*from..=*to).contains(&seq))
}

#[cfg(test)]
mod tests;
