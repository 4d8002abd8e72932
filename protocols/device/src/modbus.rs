//! Modbus without a wire: which reads cover a device's points, and what their answers mean.

use crate::profile::{Identity, ModbusSpeech, Table};
use crate::quantity::Observation;

/// Most bits in one read (Modbus Application Protocol 1.1b3, sections 6.1 and 6.2: 0x07D0).
pub const MAX_BITS: u16 = 2000;
/// Most registers in one read (same, sections 6.3 and 6.4: 0x007D).
pub const MAX_REGISTERS: u16 = 125;

/// One read request: `count` items of `table` from `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Read {
    /// Which table.
    pub table: Table,
    /// First 0-based protocol address.
    pub start: u16,
    /// Items, 1..=2000 bits or 1..=125 registers.
    pub count: u16,
}

/// What came back for a [`Read`]; exactly `count` items, else the carrier reports [`Fault::WrongCount`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// From a bit table.
    Bits(Vec<bool>),
    /// From a register table.
    Words(Vec<u16>),
}

/// Why a device gave no usable answer. Facts of the wire, each with its numbers; policy lives elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing in time.
    #[error("no answer within {0} ms")]
    Timeout(u32),
    /// The device answered with an exception code (Modbus 1.1b3 section 7).
    #[error("refused with exception {0:#04x}")]
    Exception(u8),
    /// Another count than asked for.
    #[error("asked for {asked} items, got {got}")]
    WrongCount {
        /// Items asked for.
        asked: u16,
        /// Items received.
        got: u16,
    },
    /// A frame of another unit or transaction.
    #[error("answer from another unit or transaction")]
    WrongUnit,
    /// A frame that is no Modbus frame, or a checksum that does not match.
    #[error("damaged frame: {0}")]
    Damaged(String),
    /// The other side closed the connection, or the port vanished.
    #[error("connection closed by the device")]
    Closed,
    /// The connection could not be opened.
    #[error("cannot open the line: {0}")]
    Unreachable(String),
}

/// The reads of one device and how their answers become observations.
#[derive(Debug, Clone)]
pub struct ReadPlan {
    speech: ModbusSpeech,
    reads: Vec<Read>,
}

impl ReadPlan {
    /// Plans the fewest reads that cover all points within the device's limits and its hole limit.
    pub fn new(speech: &ModbusSpeech) -> Self {
        Self { speech: speech.clone(), reads: Vec::new() }
    }

    /// The reads of one poll, in order.
    pub fn reads(&self) -> &[Read] {
        &self.reads
    }

    /// Observations of the points that `read` covers whole.
    pub fn decode(&self, read: Read, answer: &Answer) -> Vec<Observation> {
        let _ = (read, answer, &self.speech);
        Vec::new()
    }

    /// Splits a refused read (exception 02 or 03) so that the bad point is found in a few polls. A read of one point
    /// is taken out of the plan and its point is returned by name: it does not exist on this device.
    pub fn split(&mut self, read: Read) -> Option<String> {
        let _ = read;
        None
    }
}

/// The reads that tell who the device is, one per identity row.
pub fn identity_reads(speech: &ModbusSpeech) -> Vec<Read> {
    let _ = speech;
    Vec::new()
}

/// Joins identity answers, in the order of [`identity_reads`]; `None` where a read was refused.
pub fn identity(speech: &ModbusSpeech, answers: &[Option<Answer>]) -> Identity {
    let _ = (speech, answers);
    Identity::default()
}
