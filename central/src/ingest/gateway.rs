//! One gateway as the machine sees it: its keys, its chain, and what is to be said to it.

mod holes;
mod keys;
mod life;

pub(super) use keys::Signed;

use super::answers::Down;
use crate::check::HeldKey;
use crate::clock::Now;
use crate::store::{self, Accepted, Life, Table};
use picket_record::chain::{Closed, Epochs, Head, Parsed};
use picket_record::drill::Drills;
use picket_record::encode::{Link, line_link};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A receipt at least this long after the one before, except at once: one a second while a backlog drains.
const RECEIPT_EVERY_MS: u64 = 1000;
/// A quarter of what a gateway may have open without a receipt (8,192 records or 8 MiB of lines): once the chain moved
/// by so much, a receipt goes out, so that the window never closes while a backlog drains.
const RECEIPT_RECORDS: u64 = 2048;
const RECEIPT_BYTES: u64 = 2 * 1024 * 1024;
/// A receipt for so many records says that a backlog drains; what comes next is receipted after so long, because the
/// gateway may wait for the last of it.
const DRAINING: u64 = 256;
const RECEIPT_DRAINING_MS: u64 = 250;
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

/// Receipts between two looks at old ones.
const PRUNE_EVERY: u64 = 64;

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
    /// The gateway was revoked.
    revoked: bool,
    /// Highest number of a record whose epoch is not known: its opening is missing.
    pub(super) unopened: Option<u64>,
    /// A record that waited did not continue the chain: its number is asked for again.
    pub(super) again: Option<u64>,
    /// By so many records and bytes of lines the chain moved.
    moved: (u64, u64),
}

#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) accepted: Accepted,
    /// Keys of the openings in the chain.
    epochs: Arc<Epochs>,
    /// Openings whose turn has not come: it may never come, and another opening of the same epoch may.
    candidates: Vec<Arc<HeldKey>>,
    /// Openings of other histories.
    branches: Vec<Arc<HeldKey>>,
    /// Records kept of other histories.
    pub(super) forks: u64,
    /// There is another history, and the gateway has not gone on with the first one.
    pub(super) forked: bool,
    /// Number and epoch of the newest opening that left another history: what is of an epoch before it was left.
    left: Option<(u64, u64)>,
    /// Holes declared by records that wait: first, last, declared by.
    pub(super) declared: Vec<(u64, u64, u64)>,
    /// Some declared holes did not fit, and are read again.
    pub(super) declared_more: bool,
    /// Where the chain ended when they were read again.
    declared_at: u64,
    pub(super) down: Down,
    /// What was ordered of drills.
    pub(super) drills: Drills,
    /// Trusted up to this record.
    pub(super) revoked_after: Option<u64>,
    pub(super) life: Option<Life>,
    /// When a genuine record last came, or since when one could have.
    life_mono_ms: u64,
    /// Its word on the count of receipts was believed since this program is connected.
    jumped: bool,
    /// Receipts until old ones are let go.
    prune_in: u64,
    pub(super) head: Head,
    /// What the last record says where it is `epoch.close`.
    pub(super) closed: Option<Closed>,
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
    /// The last receipt was for a good part of a backlog.
    draining: bool,
}

impl Gateway {
    /// `now_ms` is the moment from which it could be heard.
    pub(super) fn load(db: &Connection, accepted: Accepted, now_ms: u64) -> rusqlite::Result<Self> {
        let mut epochs = Epochs::new(accepted.gw.clone(), accepted.identity.clone()).at_site(accepted.site.clone());
        let (head, head_received_ms, closed) =
            store::head(db, &accepted.gw)?.unwrap_or((Head::genesis(accepted.link), 0, None));
        for known in store::epochs(db, &accepted.gw, head.seq)? {
            let ep = known.ep;
            if let Some(key) = keys::of_epoch(db, &epochs, known, head.ep)? {
                epochs.restore(ep, key);
            }
        }
        let last =
            store::last_receipt(db, &accepted.gw)?.map_or((0, accepted.link), |last| (last.n, line_link(&last.line)));
        let mut gateway = Self {
            ahead: 0,
            accepted,
            epochs: Arc::new(epochs),
            candidates: Vec::new(),
            branches: Vec::new(),
            forks: 0,
            forked: false,
            left: None,
            down: Down::default(),
            drills: Drills::default(),
            declared: Vec::new(),
            declared_more: false,
            declared_at: 0,
            revoked_after: None,
            life: None,
            life_mono_ms: now_ms,
            jumped: false,
            prune_in: 0,
            head,
            closed,
            head_received_ms,
            pending: Pending::default(),
            last,
            asked_for: BTreeMap::new(),
            moved_ms: 0,
            heard_ms: None,
            sent_ms: None,
            draining: false,
        };
        gateway.take_up(db)?;
        Ok(gateway)
    }

