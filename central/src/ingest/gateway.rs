//! One gateway as the machine sees it: its keys, its chain, and what is to be said to it.

use crate::clock::Now;
use crate::store::{self, Accepted};
use picket_record::chain::{Epochs, Head, OpenedEpoch, Parsed, verify};
use picket_record::encode::{Link, link};
use picket_record::kind::Kind;
use picket_record::refusal::Refusal;
use rusqlite::Connection;
use std::collections::BTreeMap;

/// A receipt at least this long after the one before, except at once: one a second while a backlog drains.
const RECEIPT_EVERY_MS: u64 = 1000;
/// Even at once, no sooner than this: a flood of refused lines must not become a flood of receipts.
const RECEIPT_FLOOR_MS: u64 = 50;
/// A gap is asked for when the chain has not moved for so long: an alarm that overtook its backlog is no loss.
pub(super) const GAP_PATIENCE_MS: u64 = 1000;
/// A gap is not asked for again before this.
pub(super) const ASK_AGAIN_MS: u64 = 5000;
/// A gateway that was silent for so long is not reminded of its gaps.
const SILENT_MS: u64 = 60_000;
/// How far a gateway can move the count of receipts when it asks: it says so unsigned.
const JUMP_MAX: u64 = 1_000_000;
/// Openings before their turn whose keys are held, the newest: a gateway may lose its tail and open an epoch again.
const CANDIDATES_MAX: usize = 64;

/// What has happened since the last receipt.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Anything at all.
    pub(super) traffic: bool,
    /// Somebody waits.
    pub(super) at_once: bool,
    /// Something was refused.
    pub(super) bad: bool,
    /// A second history showed itself.
    pub(super) fork: bool,
    /// Highest number of a record whose epoch is not known: its opening is missing.
    pub(super) unopened: Option<u64>,
    /// A record that waited did not continue the chain: its number is asked for again.
    pub(super) again: Option<u64>,
}

/// The key of an opening whose turn has not come: it may never come, and another opening of this epoch may.
#[derive(Debug)]
struct Candidate {
    seq: u64,
    ep: u64,
    keys: Epochs,
}

#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) accepted: Accepted,
    /// Keys of the openings in the chain.
    pub(super) epochs: Epochs,
    candidates: Vec<Candidate>,
    pub(super) head: Head,
    /// The last record is `epoch.close`.
    pub(super) closed: bool,
    pub(super) head_received_ms: i64,
    /// Records that wait before their turn.
    pub(super) ahead: u64,
    pub(super) pending: Pending,
    /// Number and link of the newest receipt.
    pub(super) last: (u64, Link),
    /// Gaps by their last number, and when each was asked for.
    pub(super) asked_for: BTreeMap<u64, u64>,
    pub(super) moved_ms: u64,
    heard_ms: Option<u64>,
    sent_ms: Option<u64>,
}

impl Gateway {
    pub(super) fn load(db: &Connection, accepted: Accepted) -> rusqlite::Result<Self> {
        let mut epochs = Epochs::new(accepted.gw.clone(), accepted.identity.clone()).at_site(accepted.site.clone());
        let (head, head_received_ms, closed) =
            store::head(db, &accepted.gw)?.unwrap_or((Head::genesis(accepted.link), 0, false));
        for (ep, key) in store::epochs(db, &accepted.gw, head.seq)? {
            epochs.restore(ep, key);
        }
        let last =
            store::last_receipt(db, &accepted.gw)?.map_or((0, accepted.link), |last| (last.n, line_link(&last.line)));
        let mut gateway = Self {
            ahead: store::ahead_count(db, &accepted.gw)?,
            accepted,
            epochs,
            candidates: Vec::new(),
            head,
            closed,
            head_received_ms,
            pending: Pending::default(),
            last,
            asked_for: BTreeMap::new(),
            moved_ms: 0,
            heard_ms: None,
            sent_ms: None,
        };
        for line in store::ahead_openings(db, &gateway.accepted.gw)? {
            let record = Parsed::read(&line).expect("it was read before it was stored");
            if let Ok(Some(opened)) = verify(&record, &gateway.epochs) {
                gateway.hold(&opened);
            }
        }
        Ok(gateway)
    }

