//! The lines of one message of one gateway, inside one transaction.

use super::gateway::Gateway;
use crate::clock::Now;
use crate::store::{self, Table};
use picket_record::chain::{OpenedEpoch, Parsed, Verdict, verify};
use picket_record::kind::{Kind, Severity};
use picket_record::refusal::Refusal;
use rusqlite::{Connection, Result};

/// Records that may wait before their turn, for each gateway: twice the window that a gateway may have open.
const AHEAD_MAX: u64 = 16_384;
/// Records of other histories kept for each gateway; a gateway that goes on in a wrong history repeats itself.
const FORK_MAX: u64 = 10_000;

/// Counts of what one message did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records that continued the chain, those that had waited included.
    pub stored: u64,
    /// Records that were there already.
    pub duplicates: u64,
    /// Records that wait for their turn.
    pub ahead: u64,
    /// Records before their turn that were not kept, because too many wait; alarms among them were shown.
    pub passed: u64,
    /// Records of another history.
    pub forks: u64,
    /// Lines refused.
    pub refused: u64,
}

pub(super) struct Turn<'a> {
    db: &'a Connection,
    gateway: &'a mut Gateway,
    now: Now,
    tally: Tally,
}

impl<'a> Turn<'a> {
    pub(super) fn new(db: &'a Connection, gateway: &'a mut Gateway, now: Now) -> Self {
        Self { db, gateway, now, tally: Tally::default() }
    }

    pub(super) fn tally(self) -> Tally {
        self.tally
    }

    pub(super) fn line(&mut self, line: &[u8]) -> Result<()> {
        let record = match Parsed::read_bytes(line) {
            Ok(record) => record,
            Err(refusal) => return self.refuse(&refusal, line),
        };
        match self.gateway.verify(&record) {
            Ok(opened) => self.verified(&record, opened),
            Err(Refusal::UnknownEpoch { ep }) => {
                // Not a fault of the line: its opening is missing and is asked for.
                self.gateway.pending.unopened = self.gateway.pending.unopened.max(Some(record.seq));
                self.quarantine(&Refusal::UnknownEpoch { ep }, line)
            }
            Err(refusal) => self.refuse(&refusal, line),
        }
    }

    fn verified(&mut self, record: &Parsed<'_>, opened: Option<OpenedEpoch>) -> Result<()> {
        let head = self.gateway.head;
        let passed = record.seq <= head.seq;
        let known = if passed { store::link_at(self.db, Table::Record, &record.gw, record.seq)? } else { None };
        match head.place_after(self.gateway.closed, record, |_| known) {
            Verdict::Next => {
                self.gateway.pending.at_once |= is_urgent(record);
                self.accept(record, opened, self.now.wall_ms)?;
                self.heal()
            }
            Verdict::Duplicate | Verdict::Forgotten => {
                self.tally.duplicates += 1;
                Ok(())
            }
            // An epoch that the chain has passed is never opened again.
            Verdict::Ahead if opened.is_some() && record.ep <= head.ep => self.fork(record),
            Verdict::Ahead => {
                if let Some(opened) = &opened {
                    self.gateway.hold(opened);
                }
                self.keep_ahead(record)
            }
            Verdict::Fork { .. } => self.fork(record),
            Verdict::Break(why) => self.refuse(&why, record.line.as_bytes()),
        }
    }

    fn accept(&mut self, record: &Parsed<'_>, opened: Option<OpenedEpoch>, received_ms: i64) -> Result<()> {
        store::insert(self.db, Table::Record, record, received_ms)?;
        store::fold(self.db, record)?;
        self.gateway.advance(record, received_ms, self.now);
        self.tally.stored += 1;
        match opened {
            Some(opened) => self.open(&opened),
            None => Ok(()),
        }
    }

