//! What goes in and out of [`crate::site::Site`]: the whole contract between decisions and carriers.

use crate::certificate::Certificate;
use crate::health::Vitals;
use crate::plan::LineId;
use crate::register::Register;
use picket_device::modbus::{Answer, Fault, Read};
use picket_device::seal_reader::{Scan, ScanFault};
use picket_record::body::Body;
use picket_record::chain::Parsed;
use picket_record::encode::Link;
use picket_record::kind::{Kind, Severity};
use picket_record::receipt::State;
use serde_json::{Map, Value};
use std::sync::Arc;

mod act;
mod checked;
mod recovered;

pub use act::{Act, Occurrence};
pub use checked::{Checked, Unkept};
pub use recovered::Recovered;

/// What carriers bring.
#[derive(Debug, Clone)]
pub enum Input {
    /// The one open ask of a line ended.
    Outcome {
        /// Which line.
        line: LineId,
        /// The number of [`Output::Ask`].
        ask: u64,
        /// Answer, or the fault of the wire.
        result: Result<Answer, Fault>,
    },
    /// Something spoke unasked. Every token comes back in exactly one [`Output::Confirm`].
    Heard {
        /// Which line.
        line: LineId,
        /// Rises by one per line.
        token: u64,
        /// What it said.
        heard: Heard,
    },
    /// A speaking line was opened or lost (a subscription stands, a port is open).
    Line {
        /// Which line.
        line: LineId,
        /// `None` = open; else why not.
        fault: Option<String>,
    },
    /// The journal stored everything up to the draft with this number.
    Stored {
        /// [`Output::Append::through`] of the append.
        through: u64,
        /// Number of the last record.
        head: u64,
        /// Numbers of the records in it of severity 3 and up, to be sent first.
        urgent: Vec<u64>,
        /// Share of the budget in use, in thousandths.
        fill_permille: u16,
    },
    /// The journal could not store; the drafts are kept and tried again after a pause.
    StoreFailed {
        /// The fault, for people.
        cause: String,
    },
    /// The central link is up; `session` rises with every connection.
    LinkUp {
        /// Session number.
        session: u32,
    },
    /// The central link is down.
    LinkDown {
        /// Why, for people.
        cause: String,
    },
    /// The journal read a batch and hands it to the link: always before its [`Input::Sent`].
    Packed {
        /// Session it is meant for.
        session: u32,
        /// Which lane.
        lane: Lane,
        /// Last record of the batch.
        through: u64,
        /// Bytes of its lines.
        bytes: u64,
    },
    /// A batch left (the broker has it), or could not be sent.
    Sent {
        /// Session it was sent in.
        session: u32,
        /// Which lane.
        lane: Lane,
        /// Last record of the batch (0 = nothing was to be sent), or why it failed.
        result: Result<u64, String>,
    },
    /// The central side sent a receipt, not yet verified.
    ReceiptHeard {
        /// The line as received.
        line: String,
    },
    /// These records say what is lost or gone, and have no receipt: all that do. They go ahead of everything.
    Declared {
        /// Their numbers, rising.
        seqs: Vec<u64>,
    },
    /// The chain goes on behind a receipt of the central side; always before the [`Input::Receipted`] that says so.
    Rebased(Rebased),
    /// The journal verified and stored a receipt.
    Receipted(Receipted),
    /// The journal refused a receipt; nothing was pruned.
    ReceiptRefused {
        /// Why.
        cause: String,
    },
    /// A genuine receipt counts lower than the newest one: it was overtaken, or the central side was restored from a
    /// backup and does not know how far it had counted.
    ReceiptBehind,
    /// Machine and process were looked at; at most once a minute.
    Measured(Vitals),
    /// The journal looked back.
    LookedBack {
        /// [`Output::LookBack::after`].
        after: u64,
        /// Up to here it looked; no further than `after` where it could not.
        through: u64,
        /// Oldest record that it holds, 0 for none.
        oldest: u64,
        /// What it found, rising; damaged records are left out.
        past: Vec<Past>,
    },
    /// A message came down on the topic of orders, not yet verified.
    OrderHeard {
        /// Content type of the message.
        content_type: Option<String>,
        /// Its payload.
        payload: Vec<u8>,
    },
    /// Something on the topic of orders could not be read at all: why, in words.
    OrderMisheard {
        /// Why.
        cause: String,
    },
    /// The journal's side looked at the lines of [`Output::CheckOrder`].
    OrderChecked(Checked),
    /// An order is kept and its register was read, or why not.
    OrderKept {
        /// Link of the order.
        link: Link,
        /// The register that it brings; or why it is not kept.
        result: Result<Option<Register>, Unkept>,
    },
    /// The certificate of the central link is so.
    Certificate(Certificate),
    /// A person acted.
    Act {
        /// What he did.
        act: Act,
        /// Comes back in one [`Output::Answer`], where somebody waits for it.
        ticket: Option<u64>,
    },
    /// The process is asked to stop: no new asks, last drafts, then [`Output::Stopped`].
    Stop,
}

