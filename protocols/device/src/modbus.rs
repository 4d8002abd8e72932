//! Modbus without a wire: which reads cover a device's points, and what their answers mean.

mod decode;
mod identity;
mod plan;

use crate::profile::{Identity, ModbusSpeech, Table};
use crate::quantity::{Observation, Quality, Value};

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

/// The reads of one device and how their answers become observations. Every point stands in exactly one read, and no
/// value is spread over two. Lives as long as the device's settings; [`ReadPlan::split`] makes it fit the device.
#[derive(Debug, Clone)]
pub struct ReadPlan {
    speech: ModbusSpeech,
    /// In the order of `members`, table and address.
    reads: Vec<Read>,
    /// For each read the points it is made for, as indices, in address order; never empty.
    members: Vec<Vec<usize>>,
}

impl ReadPlan {
    /// Plans the fewest reads that cover all points within the device's limits and its hole limit. The speech comes
    /// from a profile without faults; limits above the protocol's are read as the protocol's.
    pub fn new(speech: &ModbusSpeech) -> Self {
        let members = plan::groups(speech);
        let reads = members.iter().filter_map(|group| plan::read(&speech.points, group)).collect();
        Self { speech: speech.clone(), reads, members }
    }

    /// The reads of one poll, in order.
    pub fn reads(&self) -> &[Read] {
        &self.reads
    }

    /// Observations of the points that stand in `read`, one each. Points that the answer does not hold (another kind
    /// or count of items) are unknown and bad. Empty where the plan has no such read: it was split since.
    pub fn decode(&self, read: Read, answer: &Answer) -> Vec<Observation> {
        let members = self.position(read).map_or(&[][..], |at| &self.members[at]);
        members.iter().map(|index| decode::observe(&self.speech.points[*index], read, answer)).collect()
    }

    /// Observations of the points that stand in `read`, one each, unknown and bad: the device did not give them.
    pub fn unread(&self, read: Read) -> Vec<Observation> {
        let members = self.position(read).map_or(&[][..], |at| &self.members[at]);
        members.iter().map(|index| bad(&self.speech.points[*index].name)).collect()
    }

    /// Splits a refused read (exception 02 or 03) so that the bad point is found in a few polls: each half is asked
    /// for by itself, without addresses that only joined them. A read of one point is taken out of the plan and its
    /// point is returned by name: it does not exist on this device. Several points can stand on one register; they
    /// are taken out one a call while the read stays, so a caller may call until it gets `None`.
    pub fn split(&mut self, read: Read) -> Option<String> {
        let at = self.position(read)?;
        if let Some((first, second)) = plan::halves(&self.speech.points, &self.members[at]) {
            let halves = [&first, &second].into_iter().filter_map(|half| plan::read(&self.speech.points, half));
            self.reads.splice(at..=at, halves);
            self.members.splice(at..=at, [first, second]);
            return None;
        }
        let gone = self.members[at].pop()?;
        if self.members[at].is_empty() {
            self.members.remove(at);
            self.reads.remove(at);
        }
        Some(self.speech.points[gone].name.clone())
    }

    fn position(&self, read: Read) -> Option<usize> {
        self.reads.iter().position(|planned| *planned == read)
    }
}

/// A point that the device did not give.
pub fn bad(point: &str) -> Observation {
    Observation { point: point.to_owned(), value: Value::Unknown, quality: Quality::Bad }
}

/// The reads that tell who the device is, one per identity row.
pub fn identity_reads(speech: &ModbusSpeech) -> Vec<Read> {
    let read =
        |entry: &crate::profile::IdentityPoint| Read { table: entry.table, start: entry.address, count: entry.count };
    speech.identity.iter().map(read).collect()
}

/// Joins identity answers, in the order of [`identity_reads`]; `None` where a read was refused. Texts are printable
/// ASCII; a field stays empty where the registers were never written (all zero or all ones).
pub fn identity(speech: &ModbusSpeech, answers: &[Option<Answer>]) -> Identity {
    identity::join(&speech.identity, answers)
}

#[cfg(test)]
mod tests;
