//! What speaks against a history, and what it says itself that it has lost.

use super::Break;
use crate::encode::Name;
use crate::refusal::Refusal;
use crate::root::RootRefusal;

/// Why something is not part of the history that it claims to be part of.
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
    /// Numbers are missing, and no record declares why.
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
    /// The record that an epoch says it found as the last one is not the one before it.
    #[error("record {seq} opens an epoch behind another record than the last one before it")]
    Tail {
        /// Number of the opening.
        seq: u64,
    },
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
    /// A receipt is not the next one, or does not name the one before it.
    #[error("receipt {n} does not follow receipt {last}")]
    ReceiptChain {
        /// Its number.
        n: u64,
        /// The number before; 0 for the acceptance.
        last: u64,
    },
    /// The request or the acceptance is of another identity, there are two acceptances, or record 1 names another.
    #[error("the identity or the acceptance is another one than is known here")]
    Acceptance,
    /// The record of a day kept beside the others is not the one in the history.
    #[error("record {seq} is not the one that summaries.jws holds")]
    Summary {
        /// Its number.
        seq: u64,
    },
    /// Something else than its file may hold.
    #[error("{file} holds a record {seq} of kind {kind}")]
    Misplaced {
        /// The file.
        file: &'static str,
        /// Number of the record.
        seq: u64,
        /// Its kind.
        kind: &'static str,
    },
    /// The root document does not verify.
    #[error(transparent)]
    Root(#[from] RootRefusal),
    /// It verifies, and is not the one that the reader knows.
    #[error("root.jws is not the root document whose hash was given")]
    RootUnknown,
    /// Of another central system than the acceptance.
    #[error("the text is of the central system {found}, expected was {expected}")]
    System {
        /// As received.
        found: Name,
        /// As accepted.
        expected: Name,
    },
    /// Nothing in the bundle says which key it would be verified with.
    #[error("{file} cannot be verified without {without}")]
    Unverifiable {
        /// The file.
        file: &'static str,
        /// What is missing.
        without: &'static str,
    },
    /// Two orders under one version, or one that does not name the order before it.
    #[error("order {ver} does not follow order {last}")]
    OrderChain {
        /// Its version.
        ver: u64,
        /// The version before.
        last: u64,
    },
    /// What is disclosed is not what the record was written about.
    #[error("the personal data disclosed for record {seq} are not the ones that it was written about")]
    Disclosure {
        /// Number of the record.
        seq: u64,
    },
    /// There is no manifest.
    #[error("the bundle has no MANIFEST.jws")]
    Unsealed,
    /// The manifest names another content.
    #[error("{file:?} is not the file that the manifest names")]
    ManifestFile {
        /// The file.
        file: String,
    },
    /// The manifest names other records.
    #[error("the manifest names records {from} to {to}, records.jws holds {first} to {last}")]
    Range {
        /// First number in the manifest.
        from: u64,
        /// Last number in the manifest.
        to: u64,
        /// First number in the file.
        first: u64,
        /// Last number in the file.
        last: u64,
    },
    /// More than a verifier holds.
    #[error("{file} has more than the {limit} entries that it may have")]
    TooMany {
        /// The file.
        file: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A file that is read as a whole has more than a verifier reads.
    #[error("{file} has more than the {limit} bytes that it may have")]
    TooLarge {
        /// The file.
        file: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
}

impl Contradiction {
    /// The word for the rule that was broken: the same in every verifier and every version of this program.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.reason(),
            Self::Start { .. } => "start",
            Self::Missing { .. } => "missing",
            Self::Backwards { .. } => "backwards",
            Self::Broken(Break::Epoch { .. }) => "break-epoch",
            Self::Broken(Break::Prev { .. }) => "break-prev",
            Self::Broken(Break::Closed { .. }) => "break-closed",
            Self::Broken(Break::Key { .. }) => "break-key",
            Self::Tail { .. } => "tail",
            Self::Receipt { .. } => "receipt-head",
            Self::Receipts { .. } => "receipts-differ",
            Self::ReceiptChain { .. } => "receipt-chain",
            Self::Acceptance => "acceptance",
            Self::Summary { .. } => "summary",
            Self::Misplaced { .. } => "misplaced",
            Self::Root(refusal) => refusal.reason(),
            Self::RootUnknown => "root-unknown",
            Self::System { .. } => "system",
            Self::Unverifiable { .. } => "unverifiable",
            Self::OrderChain { .. } => "order-chain",
            Self::Disclosure { .. } => "disclosure",
            Self::Unsealed => "unsealed",
            Self::ManifestFile { .. } => "file",
            Self::Range { .. } => "range",
            Self::TooMany { .. } | Self::TooLarge { .. } => "too-many",
        }
    }
}

