//! What is asked of the journal's thread, and what it hands to the central link.

use super::Slice;
use crate::journal::Lines;
use crate::journal::bundle::{Papers, Range, Wanted};
use crate::journal::seal::Written;
use picket_core::wire::{Batch, Lane};
use picket_record::body::{Body, When};
use picket_record::encode::Link;
use picket_record::keys::PublicKey;
use picket_record::kind::Kind;
use serde_json::{Map, Value};
use std::sync::Arc;
use tokio::sync::oneshot;

/// What is asked of the journal. At most one append, one send per lane, a few receipts and one export are open at a
/// time, so the channel is short.
#[derive(Debug)]
pub enum Request {
    /// Store.
    Append {
        /// Number of the last draft.
        through: u64,
        /// What.
        bodies: Arc<Vec<Body>>,
    },
    /// Read records and hand them to the central link.
    Send {
        /// Session it is meant for.
        session: u32,
        /// Which.
        batch: Batch,
    },
    /// Have the central side asked for its last receipt.
    Ask {
        /// Session it is meant for.
        session: u32,
    },
    /// Have the central link prove that it lives.
    Call {
        /// The answer.
        here: oneshot::Sender<()>,
    },
    /// Read stored records again.
    LookBack {
        /// Behind this number.
        after: u64,
    },
    /// Say what lines that came down are.
    CheckOrder {
        /// The lines.
        text: String,
        /// Now.
        when: When,
    },
    /// Keep a verified order, and read its register.
    KeepOrder {
        /// The order as received.
        line: String,
        /// Its link.
        link: Link,
        /// Text of its register.
        register: Option<Arc<str>>,
    },
    /// Verify a receipt.
    Receipt {
        /// As received.
        line: String,
        /// When it is verified: the moment of an epoch that it may open.
        when: When,
    },
    /// The central side has what was left of a branch, up to a position.
    BranchTold {
        /// The position.
        through: u64,
    },
    /// Keep records for so many days from here on.
    Retain {
        /// Days, from 1; `None` as the settings say.
        days: Option<u32>,
        /// Who says so, for the records that state what is disposed of.
        authority: String,
    },
    /// Lines of a bundle.
    Slice {
        /// Which.
        wanted: Wanted,
        /// The answer.
        reply: oneshot::Sender<Result<Option<Slice>, String>>,
    },
    /// Keys that the central side signs receipts with: of the acceptance, and of every root document here.
    ReceiptKeys {
        /// The answer.
        reply: oneshot::Sender<Vec<PublicKey>>,
    },
    /// Count the records that have personal data beside them.
    Personal {
        /// In these ranges.
        records: Vec<(u64, u64)>,
        /// The answer.
        reply: oneshot::Sender<Result<u64, String>>,
    },
    /// What a bundle needs beside its lines.
    Papers {
        /// Of which records.
        range: Range,
        /// The answer.
        reply: oneshot::Sender<Result<Papers, String>>,
    },
    /// Write a record that somebody waits for.
    State {
        /// Now.
        when: When,
        /// What it is.
        kind: Kind,
        /// What it says.
        data: Map<String, Value>,
        /// The record.
        reply: oneshot::Sender<Result<Written, String>>,
    },
}

/// What goes to the central link. Each is meant for one session, and thrown away in another.
#[derive(Debug)]
pub enum Parcel {
    /// A batch of records.
    Batch {
        /// Session it is meant for.
        session: u32,
        /// Its lane.
        lane: Lane,
        /// Its lines.
        lines: Lines,
    },
    /// The question for the last receipt, with the newest that is known: a central side that was restored from a backup
    /// counts on from there.
    Ask {
        /// Session it is meant for.
        session: u32,
        /// Newest receipt known, 0 for none.
        newest: u64,
    },
    /// Prove that the link lives, connected or not.
    Call {
        /// The answer.
        here: oneshot::Sender<()>,
    },
}
