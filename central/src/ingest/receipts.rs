//! What a receipt says: how far the chain goes, what waits beyond, what is asked for.

use super::gateway::{ASK_AGAIN_MS, GAP_PATIENCE_MS, Gateway};
use crate::clock::Now;
use crate::store;
use picket_record::encode::Name;
use picket_record::keys::ReceiptKey;
use picket_record::receipt::{Mark, RANGES_MAX, Range, Receipt, State};
use rusqlite::Connection;

/// Most records asked for beyond the chain on the word of a record that could not be verified: the open window.
const UNOPENED_SPAN: u64 = 8192;

/// A receipt to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// To this gateway.
    pub gw: Name,
    /// The signed line.
    pub line: String,
}

impl Gateway {
    /// Signs what is stored and committed, and keeps the receipt. To be sent after the commit.
    pub(super) fn receipt(
        &mut self,
        db: &Connection,
        sms: &Name,
        key: &ReceiptKey,
        now: Now,
    ) -> rusqlite::Result<Outgoing> {
        let gw = self.accepted.gw.clone();
        let have = if self.ahead > 0 { store::ahead_ranges(db, &gw, RANGES_MAX)? } else { Vec::new() };
        let (n, prev) = (self.last.0 + 1, self.last.1);
        let receipt = Receipt {
            sms: sms.clone(),
            gw: gw.clone(),
            n,
            prev,
            upto: self.head.seq,
            head: self.head.link,
            ep: self.head.ep,
            received_ms: self.head_received_ms,
            ts_ms: now.wall_ms,
            state: self.state(),
            resend: self.resend(&have, now),
            have,
            rebase: self.rebase(),
            register: self.down.newest(),
            settings: self.down.newest(),
        };
        let signed = receipt.sign(key);
        store::insert_receipt(db, &gw, (n, receipt.upto, receipt.state, now.wall_ms), &signed.line)?;
        if self.prunes() {
            store::prune_receipts(db, &gw)?;
        }
        self.sent(n, signed.link, now);
        Ok(Outgoing { gw, line: signed.line })
    }

    /// Where the gateway is to go on, while there are two histories: it may be a thief who is asked, and he gains nothing.
    fn rebase(&self) -> Option<Mark> {
        (self.forked && self.revoked_after.is_none()).then_some((self.head.seq, self.head.link))
    }

    fn state(&self) -> State {
        if self.revoked_after.is_some() {
            State::Revoked
        } else if self.forked || self.pending.fork {
            State::Fork
        } else if self.pending.bad {
            State::Bad
        } else if self.ahead > 0 || self.pending.unopened.is_some() {
            State::Gap
        } else {
            State::Ok
        }
    }

    /// The gaps between the chain and what waits, each asked for once in a while, the lowest first.
    fn resend(&mut self, have: &[Range], now: Now) -> Vec<Range> {
        let mut from = self.head.seq + 1;
        let mut gaps: Vec<Range> = Vec::new();
        for (first, last) in have {
            if from < *first {
                gaps.push((from, first - 1));
            }
            from = last + 1;
        }
        if let Some(unopened) =
            self.pending.unopened.map(|seq| seq.min(from + UNOPENED_SPAN)).filter(|seq| *seq >= from)
        {
            gaps.push((from, unopened));
        }
        if let Some(again) = self.pending.again.filter(|seq| *seq == self.head.seq + 1) {
            if gaps.first().is_none_or(|gap| gap.0 != again) {
                gaps.insert(0, (again, again));
            }
            self.asked_for.remove(&gaps[0].1);
        }
        gaps.truncate(RANGES_MAX);
        self.asked_for.retain(|last, _| gaps.iter().any(|gap| gap.1 == *last));
        let is_stuck = now.mono_ms.saturating_sub(self.moved_ms) >= GAP_PATIENCE_MS
            || self.pending.unopened.is_some()
            || self.pending.again.is_some();
        if !is_stuck {
            return Vec::new();
        }
        let asked_for = &mut self.asked_for;
        gaps.retain(|gap| match asked_for.get(&gap.1) {
            Some(asked) if now.mono_ms.saturating_sub(*asked) < ASK_AGAIN_MS => false,
            Some(_) | None => {
                asked_for.insert(gap.1, now.mono_ms);
                true
            }
        });
        gaps
    }
}
