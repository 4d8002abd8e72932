//! The chain of one gateway's records: sealing, reading, verifying, and the walk along a file of them.
//!
//! Record 1 of a gateway is the `epoch.open` of epoch 1 (tail state `genesis`): its `prev` is the link of the signed
//! acceptance, and the identity key signs it. `log.genesis`, if written, follows it as an ordinary record under the
//! epoch key. Every epoch begins with an `epoch.open` one higher in `ep`, or more where it goes on behind a branch that
//! was left; `seq` counts over all epochs without a hole.

mod check;
mod contradiction;
mod payload;
mod read;
mod seal;
mod verify;

pub use check::{ChainCheck, HELD_MAX, LISTED_MAX, Placed, SUMMARIES_MAX, Summary, WITNESSES_MAX};
pub use contradiction::{Contradiction, Loss};
pub use payload::{BodyRefusal, DRILL_ID_MAX};
pub use read::Parsed;
pub use seal::{Found, Opening, Origin, Sealed, Sealer, TailState};
pub use verify::{Epochs, OpenedEpoch, verify};

use crate::encode::Link;
use crate::kind::Kind;
use serde_json::{Map, Value};

/// An epoch ends after this many records at the latest, or after 24 hours, whichever comes first.
pub const EPOCH_RECORDS_MAX: u64 = 65_536;

/// Where a chain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Epoch of the last record; 0 before record 1.
    pub ep: u64,
    /// Its number; 0 before record 1.
    pub seq: u64,
    /// Its link; before record 1 the link of the acceptance.
    pub link: Link,
}

impl Head {
    /// Before record 1: nothing but the acceptance.
    pub fn genesis(acceptance: Link) -> Self {
        Self { ep: 0, seq: 0, link: acceptance }
    }

    /// Where a record stands to this chain. `known` gives the link stored under a number up to `seq`.
    ///
    /// Only for records whose signature was verified: this looks at numbers and links alone.
    pub fn place(&self, record: &Parsed<'_>, known: impl FnOnce(u64) -> Option<Link>) -> Verdict {
        if record.seq > self.seq + 1 {
            return Verdict::Ahead;
        }
        if record.seq <= self.seq {
            return match known(record.seq) {
                Some(stored) if stored != record.link => Verdict::Fork { stored },
                Some(_) => Verdict::Duplicate,
                None => Verdict::Forgotten,
            };
        }
        let ep = if record.kind == Kind::EpochOpen { self.ep + 1 } else { self.ep };
        // A branch that was left may have used the numbers in between.
        let skips = record.ep > ep && record.tail_state().is_some_and(TailState::leaves_a_branch);
        if record.ep != ep && !skips {
            return Verdict::Break(Break::Epoch { found: record.ep, expected: ep });
        }
        if record.prev != self.link {
            return Verdict::Break(Break::Prev { seq: record.seq });
        }
        Verdict::Next
    }

    /// As [`Head::place`], for a chain of which it is known whether `epoch.close` was its last record: only the opening
    /// of the next epoch may follow one, and only under the key that it names, if it names one. An opening behind a
    /// receipt goes on elsewhere and is bound by nothing here.
    pub fn place_after(
        &self,
        closed: Option<&Closed>,
        record: &Parsed<'_>,
        known: impl FnOnce(u64) -> Option<Link>,
    ) -> Verdict {
        let verdict = self.place(record, known);
        let (Verdict::Next, Some(closed)) = (verdict, closed) else { return verdict };
        let leaves = record.tail_state().is_some_and(TailState::leaves_a_branch);
        match record.kind {
            Kind::EpochOpen if leaves || closed.allows(record) => Verdict::Next,
            Kind::EpochOpen => Verdict::Break(Break::Key { seq: record.seq, ep: record.ep }),
            _ => Verdict::Break(Break::Closed { seq: record.seq, ep: record.ep }),
        }
    }

    /// The head once this record is the last one.
    pub fn after(record: &Parsed<'_>) -> Self {
        Self { ep: record.ep, seq: record.seq, link: record.link }
    }
}

/// How an epoch ended in order, as its last record says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Closed {
    /// Key of the next epoch, where the same process goes on.
    next_epk: Option<String>,
}

impl Closed {
    /// What an `epoch.close` says; `None` for any other record.
    pub fn by(record: &Parsed<'_>) -> Option<Self> {
        let named = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (record.kind == Kind::EpochClose).then(|| Self { next_epk: record.data().get(NEXT_EPK).map(named) })
    }

    /// Whether the close names the key of the next epoch: then the opening was stored with it.
    pub fn names_a_key(&self) -> bool {
        self.next_epk.is_some()
    }

    /// Whether an opening has the key that the close names, if it names one.
    pub(crate) fn allows(&self, opening: &Parsed<'_>) -> bool {
        let epk = |data: &Map<String, Value>| data.get("epk").and_then(Value::as_str).map(str::to_owned);
        self.next_epk.as_ref().is_none_or(|named| epk(&opening.data()).as_ref() == Some(named))
    }
}

/// Member of `epoch.close` that names the key of the next epoch, base64url.
pub const NEXT_EPK: &str = "next_epk";

/// Where a verified record stands to a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It continues the chain.
    Next,
    /// It is stored already, the same signed bytes.
    Duplicate,
    /// Its number was passed and what stood there is no longer kept.
    Forgotten,
    /// Records before it are missing.
    Ahead,
    /// Another record has its number: two histories exist.
    Fork {
        /// Link of the record that was there first.
        stored: Link,
    },
    /// It has the next number and does not continue the chain.
    Break(Break),
}

/// How a chain is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    /// Its `prev` is not the link of the record before.
    #[error("record {seq} does not name the record before it")]
    Prev {
        /// Its number.
        seq: u64,
    },
    /// It belongs to an epoch that is not the one in force, nor its opening the next.
    #[error("the record is of epoch {found} where epoch {expected} goes on")]
    Epoch {
        /// Its epoch.
        found: u64,
        /// The only one possible here.
        expected: u64,
    },
    /// Its epoch has ended.
    #[error("record {seq} follows the close of epoch {ep}")]
    Closed {
        /// Its number.
        seq: u64,
        /// The epoch.
        ep: u64,
    },
    /// The epoch before was closed for one under another key.
    #[error("record {seq} opens epoch {ep} under another key than the close of the epoch before names")]
    Key {
        /// Its number.
        seq: u64,
        /// The epoch.
        ep: u64,
    },
}

#[cfg(test)]
mod tests;
