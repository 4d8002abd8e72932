//! The lines of one message of one gateway, inside one transaction.

mod disclosures;
mod histories;
mod places;

use super::gateway::{Gateway, Signed};
use crate::check::Proof;
use crate::clock::Now;
use crate::store::{self, Row, Table};
use picket_record::chain::{Head, OpenedEpoch, Parsed, Verdict};
use picket_record::kind::{Kind, Severity};
use picket_record::refusal::Refusal;
use rusqlite::{Connection, Result};

/// Records that may wait before their turn, for each gateway: twice the window that a gateway may have open.
const AHEAD_MAX: u64 = 16_384;

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
    /// Records of a declared hole that came all the same.
    pub found: u64,
    /// Openings of personal data that were kept.
    pub personal: u64,
    /// Lines refused.
    pub refused: u64,
}

pub(super) struct Turn<'a> {
    db: &'a Connection,
    gateway: &'a mut Gateway,
    now: Now,
    tally: Tally,
    /// What came of these is looked for once, at the end.
    late: store::Late,
}

impl<'a> Turn<'a> {
    pub(super) fn new(db: &'a Connection, gateway: &'a mut Gateway, now: Now) -> Self {
        Self { db, gateway, now, tally: Tally::default(), late: store::Late::new() }
    }

    /// What the lines did; the gateway is known to live by what was new.
    pub(super) fn finish(self) -> Result<Tally> {
        if self.tally.stored > 0 {
            store::withdraw_passed(self.db, &self.gateway.accepted.gw, self.gateway.head.seq)?;
        }
        store::follow(self.db, &self.gateway.accepted.gw, &self.late, self.gateway.revoked_after)?;
        let lives = self.tally.stored + self.tally.ahead + self.tally.passed > 0;
        if let Some(life) = self.gateway.life.filter(|_| lives) {
            store::save_life(self.db, &self.gateway.accepted.gw, &life)?;
        }
        Ok(self.tally)
    }

