//! The walk along a contiguous file of records: what is verified, what was lost and declared, what contradicts.

use super::{Break, Epochs, Head, Parsed, Verdict, verify};
use crate::encode::Link;
use crate::keys::PublicKey;
use crate::kind::Kind;
use crate::receipt::Receipt;
use crate::refusal::Refusal;
use std::collections::BTreeMap;

/// Unclosed epochs that are listed; a gateway that crashes more often is only counted.
const UNCLOSED_MAX: usize = 1000;

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
    /// Lines that contradict.
    pub contradictions: u64,
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
    receipts: BTreeMap<u64, (u64, Link)>,
    summary: Summary,
}

impl ChainCheck {
    /// For the gateway with this identity.
    pub fn new(identity: PublicKey) -> Self {
        let summary = Summary::default();
        Self { identity, epochs: None, head: None, closed: true, receipts: BTreeMap::new(), summary }
    }

    /// Holds the records to what a verified receipt says of them. Before the first line.
    pub fn expect(&mut self, receipt: &Receipt) {
        self.receipts.insert(receipt.upto, (receipt.n, receipt.head));
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

    /// The end of the file.
    pub fn finish(mut self) -> Summary {
        self.summary.running = !self.closed;
        self.summary
    }

    fn step<'a>(&mut self, line: &'a [u8]) -> Result<Parsed<'a>, Contradiction> {
        let record = Parsed::read_bytes(line)?;
        let epochs = match &mut self.epochs {
            Some(epochs) => epochs,
            None if record.kind == Kind::EpochOpen => {
                self.epochs.insert(Epochs::new(record.gw.clone(), self.identity.clone()))
            }
            None => return Err(Contradiction::Start { seq: record.seq }),
        };
        if let Some(opened) = verify(&record, epochs)? {
            epochs.admit(&opened)?;
        }
        let place = self.place(&record);
        self.advance(&record);
        place?;
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
        match head.place(record, |_| None) {
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