    /// Who signed a record: the key of its epoch in the chain, or of an opening before it whose turn has not come.
    pub(super) fn verify(&self, record: &Parsed<'_>) -> Result<Option<OpenedEpoch>, Refusal> {
        match verify(record, &self.epochs) {
            Err(Refusal::UnknownEpoch { ep }) => {
                let mut fitting = self.candidates.iter().filter(|one| one.ep == ep && one.seq < record.seq);
                // Not by any key held: the opening that it belongs to is missing.
                if fitting.any(|one| verify(record, &one.keys).is_ok()) {
                    Ok(None)
                } else {
                    Err(Refusal::UnknownEpoch { ep })
                }
            }
            result => result,
        }
    }

    /// Holds the key of an opening until the chain reaches it.
    pub(super) fn hold(&mut self, opened: &OpenedEpoch) {
        let mut keys = self.epochs.emptied();
        keys.restore(opened.ep(), opened.key().clone());
        if self.candidates.iter().any(|one| one.seq == opened.seq() && one.keys.key(opened.ep()) == Some(opened.key()))
        {
            return;
        }
        if self.candidates.len() >= CANDIDATES_MAX {
            self.candidates.remove(0);
        }
        self.candidates.push(Candidate { seq: opened.seq(), ep: opened.ep(), keys });
    }

    /// The chain reached an opening. True if another one of its epoch had been held, whose records may wait.
    pub(super) fn settle(&mut self, opened: &OpenedEpoch) -> bool {
        let ep = opened.ep();
        let rival = |one: &Candidate| one.ep == ep && one.keys.key(ep) != Some(opened.key());
        let contested = self.candidates.iter().any(rival);
        self.candidates.retain(|one| one.ep > ep);
        contested
    }

    /// The opening under this number does not belong to the chain.
    pub(super) fn let_go(&mut self, seq: u64) {
        self.candidates.retain(|one| one.seq != seq);
    }

    pub(super) fn heard(&mut self, now: Now) {
        self.heard_ms = Some(now.mono_ms);
        self.pending.traffic = true;
    }

    /// Its last receipt may have been lost with the connection.
    pub(super) fn repeat(&mut self, now: Now) {
        self.pending.traffic |= self.is_listening(now);
    }

    /// The gateway waits for a receipt, and refuses one below the highest it knows: after this store was restored from
    /// a backup, the count goes on after that.
    pub(super) fn asked(&mut self, n: Option<u64>) {
        self.pending.at_once = true;
        let known = n.unwrap_or(0).min(self.last.0.saturating_add(JUMP_MAX));
        self.last.0 = self.last.0.max(known);
    }

    pub(super) fn advance(&mut self, record: &Parsed<'_>, received_ms: i64, now: Now) {
        self.head = Head::after(record);
        self.closed = record.kind == Kind::EpochClose;
        self.head_received_ms = received_ms;
        self.moved_ms = now.mono_ms;
    }

    pub(super) fn is_due(&self, now: Now) -> bool {
        let pending = &self.pending;
        let since = self.sent_ms.map_or(u64::MAX, |sent| now.mono_ms.saturating_sub(sent));
        let at_once =
            pending.at_once || pending.bad || pending.fork || pending.unopened.is_some() || pending.again.is_some();
        (at_once && since >= RECEIPT_FLOOR_MS)
            || (pending.traffic && since >= RECEIPT_EVERY_MS)
            || (self.ahead > 0 && since >= ASK_AGAIN_MS && self.is_listening(now))
    }

    pub(super) fn sent(&mut self, n: u64, link: Link, now: Now) {
        self.last = (n, link);
        self.sent_ms = Some(now.mono_ms);
        self.pending = Pending::default();
    }

    fn is_listening(&self, now: Now) -> bool {
        self.heard_ms.is_some_and(|heard| now.mono_ms.saturating_sub(heard) < SILENT_MS)
    }
}

/// Link of a line that this program signed.
fn line_link(line: &str) -> Link {
    link(line.rsplit_once('.').map_or(line, |(signing_input, _)| signing_input))
}