    /// The chain reached an opening: its key counts from here. What waits under the key of another opening of this
    /// epoch belongs to a history that the gateway lost.
    fn open(&mut self, opened: &OpenedEpoch) -> Result<()> {
        let gw = self.gateway.accepted.gw.clone();
        // Taken in any case: the chain itself names this opening.
        self.gateway.epochs.restore(opened.ep(), opened.key().clone());
        store::insert_epoch(self.db, &gw, opened.ep(), opened.key(), opened.seq())?;
        if !self.gateway.settle(opened) {
            return Ok(());
        }
        for line in store::ahead_of_epoch(self.db, &gw, opened.ep())? {
            let record = Parsed::read(&line).expect("it was read before it was stored");
            if !matches!(verify(&record, &self.gateway.epochs), Ok(None)) {
                store::delete_ahead(self.db, &gw, record.seq)?;
                store::withdraw(self.db, &gw, record.seq)?;
                self.gateway.ahead -= 1;
                self.refuse(&"it is of an epoch that was opened again elsewhere", line.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Moves what waited and whose turn has come.
    fn heal(&mut self) -> Result<()> {
        while self.gateway.ahead > 0 {
            let gw = self.gateway.accepted.gw.clone();
            let seq = self.gateway.head.seq + 1;
            let Some(waiting) = store::waiting(self.db, &gw, seq)? else { return Ok(()) };
            store::delete_ahead(self.db, &gw, seq)?;
            self.gateway.ahead -= 1;
            let record = Parsed::read(&waiting.line).expect("it was read before it was stored");
            match self.gateway.head.place_after(self.gateway.closed, &record, |_| None) {
                Verdict::Break(why) => {
                    store::withdraw(self.db, &gw, seq)?;
                    self.gateway.let_go(seq);
                    self.gateway.pending.again = Some(seq);
                    return self.refuse(&why, waiting.line.as_bytes());
                }
                Verdict::Next => {
                    let opened = verify(&record, &self.gateway.epochs).ok().flatten();
                    self.accept(&record, opened, waiting.received_ms)?;
                }
                Verdict::Duplicate | Verdict::Forgotten | Verdict::Ahead | Verdict::Fork { .. } => {
                    unreachable!("the record waited under the next number")
                }
            }
        }
        Ok(())
    }

    /// Acts on a record before its turn, once, and keeps it for its turn.
    fn keep_ahead(&mut self, record: &Parsed<'_>) -> Result<()> {
        match store::link_at(self.db, Table::Ahead, &record.gw, record.seq)? {
            Some(link) if link == record.link => {
                self.tally.duplicates += 1;
                return Ok(());
            }
            Some(_) => return self.fork(record),
            None => {}
        }
        store::show_ahead(self.db, record)?;
        self.gateway.pending.at_once |= is_urgent(record);
        if self.gateway.ahead >= AHEAD_MAX {
            // Not kept and not refused: the gateway is asked for what is missing and sends this one again after that.
            self.tally.passed += 1;
            return Ok(());
        }
        store::insert(self.db, Table::Ahead, record, self.now.wall_ms)?;
        self.gateway.ahead += 1;
        self.tally.ahead += 1;
        Ok(())
    }

    fn fork(&mut self, record: &Parsed<'_>) -> Result<()> {
        self.gateway.pending.fork = true;
        self.tally.forks += 1;
        if store::fork_count(self.db, &record.gw)? >= FORK_MAX {
            return Ok(());
        }
        store::insert(self.db, Table::Fork, record, self.now.wall_ms)
    }

    fn refuse(&mut self, reason: &dyn std::fmt::Display, line: &[u8]) -> Result<()> {
        self.gateway.pending.bad = true;
        self.quarantine(reason, line)
    }

    fn quarantine(&mut self, reason: &dyn std::fmt::Display, line: &[u8]) -> Result<()> {
        self.tally.refused += 1;
        let gw = self.gateway.accepted.gw.as_str();
        store::quarantine(self.db, gw, self.now.wall_ms, &reason.to_string(), line)
    }
}

/// Receipted at once, because somebody waits for it: the alarm lane, or every record of the epoch.
fn is_urgent(record: &Parsed<'_>) -> bool {
    record.sev >= Severity::Security || record.kind == Kind::EpochOpen
}
