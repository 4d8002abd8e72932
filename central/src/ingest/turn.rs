//! The lines of one message of one gateway, inside one transaction.

use super::gateway::{Gateway, Signed};
use super::personal::{Disclosure, erased};
use crate::check::Proof;
use crate::clock::Now;
use crate::store::{self, Disclosed, Keeping, Kept, Rollback, Table};
use picket_record::chain::{Head, OpenedEpoch, Parsed, TailState, Verdict};
use picket_record::encode::bytes32;
use picket_record::kind::{Kind, Severity};
use picket_record::refusal::Refusal;
use rusqlite::{Connection, Result};
use serde_json::Value;

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
}

impl<'a> Turn<'a> {
    pub(super) fn new(db: &'a Connection, gateway: &'a mut Gateway, now: Now) -> Self {
        Self { db, gateway, now, tally: Tally::default() }
    }

    /// What the lines did; the gateway is known to live by what was new.
    pub(super) fn finish(self) -> Result<Tally> {
        if let Some(life) = self.gateway.life.filter(|_| self.tally.stored + self.tally.ahead > 0) {
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
        let known = if passed { store::link_at(self.db, Table::Record, &record.gw, record.seq)? } else { None };
        match head.place_after(self.gateway.closed, record, |_| known) {
            Verdict::Next => {
                self.gateway.pending.at_once |= is_urgent(record);
                self.gateway.lives(record, self.now);
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

    /// A record that only the key of another history verifies: part of that, wherever it stands.
    fn of_branch(&mut self, record: &Parsed<'_>, branch: u64) -> Result<()> {
        self.fork(record, None, Some(branch), "its epoch was opened in another history")
    }

    fn accept(&mut self, record: &Parsed<'_>, opened: Option<OpenedEpoch>, received_ms: i64) -> Result<()> {
        store::insert(self.db, Table::Record, record, received_ms)?;
        if self.gateway.is_trusted(record.seq) {
            store::fold(self.db, record)?;
        }
        if self.gateway.forks > 0 && store::forget_fork(self.db, &record.gw, record.seq, &record.link)? {
            self.gateway.forks -= 1;
        }
        let before = self.gateway.head;
        self.gateway.advance(record, received_ms, self.now);
        self.gateway.down.seen(record);
        self.tally.stored += 1;
        if record.kind == Kind::PersonalErased {
            for range in erased(record) {
                store::erase(self.db, &record.gw, range, record.seq)?;
            }
        }
        let Some(opened) = opened else { return Ok(()) };
        self.open(&opened)?;
        if record.tail_state().is_some_and(TailState::leaves_a_branch) { self.left(record, before) } else { Ok(()) }
    }

    /// The gateway's disk was restored or lost a tail, or it was told to go on here: what is of another history and of
    /// an epoch before this one was left, what waits of it too.
    fn left(&mut self, record: &Parsed<'_>, before: Head) -> Result<()> {
        let gw = record.gw.clone();
        let data = record.data();
        let tail = data.get("tail");
        let found = tail.and_then(|tail| tail.get("seq")).and_then(Value::as_u64);
        let hash =
            tail.and_then(|tail| tail.get("hash")).and_then(Value::as_str).and_then(|text| bytes32(text, "hash").ok());
        let fits = match (found, hash) {
            (Some(0), _) | (None, _) | (_, None) => None,
            (Some(seq), Some(hash)) if seq <= before.seq => {
                store::link_at(self.db, Table::Record, &gw, seq)?.map(|link| link == hash)
            }
            (Some(_), Some(_)) => Some(false),
        };
        let rollback = Rollback {
            seq: record.seq,
            ep: record.ep,
            tail_state: record.tail_state().map_or("", TailState::as_str),
            found: found.map(|seq| (seq, fits)),
            received_ms: self.now.wall_ms,
        };
        store::insert_rollback(self.db, &gw, &rollback)?;
        store::leave(self.db, &gw, before.seq, self.now.wall_ms)?;
        self.gateway.leave(record);
        tracing::warn!(%gw, found, behind = before.seq, "the disk of the gateway was restored or lost a tail");
        for (line, _) in store::ahead_before(self.db, &gw, record.ep)? {
            let waiting = Parsed::read(&line).expect("it was read before it was stored");
            store::delete_ahead(self.db, &gw, waiting.seq)?;
            store::withdraw(self.db, &gw, waiting.seq)?;
            self.gateway.ahead -= 1;
            let opened = self.gateway.opened(&waiting);
            self.fork(&waiting, opened.as_ref(), None, "it waited, and the gateway went on without it")?;
        }
        Ok(())
    }

    /// A record of a hole that its gateway declared as lost: evidence, if it fits to what is around it.
    fn found(&mut self, record: &Parsed<'_>, opened: Option<OpenedEpoch>) -> Result<()> {
        let gw = &record.gw;
        let before = match record.seq {
            1 => Some(self.gateway.accepted.link),
            seq => store::link_at(self.db, Table::Record, gw, seq - 1)?,
        };
        let named = store::named_by_next(self.db, gw, record.seq)?;
        if before.is_some_and(|link| link != record.prev) || named.is_some_and(|link| link != record.link) {
            return self.fork(record, opened.as_ref(), None, "it does not fit into the hole that was declared");
        }
        store::insert(self.db, Table::Record, record, self.now.wall_ms)?;
        self.tally.found += 1;
        if let Some(opened) = opened.filter(|opened| !self.gateway.has_epoch(opened.ep())) {
            self.gateway.admit(&opened);
            store::insert_epoch(self.db, gw, opened.ep(), opened.key(), opened.seq())?;
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
        for line in store::ahead_of_epoch(self.db, &gw, opened.ep())? {
            let record = Parsed::read(&line).expect("it was read before it was stored");
            if !self.gateway.is_of_chain(&record) {
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
            let Some(waiting) = store::waiting(self.db, &gw, seq)? else {
                if self.cross()? {
                    continue;
                }
                return Ok(());
            };
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
                    let opened = if record.kind == Kind::EpochOpen { self.gateway.opened(&record) } else { None };
                    self.accept(&record, opened, waiting.received_ms)?;
                }
                Verdict::Duplicate | Verdict::Forgotten | Verdict::Ahead | Verdict::Fork { .. } => {
                    unreachable!("the record waited under the next number")
                }
            }
        }
        Ok(())
    }

    /// Goes over a hole that the gateway declared as lost for good, once the record behind it is there: what that one
    /// names stands for the link of the last record of the hole.
    fn cross(&mut self) -> Result<bool> {
        if self.gateway.declared.is_empty() {
            return Ok(false);
        }
        let gw = self.gateway.accepted.gw.clone();
        let (head, closed) = (self.gateway.head, self.gateway.closed);
        let Some(next) = store::first_ahead(self.db, &gw)?.filter(|next| *next > head.seq + 1) else {
            return Ok(false);
        };
        let Some(by) = self.gateway.declared_by(head.seq + 1, next - 1) else { return Ok(false) };
        let Some(waiting) = store::waiting(self.db, &gw, next)? else { return Ok(false) };
        let record = Parsed::read(&waiting.line).expect("it was read before it was stored");
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
        tracing::warn!(%gw, from = head.seq + 1, to = next - 1, by, "records that the gateway declared as lost");
        let ep = if opens { record.ep - 1 } else { head.ep };
        self.gateway.head = Head { ep, seq: next - 1, link: record.prev };
        self.gateway.closed = false;
        Ok(true)
    }

    /// Acts on a record before its turn, once, and keeps it for its turn.
    fn keep_ahead(&mut self, record: &Parsed<'_>, opened: Option<&OpenedEpoch>) -> Result<()> {
        match store::link_at(self.db, Table::Ahead, &record.gw, record.seq)? {
            Some(link) if link == record.link => {
                self.tally.duplicates += 1;
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
        self.gateway.lives(record, self.now);
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

    /// A genuine record of another history. Said to the gateway until it goes on with the first one, unless it is of one
    /// that it left already.
    fn fork(&mut self, record: &Parsed<'_>, opened: Option<&OpenedEpoch>, of: Option<u64>, why: &str) -> Result<()> {
        let contradicts = self.gateway.left_behind(record.ep).is_none();
        if self.beside(record, opened, of, why, contradicts)? && contradicts {
            self.gateway.pending.fork = true;
            self.gateway.forked = true;
        }
        Ok(())
    }

    /// Keeps a record of another history; true if it was not there before.
    fn beside(
        &mut self,
        record: &Parsed<'_>,
        opened: Option<&OpenedEpoch>,
        of: Option<u64>,
        why: &str,
        contradicts: bool,
    ) -> Result<bool> {
        self.tally.forks += 1;
        let room = self.gateway.forks < FORK_MAX;
        let left_behind = self.gateway.left_behind(record.ep);
        let keeping = Keeping { received_ms: self.now.wall_ms, of, why, room, left_behind, contradicts };
        let branch = match store::keep(self.db, record, keeping)? {
            Kept::Known => return Ok(false),
            Kept::New { branch } => branch,
        };
        self.gateway.forks += u64::from(room);
        if let Some(opened) = opened {
            self.gateway.hold_branch(opened, branch);
        }
        Ok(true)
    }

    /// A line that discloses what a record commits to. It is not kept where it does not fit: nobody could erase it.
    fn personal(&mut self, line: &[u8]) -> Result<()> {
        let gw = self.gateway.accepted.gw.clone();
        let disclosure = match Disclosure::read(line) {
            Ok(disclosure) => disclosure,
            Err(why) => return self.refuse(&why, b"{}"),
        };
        let seq = disclosure.seq;
        let shown = format!("{{\"pii\":{seq}}}");
        match store::disclosed(self.db, &gw, seq)? {
            Some(Disclosed::Kept) => {
                self.tally.duplicates += 1;
                return Ok(());
            }
            Some(Disclosed::Erased) => {
                return self.quarantine(&"personal data that was erased came again", shown.as_bytes());
            }
            None => {}
        }
        let Some(stored) = store::any_line_at(self.db, &gw, seq)? else {
            return self.quarantine(&"personal data for a record that is not here", shown.as_bytes());
        };
        let record = Parsed::read(&stored).expect("it was read before it was stored");
        if !disclosure.opens(record.payload()) {
            return self.refuse(&"personal data that the record does not commit to", shown.as_bytes());
        }
        store::disclose(self.db, &gw, seq, &disclosure.salt, &disclosure.text, self.now.wall_ms)?;
        self.tally.personal += 1;
        Ok(())
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
