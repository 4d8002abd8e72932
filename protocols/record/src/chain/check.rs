//! The walk along a file of records: what is verified, what was lost and declared, what contradicts.
//!
//! A hole, or lines that are refused where numbers are missing, may be declared by a record further on: both are held
//! until the end. Everything that is held has a limit; what is beyond it is counted, or contradicts.

mod holes;
mod ranges;
mod tails;

use super::contradiction::{Contradiction, Loss};
use super::{Closed, Epochs, Found, Head, Parsed, TailState, Verdict, verify};
use crate::acceptance::Acceptance;
use crate::encode::{Link, bytes32};
use crate::keys::PublicKey;
use crate::kind::Kind;
use crate::receipt::Receipt;
use crate::refusal::Refusal;
use crate::shown;
use holes::{Holes, Waiting};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tails::Tails;

/// Losses and contradictions that are listed; more are only counted.
pub const LISTED_MAX: usize = 1000;
/// Receipts that a walk is held to: forty bytes of each are kept. An export with more leaves out all but the newest of
/// each day.
pub const WITNESSES_MAX: usize = 65_536;
/// Records of `summaries.jws` that a walk is held to, 40 MiB: a hundred pieces of equipment on every day of 28 years.
pub const SUMMARIES_MAX: usize = 1 << 20;
/// Holes, refused lines in them, ranges of one kind that records declare, and branches, that are held: some MiB of each,
/// and more than a journal that works leaves in all its life.
pub const HELD_MAX: usize = 65_536;

/// A contradiction, and the line that showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// From 1; `None` where what is missing is not a line.
    pub line: Option<u64>,
    /// What contradicts.
    pub what: Contradiction,
}

/// What the walk found: three lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records verified and in their place.
    pub records: u64,
    /// Epochs opened.
    pub epochs: u64,
    /// Number of the first record.
    pub first: u64,
    /// Number of the last record.
    pub last: u64,
    /// Receipts whose record is in the file and is the one they name.
    pub receipted: u64,
    /// Records that commit to personal data.
    pub committed: u64,
    /// Personal data that open what their record commits to: of the other such records they were erased, or kept back.
    pub disclosed: u64,
    /// The file ends inside an epoch that is not closed, as that of a running gateway does.
    pub running: bool,
    /// What the history itself says that it has lost, at most [`LISTED_MAX`], in the order in which it was met.
    pub losses: Vec<Loss>,
    /// How many losses there are, listed or not.
    pub lost: u64,
    /// Events that were dropped before they got a number: the sum of all such losses.
    pub declared_losses: u64,
    /// Epochs that another one followed without `epoch.close`, at most [`LISTED_MAX`].
    pub unclosed: Vec<u64>,
    /// What contradicts, at most [`LISTED_MAX`]; those of lines in their order, then the others.
    pub found: Vec<Placed>,
    /// How many contradictions there are, listed or not.
    pub contradictions: u64,
}

impl Summary {
    pub(crate) fn loss(&mut self, loss: Loss) {
        self.lost += 1;
        if self.losses.len() < LISTED_MAX {
            self.losses.push(loss);
        }
    }

    pub(crate) fn contradiction(&mut self, line: Option<u64>, what: Contradiction) {
        self.contradictions += 1;
        if self.found.len() < LISTED_MAX {
            self.found.push(Placed { line, what });
        }
    }

    /// Contradictions that no line shows.
    pub fn unplaced(&self) -> impl Iterator<Item = &Contradiction> {
        self.found.iter().filter(|placed| placed.line.is_none()).map(|placed| &placed.what)
    }
}

/// Walks the lines of one gateway. Memory does not grow with the file, but for a key of about 250 bytes for each epoch.
#[derive(Debug)]
pub struct ChainCheck {
    identity: PublicKey,
    epochs: Option<Epochs>,
    head: Option<Head>,
    closed: Option<Closed>,
    accepted: Option<(Acceptance, Link)>,
    receipts: BTreeMap<u64, (u64, Link)>,
    /// Rising.
    kept: Vec<(u64, Link)>,
    commitments: BTreeMap<u64, [u8; 32]>,
    lines: u64,
    waiting: Waiting,
    holes: Holes,
    /// A record that a receipt denies: excused where the next one is an opening behind the receipt.
    denied: Option<(u64, u64, Link)>,
    tails: Tails,
    settled: bool,
    summary: Summary,
}

impl ChainCheck {
    /// For the gateway with this identity.
    pub fn new(identity: PublicKey) -> Self {
        Self {
            identity,
            epochs: None,
            head: None,
            closed: None,
            accepted: None,
            receipts: BTreeMap::new(),
            kept: Vec::new(),
            commitments: BTreeMap::new(),
            lines: 0,
            waiting: Waiting::default(),
            holes: Holes::default(),
            denied: None,
            tails: Tails::default(),
            settled: false,
            summary: Summary::default(),
        }
    }

