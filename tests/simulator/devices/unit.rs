//! A Modbus device with a unit id, and what may be wrong with it.

use super::{Adam6050, IoModule, RtuIo};
use crate::wire::{mbap, rtu};

/// Which device it is.
#[derive(Debug)]
pub enum Speech {
    /// Moxa E1210.
    Moxa(IoModule),
    /// ADAM-6050.
    Adam(Adam6050),
    /// Plain inputs.
    Plain(RtuIo),
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// It does not answer.
    Silent,
    /// It refuses everything with this exception code.
    Exception(u8),
    /// The check of its frames is wrong; without effect on TCP, where there is none.
    WrongCrc,
    /// It answers as the unit after it.
    WrongUnit,
    /// The last two bytes of the frame are missing.
    Short,
    /// It answers so many milliseconds late.
    Late(u32),
}

/// What goes back on the wire, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The frame.
    pub bytes: Vec<u8>,
    /// Milliseconds to wait before.
    pub after_ms: u32,
}

/// One device on a line.
#[derive(Debug)]
pub struct Unit {
    id: u8,
    speech: Speech,
    fault: Fault,
}

impl Unit {
    /// A sound device.
    pub fn new(id: u8, speech: Speech) -> Self {
        Self { id, speech, fault: Fault::None }
    }

    /// Its unit id.
    pub fn id(&self) -> u8 {
        self.id
    }

    /// Puts an input on or off.
    pub fn set(&mut self, channel: u16, on: bool) {
        match &mut self.speech {
            Speech::Moxa(module) => module.set(channel, on),
            Speech::Adam(module) => module.set(channel, on),
            Speech::Plain(module) => module.set(channel, on),
        }
    }

    /// From here on this is wrong with it.
    pub fn spoil(&mut self, fault: Fault) {
        self.fault = fault;
    }

    /// Answers a request on a bus; `None` where it is asked of another unit, or the device is silent.
    pub fn on_bus(&mut self, uptime_s: u32, asked: &rtu::Frame) -> Option<Reply> {
        let pdu = self.pdu(uptime_s, asked.unit, &asked.pdu)?;
        let mut bytes = rtu::build(self.stated(), &pdu);
        if let (Fault::WrongCrc, Some(last)) = (self.fault, bytes.last_mut()) {
            *last ^= 0xFF;
        }
        Some(self.reply(bytes))
    }

    /// Answers a request over TCP; otherwise as [`Unit::on_bus`].
    pub fn on_tcp(&mut self, uptime_s: u32, asked: &mbap::Frame) -> Option<Reply> {
        let pdu = self.pdu(uptime_s, asked.unit, &asked.pdu)?;
        Some(self.reply(mbap::build(asked.transaction, self.stated(), &pdu)))
    }

    fn pdu(&mut self, uptime_s: u32, unit: u8, asked: &[u8]) -> Option<Vec<u8>> {
        if unit != self.id {
            return None;
        }
        Some(match (self.fault, &mut self.speech) {
            (Fault::Silent, _) => return None,
            (Fault::Exception(code), _) => vec![asked.first().copied().unwrap_or(0) | 0x80, code],
            (_, Speech::Moxa(module)) => module.answer(uptime_s, asked),
            (_, Speech::Adam(module)) => module.answer(asked),
            (_, Speech::Plain(module)) => module.answer(asked),
        })
    }

    fn stated(&self) -> u8 {
        if self.fault == Fault::WrongUnit { self.id + 1 } else { self.id }
    }

    fn reply(&self, mut bytes: Vec<u8>) -> Reply {
        if self.fault == Fault::Short {
            bytes.truncate(bytes.len().saturating_sub(2));
        }
        let after_ms = if let Fault::Late(ms) = self.fault { ms } else { 0 };
        Reply { bytes, after_ms }
    }
}