/// Something that is not in the history, as the history itself says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// Events were dropped before they got a number.
    #[error("{events} {were} recorded ({reason}), as record {seq} says", were = if *.events == 1 { "event was dropped before it was" } else { "events were dropped before they were" })]
    Dropped {
        /// The record that says so.
        seq: u64,
        /// How many.
        events: u64,
        /// Why, in the word of the record.
        reason: String,
    },
    /// An epoch was not closed: the gateway crashed, or a tail without receipt was cut off.
    #[error("epoch {ep} was not closed: what followed record {last}, if anything, is lost")]
    Unclosed {
        /// The epoch.
        ep: u64,
        /// Its last record here.
        last: u64,
    },
    /// Records were damaged in the journal and are lost for good.
    #[error("records {from} to {to} were damaged in the journal, as record {seq} says")]
    Lost {
        /// First number.
        from: u64,
        /// Last number.
        to: u64,
        /// The record that says so.
        seq: u64,
    },
    /// The journal had lost records that the central system has: it went on behind them.
    #[error("records {from} to {to} were lost by the gateway and are with the central system ({proof}); record {seq} goes on behind them", proof = if *.proved { "a receipt shows it" } else { "no receipt here shows it" })]
    Rollback {
        /// First number.
        from: u64,
        /// Last number.
        to: u64,
        /// The opening that goes on behind them.
        seq: u64,
        /// A receipt in the bundle names the last of them.
        proved: bool,
    },
    /// The gateway left records of its own, which the central system does not have in its chain, for another branch.
    #[error("record {seq} goes on behind another record {before} than the one here ({proof}): what was written without receipt before it is a branch of its own", before = .seq - 1, proof = if *.proved { "a receipt shows it" } else { "no receipt here shows it" })]
    Branch {
        /// The opening that goes on elsewhere.
        seq: u64,
        /// Number of the last record of the branch.
        tail: u64,
        /// A receipt in the bundle names the record that it goes on behind.
        proved: bool,
    },
    /// Records were disposed of by rule.
    #[error("records {from} to {to} were disposed of ({why}), as record {seq} says")]
    Disposed {
        /// First number.
        from: u64,
        /// Last number.
        to: u64,
        /// Why, in the word of the record.
        why: String,
        /// The record that says so.
        seq: u64,
    },
    /// Records are not part of what was handed over.
    #[error("records {from} to {to} are not in this file")]
    Outside {
        /// First number.
        from: u64,
        /// Last number.
        to: u64,
    },
}

impl Loss {
    /// The word for what was lost: the same in every verifier.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Dropped { .. } => "dropped",
            Self::Unclosed { .. } => "unclosed",
            Self::Lost { .. } => "lost",
            Self::Rollback { .. } => "rollback",
            Self::Branch { .. } => "branch",
            Self::Disposed { .. } => "disposed",
            Self::Outside { .. } => "outside",
        }
    }

    /// The numbers that it is about, where it is about numbers.
    pub fn range(&self) -> Option<(u64, u64)> {
        match self {
            Self::Lost { from, to, .. }
            | Self::Rollback { from, to, .. }
            | Self::Disposed { from, to, .. }
            | Self::Outside { from, to } => Some((*from, *to)),
            Self::Dropped { .. } | Self::Unclosed { .. } | Self::Branch { .. } => None,
        }
    }
}