/// What was heard on a speaking line.
#[derive(Debug, Clone)]
pub enum Heard {
    /// A reader sent a frame, or bytes that are none.
    Scan(Result<Scan, ScanFault>),
    /// A broker delivered a message.
    Message {
        /// Its topic.
        topic: String,
        /// Its payload; cut to 0 bytes where `oversize` says how large it was.
        payload: Vec<u8>,
        /// Retained by the broker from before.
        retained: bool,
        /// Payload size where it was above the line's limit.
        oversize: Option<u64>,
        /// How it was handed over, where an acknowledgement is owed for it (QoS 1).
        delivery: Option<Delivery>,
    },
}

/// A message that the broker hands over until it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Packet identifier: the same each time it is handed over (MQTT 5.0 section 4.4).
    pub packet: u16,
    /// The broker says that it handed it over before (DUP, MQTT 5.0 section 3.3.1.1).
    pub again: bool,
}

/// What carriers shall do.
#[derive(Debug, Clone)]
pub enum Output {
    /// Ask a device. Never more than one open per line.
    Ask {
        /// Which line.
        line: LineId,
        /// Number, unique for the process.
        ask: u64,
        /// Modbus unit id.
        unit: u8,
        /// What to read.
        read: Read,
        /// Longest wait in milliseconds, connecting included.
        patience_ms: u32,
    },
    /// What became of an act that somebody waits for: the number of its record, which is stored; or why there is none.
    Answer {
        /// As in [`Input::Act`].
        ticket: u64,
        /// Number, or why not, for people.
        result: Result<u64, String>,
    },
    /// Store drafts in one transaction. Never more than one open.
    Append {
        /// Number of the last draft in it; drafts count up over the process.
        through: u64,
        /// What to store, in order; shared, because the drafts are kept until they are stored.
        bodies: Arc<Vec<Body>>,
    },
    /// What was heard is stored (or needs no record): acknowledge it on the wire.
    Confirm {
        /// Which line.
        line: LineId,
        /// Everything up to this token.
        token: u64,
    },
    /// Read records and publish them. Never more than one of a lane is with the journal at a time.
    Send {
        /// Session it is meant for.
        session: u32,
        /// Which lane and records.
        batch: Batch,
    },
    /// Ask the central side for its last receipt.
    AskReceipt {
        /// Session it is meant for.
        session: u32,
    },
    /// Verify a receipt against the journal and store it.
    CheckReceipt {
        /// The line as received.
        line: String,
    },
    /// Read stored records again, oldest first: at most [`crate::summary::SLICE`] behind this number. Never more than
    /// one open, but for an answer that nobody waits for any more.
    LookBack {
        /// The number.
        after: u64,
    },
    /// Verify lines that came down. Answered by [`Input::OrderChecked`].
    CheckOrder {
        /// One document: lines of a root document, an order or a command.
        text: String,
    },
    /// Keep records for so many days at least, as the order in force says.
    Retain {
        /// Days; `None` as the settings say.
        days: Option<u32>,
        /// Version of the order.
        order: u64,
    },
    /// Keep a verified order, with the text of its register, where the record that puts it into force will find it.
    /// Answered by [`Input::OrderKept`].
    KeepOrder {
        /// The order as received.
        line: String,
        /// Its link.
        link: Link,
        /// Text of the register that it names.
        register: Option<Arc<str>>,
    },
    /// The central side has what was left of a branch, up to this position.
    BranchTold {
        /// Position of [`Batch::Branch`].
        through: u64,
    },
    /// Everything is stored: the process may end.
    Stopped,
}