    /// Holds the records to an acceptance: its gateway and site, and its link where record 1 is in the file. Before the
    /// first line. That it is of this identity is for the caller to see, who knows where it came from.
    pub fn accepted(&mut self, acceptance: Acceptance, link: Link) {
        self.accepted = Some((acceptance, link));
    }

    /// Holds the records to what a verified receipt says of them. Before the first line. What contradicts stands in no
    /// summary: it is a line of another file, and the caller knows which.
    pub fn expect(&mut self, receipt: &Receipt) -> Result<(), Contradiction> {
        let (n, upto) = (receipt.n, receipt.upto);
        if self.receipts.len() >= WITNESSES_MAX && !self.receipts.contains_key(&upto) {
            return Err(Contradiction::TooMany { file: "receipts.jws", limit: WITNESSES_MAX });
        }
        match self.receipts.insert(upto, (n, receipt.head)) {
            Some((other, head)) if head != receipt.head => Err(Contradiction::Receipts { n: other, other: n, upto }),
            Some(_) | None => Ok(()),
        }
    }

    /// Holds records to copies of them that were verified elsewhere, numbers rising. Before the first line; at most
    /// [`SUMMARIES_MAX`], for which the caller sees.
    pub(crate) fn expect_kept(&mut self, kept: Vec<(u64, Link)>) {
        self.kept = kept;
    }

    /// Holds a record to the commitment of what is disclosed for it. Before the first line.
    pub(crate) fn expect_commitment(&mut self, seq: u64, commitment: [u8; 32]) {
        self.commitments.insert(seq, commitment);
    }