    pub(super) fn line(&mut self, line: &[u8], proof: &Proof) -> Result<()> {
        if line.first() == Some(&b'{') {
            return self.personal(line);
        }
        let record = match Parsed::read_bytes(line) {
            Ok(record) => record,
            Err(refusal) => return self.refuse(&refusal, line),
        };
        match self.gateway.verify(&record, proof) {
            Ok(Signed::Chain(opened)) => self.verified(&record, opened),
            Ok(Signed::Branch(branch)) => self.of_branch(&record, branch),
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
        let known = if passed { store::link_in_place(self.db, &record.gw, record.seq)? } else { None };
        match head.place_after(self.gateway.closed.as_ref(), record, |_| known) {
            Verdict::Next => {
                self.gateway.pending.at_once |= is_urgent(record);
                self.gateway.lives(self.db, record, self.now)?;
                self.accept(record, opened, self.now.wall_ms)?;
                self.heal()
            }
            Verdict::Forgotten if store::is_lost(self.db, &record.gw, record.seq)? => self.found(record, opened),
            Verdict::Duplicate | Verdict::Forgotten => {
                self.tally.duplicates += 1;
                Ok(())
            }
            // An epoch that the chain has passed is never opened again.
            Verdict::Ahead if opened.is_some() && record.ep <= head.ep => {
                self.fork(record, opened.as_ref(), None, "an epoch that had passed was opened again")
            }
            Verdict::Ahead => {
                if let Some(opened) = &opened {
                    self.gateway.hold(opened);
                }
                self.keep_ahead(record, opened.as_ref())
            }
            Verdict::Fork { .. } => self.fork(record, opened.as_ref(), None, "another record has its number"),
            Verdict::Break(why) => self.fork(record, opened.as_ref(), None, &why.to_string()),
        }
    }

    /// A row that waited cannot be read any more: it is asked for again.
    fn spoiled(&mut self, row: &Row, why: &str) -> Result<()> {
        store::set_aside(self.db, Table::Ahead, &self.gateway.accepted.gw, row, why)?;
        self.tally.refused += 1;
        self.gateway.ahead -= 1;
        self.gateway.let_go(row.seq);
        self.gateway.forget_word(row.seq);
        if row.seq == self.gateway.head.seq + 1 {
            self.gateway.pending.again = Some(row.seq);
        }
        Ok(())
    }

    /// The chain reached an opening: its key counts from here. What waits under the key of another opening of this
    /// epoch belongs to a history that the gateway lost.
    fn open(&mut self, opened: &OpenedEpoch) -> Result<()> {
        let gw = self.gateway.accepted.gw.clone();
        // Taken in any case: the chain itself names this opening.
        self.gateway.admit(opened);
        store::insert_epoch(self.db, &gw, opened.ep(), opened.key(), opened.seq())?;
        if !self.gateway.settle(opened) {
            return Ok(());
        }
        for row in store::ahead_of_epoch(self.db, &gw, opened.ep())? {
            let record = match row.record(&gw) {
                Ok(record) => record,
                Err(why) => {
                    self.spoiled(&row, &why)?;
                    continue;
                }
            };
            if !self.gateway.is_of_chain(&record) {
                store::delete_ahead(self.db, &gw, record.seq)?;
                store::withdraw(self.db, &gw, record.seq)?;
                self.gateway.unsay_stop(record.seq);
                self.gateway.ahead -= 1;
                self.refuse(&"it is of an epoch that was opened again elsewhere", row.line())?;
            }
        }
        Ok(())
    }

    /// Moves what waited and whose turn has come.
    fn heal(&mut self) -> Result<()> {
        while self.gateway.ahead > 0 {
            let gw = self.gateway.accepted.gw.clone();
            let seq = self.gateway.head.seq + 1;
            let Some(waiting) = store::waiting(self.db, &gw, seq)? else {
                if self.cross()? {
                    continue;
                }
                return Ok(());
            };
            let record = match waiting.record(&gw) {
                Ok(record) => record,
                Err(why) => {
                    self.spoiled(&waiting, &why)?;
                    continue;
                }
            };
            store::delete_ahead(self.db, &gw, seq)?;
            self.gateway.ahead -= 1;
            match self.gateway.head.place_after(self.gateway.closed.as_ref(), &record, |_| None) {
                Verdict::Break(why) => return self.broke_off(&record, &why.to_string()),
                Verdict::Next => {
                    let opened = if record.kind == Kind::EpochOpen { self.gateway.opened(&record) } else { None };
                    self.gateway.says(&record);
                    self.accept(&record, opened, waiting.received_ms)?;
                }
                Verdict::Duplicate | Verdict::Forgotten | Verdict::Ahead | Verdict::Fork { .. } => {
                    unreachable!("the record waited under the next number")
                }
            }
        }
        Ok(())
    }

    /// A genuine record waited for a chain that went another way: part of another history, and what stands under its
    /// number is asked for. The key of an epoch signs one history alone; one of an epoch that has passed is what a
    /// gateway sent before it lost its tail.
    fn broke_off(&mut self, record: &Parsed<'_>, why: &str) -> Result<()> {
        store::withdraw(self.db, &record.gw, record.seq)?;
        self.gateway.let_go(record.seq);
        self.gateway.unsay_stop(record.seq);
        self.gateway.pending.again = Some(record.seq);
        let opened = if record.kind == Kind::EpochOpen { self.gateway.opened(record) } else { None };
        if record.ep >= self.gateway.head.ep {
            return self.fork(record, opened.as_ref(), None, why);
        }
        self.beside(record, opened.as_ref(), None, why, false).map(drop)
    }

    /// Goes over a hole that the gateway declared as lost for good, once the record behind it is there: what that one
    /// names stands for the link of the last record of the hole.
    fn cross(&mut self) -> Result<bool> {
        if self.gateway.declared.is_empty() && !self.gateway.may_redeclare() {
            return Ok(false);
        }
        let gw = self.gateway.accepted.gw.clone();
        let (head, closed) = (self.gateway.head, self.gateway.closed.is_some());
        let Some(next) = store::first_ahead(self.db, &gw)?.filter(|next| *next > head.seq + 1) else {
            return Ok(false);
        };
        let mut by = self.gateway.declared_by(head.seq + 1, next - 1);
        if by.is_none() && self.gateway.may_redeclare() {
            self.gateway.redeclare(self.db)?;
            by = self.gateway.declared_by(head.seq + 1, next - 1);
        }
        let Some(by) = by else { return Ok(false) };
        let Some(waiting) = store::waiting(self.db, &gw, next)? else { return Ok(false) };
        let record = match waiting.record(&gw) {
            Ok(record) => record,
            Err(why) => return self.spoiled(&waiting, &why).map(|()| true),
        };
        let opens = record.kind == Kind::EpochOpen;
        let fits = if opens {
            record.ep > head.ep
        } else {
            record.ep == head.ep && !closed && self.gateway.is_of_chain(&record)
        };
        if !fits {
            return Ok(false);
        }
        store::insert_lost(self.db, &gw, (head.seq + 1, next - 1), by, self.now.wall_ms)?;
        store::keep_lost(self.db, &gw, (head.seq + 1, next - 1))?;
        tracing::warn!(%gw, from = head.seq + 1, to = next - 1, by, "records that the gateway declared as lost");
        let ep = if opens { record.ep - 1 } else { head.ep };
        self.gateway.head = Head { ep, seq: next - 1, link: record.prev };
        self.gateway.closed = None;
        Ok(true)
    }

    /// Acts on a record before its turn, once, and keeps it for its turn.
    fn keep_ahead(&mut self, record: &Parsed<'_>, opened: Option<&OpenedEpoch>) -> Result<()> {
        match store::link_waiting(self.db, &record.gw, record.seq)? {
            Some(link) if link == record.link => {
                self.tally.duplicates += 1;
                self.gateway.declare(record);
                return Ok(());
            }
            // Which of the two belongs to the chain is known when it comes so far: nobody has to go back for it.
            Some(_) => {
                return self.beside(record, opened, None, "another record waits under its number", false).map(drop);
            }
            None => {}
        }
        if self.gateway.is_trusted(record.seq) {
            store::show_ahead(self.db, record)?;
        }
        self.gateway.pending.at_once |= is_urgent(record);
        self.gateway.lives(self.db, record, self.now)?;
        if self.gateway.ahead >= AHEAD_MAX {
            // Not kept and not refused: the gateway is asked for what is missing and sends this one again after that.
            self.tally.passed += 1;
            return Ok(());
        }
        store::insert(self.db, Table::Ahead, record, self.now.wall_ms)?;
        self.gateway.ahead += 1;
        self.tally.ahead += 1;
        self.gateway.declare(record);
        if self.gateway.declared.is_empty() { Ok(()) } else { self.heal() }
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
