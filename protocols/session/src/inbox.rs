//! Packets out of a stream of bytes, and a limit on what one may take in memory.

use crate::Fault;
use crate::message::{self, Message};
use bytes::{Buf as _, BytesMut};
use rumqttc::v5::mqttbytes::v5::Packet;

/// Packet types: MQTT 5.0 section 2.1.2.
const PUBLISH: u8 = 3;
const DISCONNECT: u8 = 14;

/// Topic with its length, packet id, length of the properties, and the fixed header before them.
#[cfg(test)]
pub(crate) const HEAD_MAX: usize = 5 + 2 + 0xFFFF + 2 + 4;

/// Something whole, or a message as far as it is read.
#[derive(Debug)]
pub(crate) enum Frame {
    Message(Message),
    Packet(Box<Packet>),
}

/// Bytes of a broker that are not yet taken.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// Largest packet that is read whole.
    packet_max: usize,
    bytes: BytesMut,
    /// Bytes of an oversize message that are still to be thrown away.
    skip: usize,
}

impl Inbox {
    pub(crate) fn new(packet_max: usize) -> Self {
        Self { packet_max, bytes: BytesMut::new(), skip: 0 }
    }

    /// Where what comes is put. Beyond what is put at a time it holds less than one packet that is read whole, or less
    /// than the head of a message (some 64 KiB).
    pub(crate) fn room(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// Bytes that are not taken.
    pub(crate) fn held(&self) -> usize {
        self.bytes.len()
    }

    /// Takes a frame out, if it is there.
    pub(crate) fn take(&mut self) -> Result<Option<Frame>, Fault> {
        let skipped = self.skip.min(self.bytes.len());
        self.bytes.advance(skipped);
        self.skip -= skipped;
        if self.skip > 0 {
            return Ok(None);
        }
        let Some(header) = Header::of(&self.bytes)? else { return Ok(None) };
        if header.body > self.packet_max {
            return self.take_oversize(header);
        }
        if self.bytes.len() < header.length + header.body {
            return Ok(None);
        }
        let mut packet = self.bytes.split_to(header.length + header.body);
        match header.kind() {
            PUBLISH => message::whole(header, packet.freeze()).map(|message| Some(Frame::Message(message))),
            // The codec wants properties even where MQTT 5.0 section 3.14.2.2 allows none.
            DISCONNECT => Err(Fault::goodbye(packet.get(header.length).copied().unwrap_or(0))),
            _ => Ok(Some(Frame::Packet(Box::new(Packet::read(&mut packet, None).map_err(Fault::Damaged)?)))),
        }
    }

    fn take_oversize(&mut self, header: Header) -> Result<Option<Frame>, Fault> {
        if header.kind() != PUBLISH {
            return Err(Fault::Oversize { kind: header.kind(), size: header.body, limit: self.packet_max });
        }
        let there = self.bytes.len().min(header.length + header.body);
        let Some(message) = message::oversize(header, &self.bytes[header.length..there])? else {
            // All of it is there and its head is not: the head is longer than its packet.
            let whole = there == header.length + header.body;
            return if whole { Err(Fault::Protocol("a message that ends in its head")) } else { Ok(None) };
        };
        self.bytes.advance(header.length);
        self.skip = header.body;
        Ok(Some(Frame::Message(message)))
    }
}

/// The fixed header: MQTT 5.0 section 2.1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) first: u8,
    /// Bytes of the header itself.
    pub(crate) length: usize,
    /// Bytes after it.
    pub(crate) body: usize,
}

impl Header {
    /// `None` while it is not all there.
    fn of(bytes: &[u8]) -> Result<Option<Self>, Fault> {
        let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
        Ok(length(rest)?.map(|(body, taken)| Self { first, length: 1 + taken, body }))
    }

    fn kind(self) -> u8 {
        self.first >> 4
    }
}

/// A variable byte integer and how many bytes it takes: MQTT 5.0 section 1.5.5.
pub(crate) fn length(bytes: &[u8]) -> Result<Option<(usize, usize)>, Fault> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((value, index + 1)));
        }
    }
    if bytes.len() >= 4 { Err(Fault::Protocol("a length of more than four bytes")) } else { Ok(None) }
}