    /// Takes the next line, without its line feed. The answer is what a reader who stops here must think: a hole may be
    /// declared further on, and only [`ChainCheck::finish`] tells. After a contradiction the walk goes on from the record,
    /// if that one is genuine.
    pub fn line<'a>(&mut self, line: &'a [u8]) -> Result<Parsed<'a>, Contradiction> {
        self.lines += 1;
        let record = match self.genuine(line) {
            Ok(record) => record,
            Err(what @ Contradiction::Refused(_)) => {
                self.waiting.push(self.lines, what.clone(), &mut self.summary);
                return Err(what);
            }
            Err(what) => {
                self.summary.contradiction(Some(self.lines), what.clone());
                return Err(what);
            }
        };
        let placed = self.place(&record);
        self.advance(&record);
        let placed = match placed {
            Ok(()) => self.witnessed(&record),
            // The record itself is genuine: what others say of it holds, whatever is missing before it.
            Err(missing @ Contradiction::Missing { .. }) => self.witnessed(&record).and(Err(missing)),
            Err(what) => Err(what),
        };
        match &placed {
            Ok(()) => self.summary.records += 1,
            // Held until the end.
            Err(Contradiction::Missing { .. } | Contradiction::Receipt { .. }) => self.summary.records += 1,
            Err(what) => self.summary.contradiction(Some(self.lines), what.clone()),
        }
        placed.map(|()| record)
    }

    /// The end of the file: settles what was held. A receipt for a record past it shows that the tail was cut off.
    pub fn finish(mut self) -> Summary {
        self.settle();
        self.summary
    }

    /// The keys of every epoch opened so far.
    pub(crate) fn epochs(&self) -> Option<&Epochs> {
        self.epochs.as_ref()
    }

    /// Where the chain ends so far.
    pub(crate) fn head(&self) -> Option<Head> {
        self.head
    }

    /// There is a file of branches. After the last line, before [`ChainCheck::left`].
    pub(crate) fn branches_begin(&mut self) {
        self.tails.begin();
    }

    /// A verified record of a branch.
    pub(crate) fn left(&mut self, record: &Parsed<'_>) {
        self.tails.met(record);
    }

    /// Settles what was held, so that `finish` gives it away.
    pub(crate) fn settle(&mut self) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        self.deny(None);
        self.waiting.flush(&mut self.summary);
        self.holes.settle(&mut self.summary);
        self.outside();
        let (lost, left) = self.holes.declared();
        for (line, seq) in self.tails.missing(lost, left) {
            self.summary.contradiction(Some(line), Contradiction::Tail { seq });
        }
        for (seq, _) in std::mem::take(&mut self.commitments) {
            self.summary.contradiction(None, Contradiction::Disclosure { seq });
        }
        let last = self.summary.last;
        if let Some(upto) = self.receipts.keys().next_back().copied().filter(|upto| *upto > last) {
            self.summary.contradiction(None, Contradiction::Missing { from: last + 1, to: upto });
        }
        self.summary.running = self.head.is_some() && self.closed.is_none();
        self.summary.found.sort_by_key(|placed| placed.line.unwrap_or(u64::MAX));
    }

    /// Reads a line and believes its signature.
    fn genuine<'a>(&mut self, line: &'a [u8]) -> Result<Parsed<'a>, Contradiction> {
        let record = Parsed::read_bytes(line)?;
        let epochs = match &mut self.epochs {
            Some(epochs) => epochs,
            None if record.kind == Kind::EpochOpen => {
                let (gw, site) = match &self.accepted {
                    Some((accepted, _)) => (&accepted.gw, &accepted.site),
                    None => (&record.gw, &record.site),
                };
                self.epochs.insert(Epochs::new(gw.clone(), self.identity.clone()).at_site(site.clone()))
            }
            None => return Err(Contradiction::Start { seq: record.seq }),
        };
        if let Some(opened) = verify(&record, epochs)? {
            epochs.admit(&opened)?;
        }
        Ok(record)
    }

    fn place(&mut self, record: &Parsed<'_>) -> Result<(), Contradiction> {
        self.deny(Some(record));
        let leaves = record.tail_state().is_some_and(TailState::leaves_a_branch);
        let Some(head) = self.head else {
            self.waiting.flush(&mut self.summary);
            if leaves {
                self.begin_behind(record);
            }
            return self.behind(record);
        };
        if leaves && record.seq > head.seq && (record.seq > head.seq + 1 || record.prev != head.link) {
            self.waiting.flush(&mut self.summary);
            return self.leave(record, head);
        }
        match head.place_after(self.closed.as_ref(), record, |_| None) {
            Verdict::Next => {
                self.waiting.flush(&mut self.summary);
                if leaves && self.closed.as_ref().is_some_and(|closed| !closed.allows(record)) {
                    let (tail, proved) = (found(&record.data()).map_or(0, |found| found.seq), self.proved(record));
                    self.summary.loss(Loss::Branch { seq: record.seq, tail, proved });
                }
                Ok(())
            }
            Verdict::Ahead => {
                let (from, to) = (head.seq + 1, record.seq - 1);
                self.waiting.keep_or_flush(to - from + 1, &mut self.summary);
                self.holes.push(from, to, self.lines, std::mem::take(&mut self.waiting), &mut self.summary);
                let opens = u64::from(record.kind == Kind::EpochOpen);
                if record.ep < head.ep + opens {
                    let expected = head.ep + opens;
                    return Err(super::Break::Epoch { found: record.ep, expected }.into());
                }
                self.behind(record)?;
                Err(Contradiction::Missing { from, to })
            }
            Verdict::Break(why) => {
                self.waiting.flush(&mut self.summary);
                Err(why.into())
            }
            Verdict::Duplicate | Verdict::Forgotten | Verdict::Fork { .. } => {
                self.waiting.flush(&mut self.summary);
                Err(Contradiction::Backwards { found: record.seq, last: head.seq })
            }
        }
    }

    /// Where the record before is not here, a receipt for it must name what this one names.
    fn behind(&mut self, record: &Parsed<'_>) -> Result<(), Contradiction> {
        let before = record.seq - 1;
        match self.receipts.get(&before) {
            Some((n, head)) if *head != record.prev => {
                // Said at once: nothing that follows excuses it.
                self.summary.contradiction(Some(self.lines), Contradiction::Receipt { seq: before, n: *n });
                Ok(())
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The file begins with an opening behind a receipt: what the journal had lost is with the central system.
    fn begin_behind(&mut self, record: &Parsed<'_>) {
        let tail = found(&record.data()).map_or(0, |found| found.seq);
        if tail + 1 < record.seq {
            let (from, to, proved) = (tail + 1, record.seq - 1, self.proved(record));
            self.summary.loss(Loss::Rollback { from, to, seq: record.seq, proved });
        }
    }

    /// An opening that goes on behind a receipt and not behind the last record here.
    fn leave(&mut self, record: &Parsed<'_>, head: Head) -> Result<(), Contradiction> {
        let seq = record.seq;
        let tail = found(&record.data()).ok_or(Contradiction::Tail { seq })?;
        let is_last = tail.seq == head.seq && tail.link == head.link;
        // What was written without receipt is not in the chain, wherever its numbers lie.
        let moved = tail.seq > head.seq;
        if !is_last && !moved {
            return Err(Contradiction::Tail { seq });
        }
        if record.ep <= head.ep {
            return Err(super::Break::Epoch { found: record.ep, expected: head.ep + 1 }.into());
        }
        if moved {
            self.tails.name(tail, seq, head.seq, self.lines)?;
        }
        let proved = self.proved(record);
        self.summary.loss(match head.seq + 1 < seq {
            true => Loss::Rollback { from: head.seq + 1, to: seq - 1, seq, proved },
            false => Loss::Branch { seq, tail: tail.seq, proved },
        });
        self.behind(record)
    }

    fn proved(&self, record: &Parsed<'_>) -> bool {
        self.receipts.get(&(record.seq - 1)).is_some_and(|(_, head)| *head == record.prev)
    }

    /// What others say of this record.
    fn witnessed(&mut self, record: &Parsed<'_>) -> Result<(), Contradiction> {
        let seq = record.seq;
        if seq == 1 && self.accepted.as_ref().is_some_and(|(_, link)| *link != record.prev) {
            return Err(Contradiction::Acceptance);
        }
        if let Ok(at) = self.kept.binary_search_by_key(&seq, |(kept, _)| *kept) {
            if self.kept[at].1 != record.link {
                return Err(Contradiction::Summary { seq });
            }
        }
        self.summary.committed += u64::from(record.personal.is_some());
        if let Some(commitment) = self.commitments.remove(&seq) {
            if record.personal != Some(commitment) {
                return Err(Contradiction::Disclosure { seq });
            }
            self.summary.disclosed += 1;
        }
        match self.receipts.get(&seq) {
            Some((n, head)) if *head != record.link => {
                self.denied = Some((self.lines, *n, *head));
                Err(Contradiction::Receipt { seq, n: *n })
            }
            Some(_) => {
                self.summary.receipted += 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Decides about a record that a receipt denied, now that the next one is known.
    fn deny(&mut self, next: Option<&Parsed<'_>>) {
        let Some((line, n, named)) = self.denied.take() else { return };
        let seq = self.head.map_or(0, |head| head.seq);
        let excused = next.is_some_and(|next| {
            let leaves = next.tail_state().is_some_and(TailState::leaves_a_branch);
            leaves && next.seq == seq + 1 && next.prev == named
        });
        if !excused {
            self.summary.contradiction(Some(line), Contradiction::Receipt { seq, n });
        }
    }

    fn advance(&mut self, record: &Parsed<'_>) {
        match record.kind {
            Kind::EpochOpen => self.opened(),
            Kind::GapDropped => self.dropped(record),
            Kind::JournalRecovered => {
                for (from, to) in record.lost() {
                    self.summary.loss(Loss::Lost { from, to, seq: record.seq });
                    self.holes.declare(from, to);
                }
            }
            Kind::RecordsDisposed => self.disposed(record),
            _ => {}
        }
        if self.head.is_none() {
            self.summary.first = record.seq;
        }
        self.summary.last = record.seq;
        self.closed = Closed::by(record);
        self.head = Some(Head::after(record));
    }

    fn opened(&mut self) {
        self.summary.epochs += 1;
        let Some(head) = self.head.filter(|_| self.closed.is_none()) else { return };
        self.summary.loss(Loss::Unclosed { ep: head.ep, last: head.seq });
        if self.summary.unclosed.len() < LISTED_MAX {
            self.summary.unclosed.push(head.ep);
        }
    }

    fn dropped(&mut self, record: &Parsed<'_>) {
        let data = record.data();
        let events = data.get("n").and_then(Value::as_u64).unwrap_or(0);
        self.summary.declared_losses = self.summary.declared_losses.saturating_add(events);
        let reason = word(&data, if data.contains_key("reason") { "reason" } else { "cause" });
        self.summary.loss(Loss::Dropped { seq: record.seq, events, reason });
    }

    fn disposed(&mut self, record: &Parsed<'_>) {
        let data = record.data();
        if let Some([Value::Number(a), Value::Number(b)]) =
            data.get("branch").and_then(Value::as_array).map(Vec::as_slice)
        {
            if let (Some(from), Some(to)) = (a.as_u64(), b.as_u64()) {
                self.holes.leave(from, to);
            }
        }
        let number = |field| data.get(field).and_then(Value::as_u64);
        if let (Some(from), Some(to)) = (number("from"), number("to")) {
            if 1 <= from && from <= to && to < record.seq {
                self.summary.loss(Loss::Disposed { from, to, why: word(&data, "why"), seq: record.seq });
                self.holes.dispose(from, to);
            }
        }
    }

    /// What stands before the file and is not declared in it.
    fn outside(&mut self) {
        let first = self.summary.first;
        if first > 1 {
            for (from, to) in self.holes.undisposed(1, first - 1) {
                self.summary.loss(Loss::Outside { from, to });
            }
        }
    }
}

fn word(data: &Map<String, Value>, field: &str) -> String {
    let text = data.get(field).and_then(Value::as_str).unwrap_or("no reason given");
    shown::plain(&text.chars().take(80).collect::<String>())
}

/// The last record that the journal found, as an opening states it.
fn found(data: &Map<String, Value>) -> Option<Found> {
    let tail = data.get("tail")?.as_object()?;
    let link = tail.get("hash")?.as_str()?;
    let link: Result<Link, Refusal> = bytes32(link, "hash");
    Some(Found { seq: tail.get("seq")?.as_u64()?, link: link.ok()? })
}
