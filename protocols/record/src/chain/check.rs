//! The walk along a contiguous file of records: what is verified, what was lost and declared, what contradicts.

use super::{Break, Epochs, Head, Parsed, Verdict, verify};
use crate::acceptance::Acceptance;
use crate::encode::Link;
use crate::keys::PublicKey;
use crate::kind::Kind;
use crate::receipt::Receipt;
use crate::refusal::Refusal;
use std::collections::BTreeMap;

/// Unclosed epochs that are listed; a gateway that crashes more often is only counted.
const UNCLOSED_MAX: usize = 1000;
/// Contradictions without a line that are listed; more are only counted.
const UNPLACED_MAX: usize = 1000;

/// Why a line is not part of the history that the file claims to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// The line itself is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The first record does not open an epoch, so nothing can be verified.
    #[error("the file begins with record {seq}, which does not open an epoch")]
    Start {
        /// Its number.
        seq: u64,
    },
    /// Numbers are missing.
    #[error("records {from} to {to} are missing")]
    Missing {
        /// First missing number.
        from: u64,
        /// Last missing number.
        to: u64,
    },
    /// A number stands twice or goes back.
    #[error("record {found} comes after record {last}")]
    Backwards {
        /// Its number.
        found: u64,
        /// The number before.
        last: u64,
    },
    /// The chain is broken.
    #[error(transparent)]
    Broken(#[from] Break),
    /// Another record stands here than the one the central system gave a receipt for.
    #[error("record {seq} is not the one that receipt {n} names")]
    Receipt {
        /// Its number.
        seq: u64,
        /// The receipt.
        n: u64,
    },
    /// Two receipts name different records under one number.
    #[error("receipts {n} and {other} name different records {upto}")]
    Receipts {
        /// One receipt.
        n: u64,
        /// The other.
        other: u64,
        /// The number.
        upto: u64,
    },
    /// The acceptance is of another identity, or record 1 does not name it.
    #[error("receipts: key not proved by the acceptance")]
    Acceptance,
}

/// What the walk found.
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
    /// Epochs that another one followed without `epoch.close`, at most the first thousand: what came after their last
    /// record, if anything, is lost.
    pub unclosed: Vec<u64>,
    /// The file ends inside an epoch that is not closed, as that of a running gateway does.
    pub running: bool,
    /// Events that were dropped before they got a number, as `gap.dropped` records declare: the sum of their `n`.
    pub declared_losses: u64,
    /// Lines that contradict, and what contradicts without being a line.
    pub contradictions: u64,
    /// Contradictions that no line shows, at most the first thousand: records that a receipt names and the file does
    /// not hold, receipts against each other, an acceptance of somebody else.
    pub unplaced: Vec<Contradiction>,
    /// Receipts whose record is in the file and is the one they name.
    pub receipted: u64,
}

/// Walks the lines of one gateway. Memory does not grow with the file.
#[derive(Debug)]
pub struct ChainCheck {
    identity: PublicKey,
    epochs: Option<Epochs>,
    head: Option<Head>,
    closed: bool,
    accepted: Option<(Acceptance, Link)>,
    receipts: BTreeMap<u64, (u64, Link)>,
    summary: Summary,
}

impl ChainCheck {
    /// For the gateway with this identity.
    pub fn new(identity: PublicKey) -> Self {
        let summary = Summary::default();
        Self { identity, epochs: None, head: None, closed: true, accepted: None, receipts: BTreeMap::new(), summary }
    }

    /// Holds the records to an acceptance: its identity, its gateway and site, and its link where record 1 is in the
    /// file. Before the first line.
    pub fn accepted(&mut self, acceptance: Acceptance, link: Link) {
        if acceptance.identity != self.identity {
            self.unplaced(Contradiction::Acceptance);
        }
        self.accepted = Some((acceptance, link));
    }

    /// Holds the records to what a verified receipt says of them. Before the first line.
    pub fn expect(&mut self, receipt: &Receipt) {
        let (n, upto) = (receipt.n, receipt.upto);
        match self.receipts.insert(upto, (n, receipt.head)) {
            Some((other, head)) if head != receipt.head => {
                self.unplaced(Contradiction::Receipts { n: other, other: n, upto });
            }
            Some(_) | None => {}
        }
    }

    /// Takes the next line, without its line feed. After a contradiction the walk goes on from the record, if that
    /// one is genuine.
    pub fn line<'a>(&mut self, line: &'a [u8]) -> Result<Parsed<'a>, Contradiction> {
        let result = self.step(line);
        match result {
            Ok(_) => self.summary.records += 1,
            Err(_) => self.summary.contradictions += 1,
        }
        result
    }

    /// The end of the file. A receipt for a record past it shows that the tail was cut off.
    pub fn finish(mut self) -> Summary {
        let last = self.summary.last;
        if let Some(upto) = self.receipts.keys().next_back().copied().filter(|upto| *upto > last) {
            self.unplaced(Contradiction::Missing { from: last + 1, to: upto });
        }
        self.summary.running = !self.closed;
        self.summary
    }

    fn unplaced(&mut self, contradiction: Contradiction) {
        self.summary.contradictions += 1;
        if self.summary.unplaced.len() < UNPLACED_MAX {
            self.summary.unplaced.push(contradiction);
        }
    }

    fn step<'a>(&mut self, line: &'a [u8]) -> Result<Parsed<'a>, Contradiction> {
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
        let place = self.place(&record);
        self.advance(&record);
        place?;
        if record.seq == 1 && self.accepted.as_ref().is_some_and(|(_, link)| *link != record.prev) {
            return Err(Contradiction::Acceptance);
        }
        match self.receipts.get(&record.seq) {
            Some((n, head)) if *head != record.link => {
                return Err(Contradiction::Receipt { seq: record.seq, n: *n });
            }
            Some(_) => self.summary.receipted += 1,
            None => {}
        }
        Ok(record)
    }

    fn place(&self, record: &Parsed<'_>) -> Result<(), Contradiction> {
        let Some(head) = self.head else { return Ok(()) };
        match head.place_after(self.closed, record, |_| None) {
            Verdict::Next => Ok(()),
            Verdict::Ahead => Err(Contradiction::Missing { from: head.seq + 1, to: record.seq - 1 }),
            Verdict::Break(why) => Err(why.into()),
            Verdict::Duplicate | Verdict::Forgotten | Verdict::Fork { .. } => {
                Err(Contradiction::Backwards { found: record.seq, last: head.seq })
            }
        }
    }

    fn advance(&mut self, record: &Parsed<'_>) {
        let summary = &mut self.summary;
        if record.kind == Kind::EpochOpen {
            if !self.closed && summary.unclosed.len() < UNCLOSED_MAX {
                summary.unclosed.extend(self.head.map(|head| head.ep));
            }
            summary.epochs += 1;
        }
        if record.kind == Kind::GapDropped {
            let dropped = record.data().get("n").and_then(serde_json::Value::as_u64).unwrap_or(0);
            summary.declared_losses = summary.declared_losses.saturating_add(dropped);
        }
        if self.head.is_none() {
            summary.first = record.seq;
        }
        summary.last = record.seq;
        self.closed = record.kind == Kind::EpochClose;
        self.head = Some(Head::after(record));
    }
}