/// A stored record, as a summary counts it.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// Its number.
    pub seq: u64,
    /// Kernel boot id.
    pub boot: String,
    /// CLOCK_BOOTTIME in microseconds.
    pub mono_us: u64,
    /// Milliseconds since 1970 UTC.
    pub wall_ms: Option<i64>,
    /// The clock was synchronised.
    pub synced: bool,
    /// `live`, or another word.
    pub mode: String,
    /// Kind.
    pub kind: Kind,
    /// Severity.
    pub severity: Severity,
    /// Equipment id.
    pub equipment: Option<String>,
    /// Standing word.
    pub standing: Option<String>,
    /// What the kind defines.
    pub data: Map<String, Value>,
}

impl Past {
    /// Of a record that was read from its line.
    pub fn of(record: &Parsed<'_>) -> Self {
        let payload: Map<String, Value> = serde_json::from_str(record.payload()).unwrap_or_default();
        let within = |object: &str, field: &str| payload.get(object).and_then(|object| object.get(field)).cloned();
        Self {
            seq: record.seq,
            boot: record.boot.clone(),
            mono_us: record.mono_us,
            wall_ms: record.wall_ms,
            synced: within("clk", "sync") == Some(Value::Bool(true)),
            mode: record.mode.clone(),
            kind: record.kind,
            severity: record.sev,
            equipment: record.eq.clone(),
            standing: within("standing", "st").and_then(|st| st.as_str().map(str::to_owned)),
            data: record.data(),
        }
    }
}

/// Most bytes of lines in one batch: with the base64 of a record far below the 1 MiB that the central side takes, and a
/// few milliseconds of reading and compressing. One line may stand above it.
pub const BATCH_BYTES: usize = 256 * 1024;

/// A lane to the central side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Severity 3 and up, ahead of any backlog, each epoch's `epoch.open` in front.
    Urgent,
    /// Everything, in order.
    Record,
}

/// What to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Batch {
    /// These records, each with its `epoch.open` unless that has a receipt.
    Urgent {
        /// Record numbers, rising.
        seqs: Vec<u64>,
        /// Epochs opened up to this record need not be sent along.
        receipted: u64,
    },
    /// Records `from..=to`, cut at the size limit of a message.
    Range {
        /// First.
        from: u64,
        /// Last.
        to: u64,
    },
    /// What was left because the central side knows another history, behind this position, cut at the size of a
    /// message; with the `epoch.open` that the first is verified with in front. Positions rise, and are no numbers.
    Branch {
        /// Last position that was sent; those of its [`Input::Packed`] and [`Input::Sent`].
        after: u64,
    },
}

impl Batch {
    /// Its lane.
    pub fn lane(&self) -> Lane {
        match self {
            Batch::Urgent { .. } => Lane::Urgent,
            Batch::Range { .. } | Batch::Branch { .. } => Lane::Record,
        }
    }
}

/// A verified receipt of the central side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipted {
    /// How the central side sees the chain.
    pub state: State,
    /// Every record up to here is verified and stored there.
    pub upto: u64,
    /// Ranges beyond `upto` that it also has, inclusive.
    pub have: Vec<(u64, u64)>,
    /// Ranges it asks for again, inclusive.
    pub resend: Vec<(u64, u64)>,
    /// When it signed, in milliseconds since 1970 UTC.
    pub ts_ms: i64,
    /// Newest order that it has for this gateway, 0 for none.
    pub order: u64,
    /// Its number and link.
    pub mark: (u64, Link),
    /// Records behind `upto` and up to this were disposed of: they cannot be sent. 0 where the next one is here.
    pub gone: u64,
}

/// The journal left its branch: the central side holds another history of this gateway, and the chain goes on behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebased {
    /// As `epoch.open` states it: `rollback`, or `reset` where the journal had been lost whole.
    pub tail: String,
    /// Last record of the branch that was left.
    pub found: u64,
    /// The record of the central side that the chain goes on from.
    pub upto: u64,
    /// Number of the last record in force: lower than `found` where more was left than the central side had.
    pub head: u64,
    /// Records that were left and are sent once more.
    pub left: u64,
    /// Positions to be sent, first and last.
    pub branch: Option<(u64, u64)>,
    /// Records up to here are summed up in the chain that goes on; those behind it are to be counted anew.
    pub summed_up: u64,
    /// Personal data beside records from here on is gone: of what was left, or of all where the file was put back.
    pub nameless_from: u64,
}

/// One row of the agent's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRow {
    /// Its key, such as `alarm/door-forced/DOOR-N1`.
    pub key: String,
    /// JSON text.
    pub body: String,
    /// Record that said it first: the record that it stands on may say it again.
    pub seq: u64,
}