    /// What stands beside the chain.
    fn take_up(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let gw = self.accepted.gw.clone();
        self.forked = store::is_forked(db, &gw)?;
        self.left = store::last_rollback(db, &gw)?;
        self.life = store::life(db, &gw)?;
        self.down = Down::recover(&store::answers(db, &gw)?);
        for row in store::ahead_openings(db, &gw)? {
            match row.record(&gw) {
                Ok(record) => self.opened(&record).iter().for_each(|opened| self.hold(opened)),
                Err(why) => store::set_aside(db, Table::Ahead, &gw, &row, &why)?,
            }
        }
        for (row, branch) in store::fork_openings(db, &gw)? {
            match row.record(&gw) {
                Ok(record) => self.opened(&record).iter().for_each(|opened| self.hold_branch(opened, branch)),
                Err(why) => store::set_aside(db, Table::Fork, &gw, &row, &why)?,
            }
        }
        self.redeclare(db)?;
        self.forks = store::fork_count(db, &gw)?;
        self.ahead = store::ahead_count(db, &gw)?;
        Ok(())
    }

    /// The record behind which the gateway left the history that a record of this epoch belongs to.
    pub(super) fn left_behind(&self, ep: u64) -> Option<u64> {
        self.left.filter(|(_, left)| ep < *left).map(|(seq, _)| seq - 1)
    }

    /// The gateway goes on with the chain, whatever other history there was.
    pub(super) fn leave(&mut self, record: &Parsed<'_>) {
        self.left = Some((record.seq, record.ep));
        self.forked = false;
        self.candidates.retain(|one| one.ep >= record.ep);
        // The opening itself says that it runs.
        self.unsay_stop(record.seq);
    }

    /// Whether the record of this number is acted on.
    pub(super) fn is_trusted(&self, seq: u64) -> bool {
        self.revoked_after.is_none_or(|after| seq <= after)
    }

    /// Trusted no longer, or as before.
    pub(super) fn revoke(&mut self, after: Option<u64>) {
        self.pending.revoked |= self.revoked_after != after;
        self.revoked_after = after;
    }

    pub(super) fn heard(&mut self, now: Now) {
        self.heard_ms = Some(now.mono_ms);
        self.pending.traffic = true;
    }

    /// Its last receipt may have been lost with the connection.
    pub(super) fn repeat(&mut self, now: Now) {
        // What it sent meanwhile is still at the broker.
        self.life_mono_ms = now.mono_ms;
        self.jumped = false;
        self.pending.traffic |= self.is_listening(now);
    }

    /// The gateway waits for a receipt, and refuses one below the highest it knows: after this store was restored from
    /// a backup, the count goes on after that, and leaves one number out. The receipt before is not here, and the next
    /// one must not seem to name it. It asks unsigned: one jump is believed for each connection of this program, and a
    /// store is not restored under a running one.
    pub(super) fn asked(&mut self, n: Option<u64>) {
        self.pending.at_once = true;
        self.down.asked();
        let known = n.unwrap_or(0).min(self.last.0.saturating_add(JUMP_MAX));
        if known > self.last.0 && !self.jumped {
            self.last.0 = known + 1;
            self.jumped = true;
        }
    }

    pub(super) fn advance(&mut self, record: &Parsed<'_>, received_ms: i64, now: Now) {
        self.pending.moved.0 += 1;
        self.pending.moved.1 += record.line.len() as u64;
        self.head = Head::after(record);
        self.closed = Closed::by(record);
        self.head_received_ms = received_ms;
        let passed = self.head.seq;
        self.declared.retain(|(_, to, _)| *to > passed);
        self.moved_ms = now.mono_ms;
    }

    pub(super) fn is_due(&self, now: Now) -> bool {
        let pending = &self.pending;
        let since = self.sent_ms.map_or(u64::MAX, |sent| now.mono_ms.saturating_sub(sent));
        let at_once = pending.at_once
            || pending.bad
            || pending.fork
            || pending.revoked
            || pending.unopened.is_some()
            || pending.again.is_some()
            || pending.moved.0 >= RECEIPT_RECORDS
            || pending.moved.1 >= RECEIPT_BYTES;
        (at_once && since >= RECEIPT_FLOOR_MS)
            || (pending.traffic && since >= if self.draining { RECEIPT_DRAINING_MS } else { RECEIPT_EVERY_MS })
            || (self.ahead > 0 && since >= ASK_AGAIN_MS && self.is_listening(now))
    }

    pub(super) fn sent(&mut self, n: u64, link: Link, now: Now) {
        self.last = (n, link);
        self.sent_ms = Some(now.mono_ms);
        self.draining = self.pending.moved.0 >= DRAINING;
        self.pending = Pending::default();
    }

    /// Whether it is time to let go of old receipts: looking at all of them costs too much each time.
    pub(super) fn prunes(&mut self) -> bool {
        let now = self.prune_in == 0;
        self.prune_in = if now { PRUNE_EVERY } else { self.prune_in - 1 };
        now
    }

    pub(super) fn is_listening(&self, now: Now) -> bool {
        self.heard_ms.is_some_and(|heard| now.mono_ms.saturating_sub(heard) < SILENT_MS)
    }
}
